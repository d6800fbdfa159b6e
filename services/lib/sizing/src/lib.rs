//! Rules that size a machine: when it is too small or too large for its demand, what each would have cost on the machine's
//! own past, and which one it should run. Pure; demand is in vCPU, time in steps of five minutes.

pub mod appetite;
pub mod past;
pub mod pool;
pub mod replay;
pub mod review;
pub mod rule;
pub mod rungs;
pub mod step;
