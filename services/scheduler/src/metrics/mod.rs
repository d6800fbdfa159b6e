//! What the scheduler counts of itself.

mod forecasts;

use common::{clock::SharedClock, exposition::CallMetrics};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use strum::IntoStaticStr;

use crate::domain::{Action, Outcome, Reachability, Standing, TickReport};
pub use forecasts::Forecasts;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ActionLabel {
    action: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DecisionLabels {
    action: &'static str,
    reason_code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct PartLabel {
    part: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// The part of a tick in which something failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ErrorKind {
    /// No lease.
    Lease,
    /// Instance not described.
    Instance,
    /// Metrics unknown.
    Metrics,
    /// No forecast.
    Forecast,
    /// Decision not stored.
    Decision,
    /// Resize not started.
    Resize,
    /// Outcome not reported, or pending decisions not settled.
    Reconcile,
}

impl ErrorKind {
    fn name(self) -> &'static str {
        self.into()
    }
}

/// The scheduler's own metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Calls answered.
    pub calls: CallMetrics,
    /// Forecasts that were compared with what came.
    pub forecasts: Forecasts,
    ticks: Family<ResultLabel, Counter>,
    tick_seconds: Histogram,
    last_tick: Gauge,
    targets: Family<ActionLabel, Gauge>,
    decisions: Family<DecisionLabels, Counter>,
    errors: Family<KindLabel, Counter>,
    resizes: Family<OutcomeLabel, Counter>,
    resizes_active: Gauge,
    lease_held: Gauge,
    standing: Family<PartLabel, Gauge>,
    pauses: Gauge,
    lease_epoch: Gauge,
    fence_epoch: Gauge,
}

impl Metrics {
    /// Registers all; calls take the time of `clock`.
    pub fn register(registry: &mut Registry, clock: SharedClock) -> Self {
        let metrics = Self {
            calls: CallMetrics::register(registry, clock),
            forecasts: Forecasts::register(registry),
            ticks: Family::default(),
            // From five milliseconds to five minutes.
            tick_seconds: Histogram::new(exponential_buckets(0.005, 2.0, 17)),
            last_tick: Gauge::default(),
            targets: Family::default(),
            decisions: Family::default(),
            errors: Family::default(),
            resizes: Family::default(),
            resizes_active: Gauge::default(),
            lease_held: Gauge::default(),
            standing: Family::default(),
            pauses: Gauge::default(),
            lease_epoch: Gauge::default(),
            fence_epoch: Gauge::default(),
        };
        registry.register(
            "ticks",
            "Ticks that ended, by whether every target had a decision",
            metrics.ticks.clone(),
        );
        registry.register(
            "tick_seconds",
            "Duration of a tick, in seconds",
            metrics.tick_seconds.clone(),
        );
        registry.register(
            "last_tick_timestamp_seconds",
            "End of the last tick, seconds since the Unix epoch",
            metrics.last_tick.clone(),
        );
        registry.register(
            "targets",
            "Targets by their last action",
            metrics.targets.clone(),
        );
        registry.register(
            "decisions",
            "Decisions by action and reason",
            metrics.decisions.clone(),
        );
        registry.register("errors", "What failed, by kind", metrics.errors.clone());
        registry.register(
            "resizes",
            "Resizes that ended, by outcome",
            metrics.resizes.clone(),
        );
        registry.register(
            "resizes_active",
            "Resizes that are being followed",
            metrics.resizes_active.clone(),
        );
        registry.register(
            "lease_held",
            "1 while this scheduler is the one actor",
            metrics.lease_held.clone(),
        );
        registry.register(
            "holds_back",
            "1 while this holds resizes back (kill_switch, breaker, fleet_pause, dry_run, journal_degraded, \
             prometheus_unreachable), 0 while it does not, -1 while nobody can tell",
            metrics.standing.clone(),
        );
        registry.register(
            "pauses",
            "Pauses in force, of targets and of the fleet; -1 while nobody can tell",
            metrics.pauses.clone(),
        );
        registry.register(
            "lease_epoch",
            "Epoch under which this scheduler is the one actor; 0 while it is not",
            metrics.lease_epoch.clone(),
        );
        registry.register(
            "fence_epoch",
            "Highest epoch under which the actuator took a resize on; -1 while it can't be asked",
            metrics.fence_epoch.clone(),
        );
        metrics
    }

