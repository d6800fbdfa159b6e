//! The decision about one target: from what is known of it to an action, with every check on the way there. Pure; time is
//! an argument.

pub mod explain;
pub mod input;
pub mod ladder;
pub mod outlook;
pub mod probability;
pub mod record;
pub mod threshold;
pub mod verdict;
