//! What no policy can beat: the cheapest way through a demand that is known beforehand.
//!
//! [`path`] finds it at given prices, [`floor`] what that says about budgets.

pub mod floor;
pub mod path;