    /// A tick ended after `seconds`.
    pub fn tick(&self, report: &TickReport, seconds: f64) {
        let complete = report
            .results
            .iter()
            .all(|result| !result.decision_id.is_empty());
        let result = if complete { "complete" } else { "incomplete" };
        self.ticks.get_or_create(&ResultLabel { result }).inc();
        self.tick_seconds.observe(seconds);
        self.last_tick.set(report.finished_at.as_second());
        for result in report
            .results
            .iter()
            .filter(|result| !result.decision_id.is_empty())
        {
            self.decisions
                .get_or_create(&DecisionLabels {
                    action: result.action.name(),
                    reason_code: result.reason_name(),
                })
                .inc();
        }
    }

    /// How many targets had which action last.
    pub fn targets(&self, actions: impl Iterator<Item = Action>) {
        let mut counts = [
            (Action::Hold, 0),
            (Action::ScaleUp, 0),
            (Action::ScaleDown, 0),
        ];
        for action in actions {
            for (known, count) in &mut counts {
                *count += i64::from(*known == action);
            }
        }
        for (action, count) in counts {
            self.targets
                .get_or_create(&ActionLabel {
                    action: action.name(),
                })
                .set(count);
        }
    }

    /// Something failed.
    pub fn error(&self, kind: ErrorKind) {
        self.errors
            .get_or_create(&KindLabel { kind: kind.name() })
            .inc();
    }

    /// A resize is being followed from now on.
    pub fn resize_followed(&self) {
        self.resizes_active.inc();
    }

    /// It is no longer followed.
    pub fn resize_left(&self) {
        self.resizes_active.dec();
    }

    /// A resize ended.
    pub fn resize_ended(&self, outcome: Outcome) {
        self.resizes
            .get_or_create(&OutcomeLabel {
                outcome: outcome.name(),
            })
            .inc();
    }

    /// What holds resizes back.
    pub fn standing(&self, standing: &Standing) {
        let limits = standing.limits.as_ref().ok();
        let pauses = standing.pauses.as_ref().ok();
        let unreachable = match standing.source.reachability() {
            Reachability::Unknown => None,
            Reachability::Unreachable => Some(true),
            Reachability::Reachable | Reachability::Partly => Some(false),
        };
        for (part, holds) in [
            (
                "kill_switch",
                limits.map(|limits| limits.kill_switch.is_some()),
            ),
            (
                "breaker",
                limits.map(|limits| limits.breaker_open_until.is_some()),
            ),
            (
                "journal_degraded",
                limits.map(|limits| !limits.journal_degraded.is_empty()),
            ),
            (
                "fleet_pause",
                pauses.map(|pauses| pauses.iter().any(|pause| pause.target_id.is_empty())),
            ),
            ("dry_run", standing.dry_run),
            ("prometheus_unreachable", unreachable),
        ] {
            self.standing
                .get_or_create(&PartLabel { part })
                .set(holds.map_or(-1, i64::from));
        }
        let number = |value: Option<u64>| match value {
            Some(value) => i64::try_from(value).unwrap_or(i64::MAX),
            None => -1,
        };
        self.pauses
            .set(number(pauses.map(|pauses| pauses.len() as u64)));
        self.lease_epoch
            .set(number(Some(standing.lease_epoch.unwrap_or(0))));
        self.fence_epoch
            .set(number(limits.map(|limits| limits.fence_epoch)));
    }

    /// Whether this scheduler is the one actor.
    pub fn lease(&self, held: bool) {
        self.lease_held.set(i64::from(held));
    }
}
