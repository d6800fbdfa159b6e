//! The actuator's binary on journals that it can't use, and on those of older versions: whatever they are, machines that
//! are down come up.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod damaged;
mod support;
mod upgraded;
