//! `DecisionService` over gRPC. Messages end here.

pub mod convert;
pub mod grpc;
