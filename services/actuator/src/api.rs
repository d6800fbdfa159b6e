//! `ActuatorService` over gRPC. Messages end here.

mod convert;
pub mod grpc;
mod measured;
