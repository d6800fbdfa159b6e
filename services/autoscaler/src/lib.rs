//! The one binary: all four services in a process, the simulated demo, and the operator's commands.

mod assembly;
mod cli;
mod commands;
mod demo;
mod output;
mod sockets;

pub use cli::main;
