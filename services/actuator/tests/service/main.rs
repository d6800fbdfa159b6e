//! The whole service over a fake cloud, through its gRPC interface.

mod calls;
mod faults;
mod support;
