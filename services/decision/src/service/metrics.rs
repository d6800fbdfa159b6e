//! What Prometheus sees of decisions.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{decide::record::Decision, fleet::outcome::Outcome};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DecisionLabels {
    action: &'static str,
    reason: &'static str,
    dry_run: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabels {
    action: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ErrorLabels {
    kind: &'static str,
}

/// Counters and gauges of this service, beside those of its calls.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    decisions: Family<DecisionLabels, Counter>,
    outcomes: Family<OutcomeLabels, Counter>,
    store_errors: Family<ErrorLabels, Counter>,
    pending: Gauge,
    pauses: Gauge,
    lease_epoch: Gauge,
    epoch_resets: Counter,
}

impl Metrics {
    /// Registers `decisions_total{action,reason,dry_run}`, `outcomes_total{action,outcome}`,
    /// `store_errors_total{kind}`, `pending_actions`, `pauses_in_force`, `lease_epoch` and `epoch_resets_total`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("decisions", "Decisions made", metrics.decisions.clone());
        registry.register("outcomes", "Actions ended", metrics.outcomes.clone());
        registry.register(
            "store_errors",
            "Attempts that the database refused",
            metrics.store_errors.clone(),
        );
        registry.register(
            "pending_actions",
            "Actions whose end has not been reported",
            metrics.pending.clone(),
        );
        registry.register(
            "pauses_in_force",
            "Pauses of targets and of the fleet",
            metrics.pauses.clone(),
        );
        registry.register(
            "lease_epoch",
            "Epoch of the fleet's lease, about the time in milliseconds at which it was had",
            metrics.lease_epoch.clone(),
        );
        registry.register(
            "epoch_resets",
            "Lease epochs that lay minutes ahead of this machine's clock and were reset",
            metrics.epoch_resets.clone(),
        );
        metrics
    }

    /// Counts a new decision.
    pub fn decided(&self, decision: &Decision) {
        self.decisions
            .get_or_create(&DecisionLabels {
                action: decision.verdict.action.name(),
                reason: decision.verdict.reason_code.name(),
                dry_run: if decision.dry_run { "true" } else { "false" },
            })
            .inc();
    }

    /// Counts an end.
    pub fn ended(&self, decision: &Decision, outcome: Outcome) {
        self.outcomes
            .get_or_create(&OutcomeLabels {
                action: decision.verdict.action.name(),
                outcome: outcome.name(),
            })
            .inc();
    }

    /// Counts an attempt that failed.
    pub fn store_failed(&self, kind: &'static str) {
        self.store_errors.get_or_create(&ErrorLabels { kind }).inc();
    }

    /// The fleet's lease was had or extended under this epoch.
    pub fn leased(&self, epoch: u64) {
        self.lease_epoch
            .set(i64::try_from(epoch).unwrap_or(i64::MAX));
    }

    /// An epoch ahead of the clock was reset.
    pub fn epoch_reset(&self) {
        self.epoch_resets.inc();
    }

    /// Sets the gauges.
    pub fn standing(&self, pending: i64, pauses: i64) {
        self.pending.set(pending);
        self.pauses.set(pauses);
    }
}
