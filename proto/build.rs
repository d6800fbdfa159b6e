//! Compiles the `.proto` files in pure Rust (no system `protoc`) and keeps the descriptor set for server reflection.

use std::{env, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 4] = [
    "autoscaler/predictor/v1/predictor.proto",
    "autoscaler/decision/v1/decision.proto",
    "autoscaler/actuator/v1/actuator.proto",
    "autoscaler/scheduler/v1/scheduler.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=autoscaler");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    // Message names at run time, for canonical JSON.
    let mut messages = tonic_prost_build::Config::new();
    messages.enable_type_names();
    tonic_prost_build::configure().compile_fds_with_config(descriptors, messages)?;
    Ok(())
}
