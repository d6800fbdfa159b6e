//! The only holder of AWS rights: describes instances, resizes them, sets their monitoring up.
//!
//! Invariant: no resize ends with the instance stopped (`resize.rs`), and in a dry run nothing is changed (`admission.rs`,
//! `executor.rs`), whoever calls.

mod admission;
mod api;
pub mod cloud;
mod config;
mod connect;
mod deps;
mod executor;
mod guard;
mod hands;
mod journal;
mod leave;
mod metrics;
pub mod monitoring;
mod preflight;
mod rails;
mod recovery;
pub mod resize;
#[cfg(test)]
mod schedules;
mod seal;
mod serve;

#[cfg(test)]
extern crate self as actuator;
/// The simulated cloud, with this crate's own types: the crate `simulator` was built against another build of this one.
#[cfg(test)]
#[path = "../../simulator/src/cloud/mod.rs"]
pub mod fake;

pub use self::{
    cloud::Cloud,
    config::{AwsTimeouts, Config, LimitsConfig, MonitoringConfig, StackMembers, UnknownChecks},
    connect::{WithoutAws, connect},
    deps::Deps,
    leave::Leave,
    monitoring::documents::{Install, SCRIPT as MONITORING_SCRIPT},
    recovery::rescue::rescue,
    seal::Secret,
    serve::{SERVICE, WHAT_FOLLOWS, bring_up, in_process, run, serve, serve_or_bring_up},
};
