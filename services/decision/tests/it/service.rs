//! The service as its callers see it: over gRPC, on a port of its own, with a database of its own.

mod bounds;
mod decide;
mod epochs;
mod faults;
mod figures;
mod guards;
mod harness;
mod operate;
mod recorded;
mod replay;
mod restart;
mod reviews;
mod runs;
mod validate;
