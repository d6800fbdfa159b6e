//! Resizes from their start at the actuator to the report of their end.

pub mod followers;
pub mod reconcile;
mod settle;
