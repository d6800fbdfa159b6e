//! A linear model of one series alone: what its own rhythm says, learned as its outcomes arrive.
//!
//! The global model knows what machines do in general; this one knows that *this* machine runs a job at ten to the hour.
//! Its two forecasts, and how well it did lately, are features of the global model, which decides how far to trust it.
//!
//! Recursive least squares with forgetting and a ridge penalty (Haykin, "Adaptive Filter Theory", ch. 10), kept as the
//! weighted Gram matrix so that nothing drifts; outcomes far from the forecast count less, after Huber.

mod columns;
mod model;
mod pass;
mod solve;

pub use columns::{COLUMNS, GRAM};
pub use model::LocalModel;
pub use pass::LocalPass;
