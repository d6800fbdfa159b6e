//! One tick, and when there is one.

pub mod act;
pub mod engine;
mod gather;
mod known;
mod learn;
pub mod lease;
mod reviews;
pub mod standing;
pub mod ticker;
