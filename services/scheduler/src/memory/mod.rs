//! What is kept from tick to tick. All of it may be lost: the stores of the other services hold what counts.

pub mod hindsight;
pub mod state;
pub mod targets;
