//! The rules that hold for a machine or for all of them, whatever is forecast: who may act, how long a machine is left
//! alone, what an operator forbade, how much a caller may ask for. Pure; time is an argument.

pub mod cooldown;
pub mod direction;
pub mod lease;
pub mod outcome;
pub mod pause;
pub mod quota;
pub mod resizes;
