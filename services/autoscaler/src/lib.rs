//! The one binary: all four services in a process, the simulated demo, and the operator's commands.

mod arguments;
mod assembly;
mod cli;
mod commands;
mod configuration;
mod demo;
mod output;
mod sockets;

pub use cli::main;
