//! Trains, scores and replaces models.

use std::process::ExitCode;

use clap::Parser as _;
use trainer::commands::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse())
}
