//! wip
mod fleet;
mod ledger;
mod pricing;
mod prometheus;
mod trace;
mod workload;
