//! The command `closed-loop`: reads recordings, plays them, prints the table of [`crate::closed_loop`].

mod cache;
pub mod command;
mod data;
mod forecasting;
mod recorder;
