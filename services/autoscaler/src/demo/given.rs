//! What of a configuration of one's own the demo heeds: what decides, and where to listen. The rest is the simulation's.

use std::path::Path;

use common::config::{ConfigError, Settings};

use simulator::fleet::Machine;

use crate::configuration::Configuration;

/// Keys that are heeded, with all below them.
const HEEDED: [&str; 14] = [
    "telemetry",
    "policy",
    "predictor",
    "decision.listen",
    "decision.metrics_listen",
    "actuator.listen",
    "actuator.metrics_listen",
    "actuator.limits",
    "scheduler.listen",
    "scheduler.metrics_listen",
    "scheduler.http_listen",
    "scheduler.tick_interval_seconds",
    "scheduler.prometheus.window_seconds",
    "scheduler.prometheus.step_seconds",
];

/// What the demo runs with where nothing else is heeded. All the rest is as in production: the strategy `adaptive`, and 14 days
/// that are read of each machine, for the simulated Prometheus has any past.
fn below() -> serde_json::Value {
    serde_json::json!({
        // The day is over in two minutes; what the loop would do is what is to be seen.
        "actuator": {"limits": {"instance_per_day": 0, "fleet_per_day": 0}},
    })
}

/// A configuration, as far as it is heeded.
pub struct Given {
    /// Over what the demo runs with where nothing else is.
    heeded: Settings,
    /// Keys that are set and mean nothing here.
    pub left_out: Vec<String>,
    /// With the defaults for what the simulation replaces.
    pub base: Configuration,
}

impl Given {
    /// # Errors
    /// What is wrong with it, also where it isn't heeded.
    pub fn of(settings: &Settings) -> Result<Self, ConfigError> {
        Configuration::read(settings)?;
        let (heeded, left_out) = settings.at_or_below(&HEEDED)?;
        // JSON is YAML.
        let heeded = Settings::from_yaml_text(&below().to_string())?.overlaid(heeded);
        let base = Configuration::read(&heeded)?;
        Ok(Self {
            heeded,
            left_out,
            base,
        })
    }

    /// The ladder for all machines, where there is one.
    pub fn ladder(&self) -> Option<&[String]> {
        let is_set = self.heeded.sets("policy.ladder");
        is_set.then_some(self.base.policy.ladder.as_slice())
    }

    /// What the four services run on.
    ///
    /// # Errors
    /// What they can't.
    pub fn configuration(
        &self,
        machines: &[Machine],
        prometheus_url: &str,
        folder: &Path,
    ) -> Result<Configuration, ConfigError> {
        let targets: Vec<_> = machines
            .iter()
            .map(|machine| {
                let ladder: Vec<_> = machine.ladder.iter().map(|rung| rung.name).collect();
                serde_json::json!({
                    "id": machine.name,
                    "instance_id": machine.instance_id,
                    "label": machine.label,
                    "ladder": ladder,
                })
            })
            .collect();
        let above = serde_json::json!({
            "decision": {"database": folder.join("decision.db")},
            // At the end nothing real waits for a machine that is down.
            "actuator": {"dry_run": false, "shutdown_grace_seconds": 0, "database": ":memory:"},
            "scheduler": {
                "run_clock": false,
                "print_decisions": false,
                // Nobody else is there; a simulated hour need not renew what it holds.
                "lease_seconds": 3_600,
                // No host keeps anything from a simulated machine.
                "prometheus": {"url": prometheus_url, "cpu_unit": "percent", "memory_unit": "percent", "steal_query": null},
                "targets": targets,
            },
        });
        let above = Settings::from_yaml_text(&above.to_string())?;
        Configuration::read(&self.heeded.clone().overlaid(above))
    }
}

#[cfg(test)]
mod tests {
    use decision::Strategy;

    use super::*;

    fn given(yaml: &str) -> Given {
        Given::of(&Settings::from_yaml_text(yaml).unwrap()).unwrap()
    }

    fn read(given: &Given) -> Configuration {
        let folder = Path::new("/tmp/demo");
        given
            .configuration(&[], "http://127.0.0.1:1", folder)
            .unwrap()
    }

    #[test]
    fn what_decides_is_heeded_and_the_rest_is_named() {
        let given = given(
            "policy: {scale_up_cpu: 60, ladder: [t3.small, t3.large]}\n\
             decision: {database: /var/lib/decision.db, listen: '127.0.0.1:6002'}\n\
             actuator: {database: 'postgres://u:p@db/x', region: eu-west-1, limits: {fleet_per_day: 7}}\n\
             scheduler: {tick_interval_seconds: 600, run_clock: true, prometheus: {url: 'http://prom:9090', window_seconds: 172800}}",
        );
        assert_eq!(
            given.left_out,
            [
                "actuator.database",
                "actuator.region",
                "decision.database",
                "scheduler.prometheus.url",
                "scheduler.run_clock",
            ]
        );
        let configuration = read(&given);
        assert_eq!(configuration.policy.scale_up_cpu, 60.0);
        assert_eq!(given.ladder().unwrap(), ["t3.small", "t3.large"]);
        assert_eq!(configuration.decision.listen.port(), 6002);
        assert_eq!(
            configuration.decision.database,
            Path::new("/tmp/demo/decision.db")
        );
        assert_eq!(configuration.actuator.database, ":memory:");
        assert_eq!(configuration.actuator.limits.fleet_per_day, 7);
        assert_eq!(configuration.actuator.limits.instance_per_day, 0);
        assert_eq!(configuration.scheduler.tick_interval_seconds, 600);
        assert_eq!(configuration.scheduler.prometheus.window_seconds, 172_800);
        assert!(!configuration.scheduler.run_clock);
    }

    #[test]
    fn without_a_file_each_machine_has_its_ladder_and_14_days_choose_its_rule() {
        let given = given("");
        assert!(given.left_out.is_empty() && given.ladder().is_none());
        let configuration = read(&given);
        assert_eq!(configuration.actuator.limits.fleet_per_day, 0);
        assert_eq!(configuration.policy.strategy, Strategy::Adaptive);
        let scheduler = configuration.scheduler;
        assert_eq!(scheduler.prometheus.window_seconds, 14 * 86_400);
    }

    #[test]
    fn what_is_wrong_is_refused_also_where_it_is_not_heeded() {
        let settings = Settings::from_yaml_text("actuator: {databse: x}").unwrap();
        assert!(Given::of(&settings).is_err());
    }
}
