//! The only holder of AWS rights: describes instances, resizes them, sets their monitoring up.

pub mod cloud;
pub mod config;
pub mod fake;
pub mod resize;
