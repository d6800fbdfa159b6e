//! The command `closed-loop`: reads recordings, plays them, prints the table of [`crate::closed_loop`].

pub mod command;
mod data;
