//! Decides whether a machine should be resized, remembers what was decided, and explains it.
//!
//! One call walks through the code like this: `grpc` checks and converts a request, `store` opens a transaction and
//! reads what it remembers of the target, `threshold` decides, `store` writes the decision and commits.
//!
//! Invariant: nothing here touches a machine.
//! Invariant: everything but `grpc`, `convert`, `store`, `service` and `stopwatch` is pure; time is an argument.

pub mod cooldown;
pub mod input;
pub mod outlook;
pub mod policy;
pub mod probability;
pub mod record;
pub mod text;
pub mod threshold;
pub mod verdict;
