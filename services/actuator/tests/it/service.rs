//! The whole service over a fake cloud, through its gRPC interface.

mod bindings;
mod calls;
mod epochs;
mod faults;
mod limits;
mod monitoring;
mod restart;
mod site;
mod support;
mod tags;
