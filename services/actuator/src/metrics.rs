//! What the exposition shows of the actuator beside its calls.

use common::{clock::SharedClock, exposition::CallMetrics};
use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::rails::Standings;

type Labels = [(&'static str, &'static str); 1];

/// Counters and gauges; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub calls: CallMetrics,
    resizes: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram>,
    /// Resizes under way.
    pub active: Gauge,
    /// Resizes that a person should look at now: page on it.
    pub need_a_person: Gauge,
    /// Resizes that a person was called for.
    pub paged: Counter,
    /// Resizes that the last process left unfinished.
    pub unfinished_at_boot: Gauge,
    /// Resizes that were taken up again, from the journal or from a breadcrumb.
    pub resumed: Counter,
    monitoring: Family<Labels, Counter>,
    objections: Family<Labels, Counter>,
    /// Types that EC2 refused an instance for good.
    pub refused_for_good: Counter,
    /// Metrics that CloudWatch charged for.
    charged: Counter,
    /// 1 while nothing is ever changed.
    pub dry_run: Gauge,
    /// 1 while it is on.
    kill_switch: Gauge,
    /// 1 while it is open.
    breaker_open: Gauge,
    fleet_used: Gauge,
    fleet_limit: Gauge,
    /// Fences that lay ahead of the clock: page on it, a clock is wrong or somebody plays.
    pub fence_resets: Counter,
    /// Instances with a tag that looks like a breadcrumb and can't be verified: page on it.
    pub breadcrumbs_unverified: Gauge,
    /// 1 once the journal can't be used: page on it.
    pub journal_degraded: Gauge,
}

impl Metrics {
    /// Registers all of them; calls take the time of `clock`.
    pub fn register(registry: &mut Registry, clock: SharedClock) -> Self {
        let metrics = Self {
            calls: CallMetrics::register(registry, clock),
            resizes: Family::default(),
            // From a second (refused) to about three hours (no capacity).
            seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(1.0, 2.5, 11))
            }),
            active: Gauge::default(),
            need_a_person: Gauge::default(),
            paged: Counter::default(),
            unfinished_at_boot: Gauge::default(),
            resumed: Counter::default(),
            monitoring: Family::default(),
            objections: Family::default(),
            refused_for_good: Counter::default(),
            charged: Counter::default(),
            dry_run: Gauge::default(),
            kill_switch: Gauge::default(),
            breaker_open: Gauge::default(),
            fleet_used: Gauge::default(),
            fleet_limit: Gauge::default(),
            fence_resets: Counter::default(),
            breadcrumbs_unverified: Gauge::default(),
            journal_degraded: Gauge::default(),
        };
        registry.register(
            "resizes",
            "Resizes that ended, by outcome",
            metrics.resizes.clone(),
        );
        registry.register(
            "resize_seconds",
            "From request to end, in seconds, by outcome",
            metrics.seconds.clone(),
        );
        registry.register(
            "resizes_active",
            "Resizes under way",
            metrics.active.clone(),
        );
        registry.register(
            "resizes_need_a_person",
            "Resizes under way whose instance is down longer than planned",
            metrics.need_a_person.clone(),
        );
        registry.register(
            "resizes_paged",
            "Resizes that a person was called for, once each",
            metrics.paged.clone(),
        );
        registry.register(
            "resizes_unfinished_at_boot",
            "Resizes that the last process left unfinished",
            metrics.unfinished_at_boot.clone(),
        );
        registry.register(
            "resizes_resumed",
            "Resizes that were taken up again, from the journal or from a tag",
            metrics.resumed.clone(),
        );
        registry.register(
            "monitoring_setups",
            "Set-ups of monitoring that ended, by result",
            metrics.monitoring.clone(),
        );
        registry.register(
            "objections",
            "Resizes that were not taken on, by the limit that spoke against them",
            metrics.objections.clone(),
        );
        registry.register(
            "types_refused_for_good",
            "Starts that EC2 refused because the instance and the type don't fit, once each",
            metrics.refused_for_good.clone(),
        );
        registry.register(
            "cloudwatch_metrics",
            "Metrics asked for at CloudWatch, as it charges them: about 0.01 USD for 1,000",
            metrics.charged.clone(),
        );
        for (name, help, gauge) in [
            (
                "journal_degraded",
                "1 once the journal can't be used: what is down is brought up, and nothing new is taken on",
                &metrics.journal_degraded,
            ),
            (
                "breadcrumbs_unverified",
                "Instances whose tag says that they were stopped for a resize, and nothing proves it; `autoscaler recover` lists them",
                &metrics.breadcrumbs_unverified,
            ),
            (
                "dry_run",
                "1 while the configuration makes every resize a dry run",
                &metrics.dry_run,
            ),
            (
                "kill_switch_on",
                "1 while the kill switch is on, or can't be asked",
                &metrics.kill_switch,
            ),
            (
                "circuit_breaker_open",
                "1 while the circuit breaker is open",
                &metrics.breaker_open,
            ),
            (
                "fleet_budget_used",
                "Resizes of all instances that began within 24 hours",
                &metrics.fleet_used,
            ),
            (
                "fleet_budget_limit",
                "Resizes of all instances that may begin within 24 hours; 0 is no limit",
                &metrics.fleet_limit,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        registry.register(
            "fence_resets",
            "Highest lease epochs that lay minutes ahead of this machine's clock and were reset",
            metrics.fence_resets.clone(),
        );
        metrics
    }

    /// How the limits stand.
    pub fn stand(&self, standings: &Standings) {
        self.kill_switch
            .set(i64::from(standings.kill_switch.is_some()));
        self.breaker_open
            .set(i64::from(standings.breaker.until.is_some()));
        self.fleet_used.set(i64::from(standings.fleet.count));
        self.fleet_limit.set(i64::from(standings.fleet.limit));
    }

    /// A limit spoke against a resize.
    pub fn objected(&self, rail: &'static str) {
        self.objections.get_or_create(&[("limit", rail)]).inc();
    }

    /// CloudWatch charges for this many metrics.
    pub fn charged(&self, metrics: u32) {
        self.charged.inc_by(metrics.into());
    }

    /// A resize ended.
    pub fn ended(&self, outcome: &'static str, seconds: f64) {
        let labels = [("outcome", outcome)];
        self.resizes.get_or_create(&labels).inc();
        self.seconds.get_or_create(&labels).observe(seconds);
    }

    /// A set-up of monitoring ended.
    pub fn monitored(&self, result: &'static str) {
        self.monitoring.get_or_create(&[("result", result)]).inc();
    }
}
