//! The trainer: recorded series in, a model out, and what it is worth.
//!
//! `data` reads, `train` makes an artifact, `evaluate` asks it for the part of each series that it was not trained on,
//! through the same door as a caller, `score` adds up, `report` says it, `promote` lets one artifact take another's place.
//!
//! Invariant: what is scored was never trained on, and no forecast sees past its origin.

mod card;
pub mod commands;
mod data;
mod evaluate;
mod package;
mod progress;
mod promote;
mod report;
mod resources;
mod score;
mod train;
