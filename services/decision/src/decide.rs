//! The decision about one target: from what is known of it to an action, with every check on the way there. Pure; time is
//! an argument.

pub mod alternatives;
pub mod bounds;
pub mod case;
pub mod checks;
pub mod explain;
pub mod guards;
pub mod guide;
pub mod input;
pub mod ladder;
pub mod outlook;
pub mod probability;
pub mod record;
pub mod replay;
pub mod run;
pub mod schedule;
pub mod sizes;
pub mod strategy;
pub mod verdict;
pub mod walk;
pub mod want;
pub mod wish;
