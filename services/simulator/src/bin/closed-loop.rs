//! Plays recorded CPU through ways of choosing sizes.

use std::process::ExitCode;

use clap::Parser as _;
use simulator::measuring::command::{Cli, run};

fn main() -> ExitCode {
    run(&Cli::parse())
}
