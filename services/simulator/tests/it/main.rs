//! The world with the real services in it, in one process and without a socket.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod closed_loop;
mod same_seed;
