//! The policy: what is asked of a forecast before a machine is touched. Pure.

pub mod check_times;
pub mod document;
pub mod freeze;
pub mod hours;
pub mod naming;
pub mod times;
pub mod validate;
pub mod version;
pub mod zone;
