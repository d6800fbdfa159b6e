//! What the samples of one machine say, and when they say nothing. Pure.

pub mod demand;
pub mod observe;
pub mod restarts;
pub mod rules;
pub mod series;
pub mod sizes;
pub mod steps;
pub mod units;
