//! The policy: what is asked of a forecast before a machine is touched. Pure.

pub mod document;
pub mod naming;
pub mod validate;
pub mod version;
