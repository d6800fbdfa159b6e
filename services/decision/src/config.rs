//! The sections `decision` and `policy`.

use std::{net::SocketAddr, path::PathBuf};

use common::config::{ConfigError, Settings, invalid};
use serde::{Deserialize, Serialize};

use crate::policy::{
    document::{Policy, Source, Strategy},
    naming::Naming,
};

/// Section `decision`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the gRPC server.
    pub listen: SocketAddr,
    /// Address of the Prometheus exposition; null turns it off.
    pub metrics_listen: Option<SocketAddr>,
    /// The SQLite file that holds decisions, cooldowns, pauses and leases. Created when it is not there.
    pub database: PathBuf,
    /// Days that decisions to act are kept, and reviews that no longer decide, 1 to 3650.
    pub retention_days: u32,
    /// Days that decisions to hold are kept, 1 to 3650.
    pub hold_retention_days: u32,
    /// Decisions of one caller that are stored in a minute at most, 20 to 1,000,000; without the lease a twentieth of it.
    pub decisions_per_minute: u32,
    /// Nothing may be applied over the policy: `policy.source`, or what the section `policy` sets, says so.
    #[serde(skip)]
    pub policy_is_pinned: bool,
    /// Who named the strategy of the configuration's policy.
    #[serde(skip)]
    pub strategy_naming: Naming,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50052)),
            metrics_listen: Some(SocketAddr::from(([127, 0, 0, 1], 9102))),
            database: PathBuf::from("data/decision.db"),
            retention_days: 90,
            hold_retention_days: 90,
            decisions_per_minute: 20_000,
            policy_is_pinned: false,
            strategy_naming: Naming::default(),
        }
    }
}

impl Config {
    /// The section, validated.
    ///
    /// # Errors
    /// Names the key that is wrong.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let mut config: Self = settings.section("decision")?;
        config.validate().map_err(|error| settings.placed(error))?;
        let Sourced { source } = settings.section("policy")?;
        config.policy_is_pinned = match source {
            Some(Source::File) => true,
            Some(Source::Store) => false,
            None => settings.sets_any_of("policy", &[]),
        };
        config.strategy_naming = Naming::of(settings);
        Ok(config)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if self.database.as_os_str().is_empty() {
            return Err(invalid("decision.database", "is empty; name a file"));
        }
        for (key, days) in [
            ("decision.retention_days", self.retention_days),
            ("decision.hold_retention_days", self.hold_retention_days),
        ] {
            if !(1..=3_650).contains(&days) {
                return Err(invalid(key, format!("{days} is not between 1 and 3650")));
            }
        }
        if !(20..=1_000_000).contains(&self.decisions_per_minute) {
            return Err(invalid(
                "decision.decisions_per_minute",
                format!(
                    "{} is not between 20 and 1000000",
                    self.decisions_per_minute
                ),
            ));
        }
        Ok(())
    }
}

/// The one key of section `policy` that is no part of the policy.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sourced {
    source: Option<Source>,
}

impl Policy {
    /// Section `policy`, validated. A strategy that it does not name is that of a new store.
    ///
    /// # Errors
    /// Names every key that is wrong.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        // Whose policy decides is no part of it.
        let policy = Self {
            source: None,
            ..settings.section("policy")?
        };
        let policy = Naming::of(settings).settle(policy, Strategy::default());
        let violations = policy.violations();
        let Some((first, more)) = violations.split_first() else {
            return Ok(policy);
        };
        let mut message = first.description.clone();
        for violation in more {
            message += &format!(
                "; and `policy.{}`: {}",
                violation.field, violation.description
            );
        }
        let key = format!("policy.{}", first.field);
        Err(settings.placed(invalid(&key, message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_50_bad_sections_name_their_key() {
        for (yaml, expected) in [
            (
                "policy: {scale_down_cpu: 80}",
                "configuration key `policy.scale_down_cpu`: 80 is not below scale_up_cpu (75)",
            ),
            ("policy: {ladder: [t2.small, t2.smal]}", ""),
            (
                "policy: {ladder: [t2.small, small]}",
                "configuration key `policy.ladder[1]`: \"small\" is not an instance type",
            ),
            (
                "policy: {ladder: []}",
                "configuration key `policy.ladder`: is empty",
            ),
            (
                "policy: {scale_up: 80}",
                "unknown configuration key `policy.scale_up`; did you mean `scale_up_cpu`?",
            ),
            (
                "decision: {retention_days: 0}",
                "configuration key `decision.retention_days`: 0 is not between 1 and 3650",
            ),
            (
                "decision: {database: ''}",
                "configuration key `decision.database`: is empty",
            ),
            (
                "policy: {source: files}",
                "configuration key `policy.source`: unknown variant",
            ),
            (
                "policy: {zone: Europe/Berln, windows: {up: [{days: [mo], from: 8, to: \"18:00\"}]}}",
                "configuration key `policy.windows.up",
            ),
            (
                "policy: {zone: Europe/Berln, windows: {up: [{days: [mo], from: \"8\", to: \"18:00\"}]}}",
                "configuration key `policy.zone`: \"Europe/Berln\" is no zone of the IANA database; write such as Europe/Berlin; \
                 and `policy.windows.up[0].days[0]`: \"mo\" is no day; write mon, tue, wed, thu, fri, sat, sun; \
                 and `policy.windows.up[0].from`: \"8\" is no time of day",
            ),
            (
                "policy: {zone: Europe/Berlin, windows: {up: [{days: [mon], from: 08:00, to: 18:00}]}, \
                 freeze: [{from: 2026-12-20, to: 2027-01-06}], schedule: [{from: 22:00, to: 06:00, type: t2.large}]}",
                "",
            ),
            (
                "decision: {decisions_per_minute: 0}",
                "configuration key `decision.decisions_per_minute`: 0 is not between",
            ),
            (
                "policy: {min_confidence: 0.9}\ndecision: {metrics_listen: null}",
                "",
            ),
        ] {
            let settings = Settings::from_yaml_text(yaml).unwrap();
            let message = Policy::read(&settings)
                .and_then(|_| Config::read(&settings))
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(message.starts_with(expected), "{yaml}: {message:?}");
            assert_eq!(
                message.is_empty(),
                expected.is_empty(),
                "{yaml}: {message:?}"
            );
        }
    }

    #[test]
    fn what_the_file_sets_is_the_files_unless_it_says_store() {
        for (yaml, pinned) in [
            ("", false),
            ("policy:", false),
            ("policy: {scale_up_cpu: 80}", true),
            ("policy: {ladder: [t2.small, t2.medium]}", true),
            ("policy: {source: store}", false),
            ("policy: {source: store, scale_up_cpu: 80}", false),
            ("policy: {source: file}", true),
        ] {
            let settings = Settings::from_yaml_text(yaml).unwrap();
            let config = Config::read(&settings).unwrap();
            assert_eq!(config.policy_is_pinned, pinned, "{yaml}");
            // The document and its version don't know.
            let policy = Policy::read(&settings).unwrap();
            assert_eq!(policy.source, None);
            let same = Policy {
                source: Some(Source::Store),
                ..policy.clone()
            };
            assert_eq!(policy.version(), same.version());
        }
        let settings = Settings::from_yaml_text("").unwrap();
        let above = Settings::from_yaml_text("policy: {min_confidence: 0.9}").unwrap();
        let settings = settings.overlaid(above);
        assert!(Config::read(&settings).unwrap().policy_is_pinned);
    }
}
