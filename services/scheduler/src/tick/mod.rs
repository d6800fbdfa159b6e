//! One tick, and when there is one.

pub mod engine;
pub mod gather;
pub mod lease;
pub mod standing;
pub mod ticker;
