//! The predictor on its own: serve, health.

use std::process::ExitCode;

use clap::Parser as _;
use predictor::commands::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse())
}
