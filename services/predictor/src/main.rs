//! The predictor on its own: serve, health, train, evaluate.

use std::process::ExitCode;

use clap::Parser as _;
use predictor::commands::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse())
}
