//! The actuator's binary on journals that it can't use, and on those of older versions: whatever they are, machines that
//! are down come up.

mod damaged;
mod upgraded;
