//! Section `actuator` of the configuration.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use common::{
    config::{ConfigError, Settings, invalid},
    ec2::is_instance_id,
    environment::aws,
};
use serde::{Deserialize, Serialize};

use crate::{
    monitoring::documents::Install,
    resize::Limits,
    seal::{Secret, check_key},
};

/// Section `actuator`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the gRPC service listens.
    pub listen: SocketAddr,
    /// Where the Prometheus exposition listens; null turns it off.
    pub metrics_listen: Option<SocketAddr>,
    /// True: nothing is ever changed at AWS, whatever a request says. `DRY_RUN` sets it too.
    pub dry_run: bool,
    /// AWS region; null takes `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's, or the instance's own.
    pub region: Option<String>,
    /// AWS profile; null takes `AWS_PROFILE`, or the default credentials chain.
    pub profile: Option<String>,
    /// Resizes under way at once; a further one waits.
    pub max_concurrent: usize,
    /// A resize that waited this long for its turn is refused, for what it was decided on is old, seconds.
    pub queue_seconds: u64,
    /// Time between two looks at an instance, seconds.
    pub poll_seconds: u64,
    /// A stop that takes longer is given up: once it has stopped, the machine starts on its old type, seconds.
    pub stop_timeout_seconds: u64,
    /// A start that takes longer is reported; it is waited for all the same, seconds.
    pub start_timeout_seconds: u64,
    /// Status checks that haven't passed by then roll the resize back, seconds.
    pub check_timeout_seconds: u64,
    /// What AWS shows of an instance may be this old; it is waited so long before a call is taken to have had no effect,
    /// seconds.
    pub settle_seconds: u64,
    /// At shutdown, time for calls that are under way, seconds. What isn't finished then goes on at the next start.
    pub shutdown_grace_seconds: u64,
    /// Only instances with this tag (`key` or `key=value`) are resized; null asks for none.
    pub required_tag: Option<String>,
    /// Instances that are never resized: this program's own host, its Prometheus, its database.
    pub protected_instances: Vec<String>,
    /// Resize machines whose public address changes at each stop, because it is no Elastic IP.
    pub allow_public_ip_change: bool,
    /// Resize from a Xen type (t2, m4, …) to a Nitro type (t3, m6i, …): device names change.
    pub allow_xen_to_nitro: bool,
    /// Members of a CloudFormation stack, whose next update may set their type back: `warn` or `block`.
    pub cloudformation: StackMembers,
    /// What a pre-flight check counts that could not be made: `block` or `allow`.
    pub unknown_checks: UnknownChecks,
    /// The resize journal: a file (SQLite), or a `postgres://` URL. `:memory:` is for simulations.
    pub database: String,
    /// What breadcrumbs on instances are signed with, 32 bytes or more; null takes the key in `breadcrumb_key_file`.
    pub breadcrumb_key: Option<Secret>,
    /// Made with a random key where there is none. Not in the journal's folder: with both lost, nobody knows which
    /// instances were stopped here.
    pub breadcrumb_key_file: PathBuf,
    /// How long resizes that have ended are remembered, days.
    pub retention_days: u32,
    /// How much may be stopped, and how fast AWS is called.
    pub limits: LimitsConfig,
    /// Time limits of one call to AWS.
    pub aws: AwsTimeouts,
    /// node_exporter and Prometheus on the instances.
    pub monitoring: MonitoringConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50053)),
            metrics_listen: Some(SocketAddr::from(([127, 0, 0, 1], 9103))),
            dry_run: true,
            region: None,
            profile: None,
            max_concurrent: 10,
            queue_seconds: 300,
            poll_seconds: 5,
            stop_timeout_seconds: 600,
            start_timeout_seconds: 300,
            check_timeout_seconds: 600,
            settle_seconds: 60,
            shutdown_grace_seconds: 10,
            required_tag: None,
            protected_instances: Vec::new(),
            allow_public_ip_change: false,
            allow_xen_to_nitro: false,
            cloudformation: StackMembers::Warn,
            unknown_checks: UnknownChecks::Block,
            database: "data/actuator.db".to_owned(),
            breadcrumb_key: None,
            breadcrumb_key_file: "keys/actuator-breadcrumb.key".into(),
            retention_days: 90,
            limits: LimitsConfig::default(),
            aws: AwsTimeouts::default(),
            monitoring: MonitoringConfig::default(),
        }
    }
}

/// `actuator.limits`. None of them ever holds back a start.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Resizes of one instance that may begin within 24 hours; 0 is no limit.
    pub instance_per_day: u32,
    /// Resizes of all instances that may begin within 24 hours; 0 is no limit.
    pub fleet_per_day: u32,
    /// So many resizes that did not end on their target open the circuit breaker; 0 turns it off.
    pub breaker_failures: u32,
    /// Within this time, seconds.
    pub breaker_window_seconds: u64,
    /// It closes by itself this long after the last of them, seconds.
    pub breaker_pause_seconds: u64,
    /// A type that had no room in a zone is not tried there again for so long, seconds.
    pub shortage_memory_seconds: u64,
    /// Calls to AWS that only read, on average per second.
    pub reads_per_second: f64,
    /// Reads that may come at once.
    pub read_burst: u32,
    /// Calls to AWS that change something, on average per second.
    pub changes_per_second: f64,
    /// Changes that may come at once.
    pub change_burst: u32,
    /// So many of them are kept for what brings machines back: changes of type and starts.
    pub starts_reserve: u32,
}

impl Default for LimitsConfig {
    /// The rates are half of what EC2 grants an account, for others call it, too.
    fn default() -> Self {
        Self {
            instance_per_day: 24,
            fleet_per_day: 1_000,
            breaker_failures: 3,
            breaker_window_seconds: 3_600,
            breaker_pause_seconds: 3_600,
            shortage_memory_seconds: 300,
            reads_per_second: 10.0,
            read_burst: 100,
            changes_per_second: 2.5,
            change_burst: 25,
            starts_reserve: 10,
        }
    }
}

/// What a check counts that could not be made.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownChecks {
    /// As one that failed.
    Block,
    /// As one that passed.
    Allow,
}

/// What is done about members of a CloudFormation stack.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StackMembers {
    /// They are resized, and the pre-flight says what may come of it.
    Warn,
    /// They are not resized.
    Block,
}

/// `actuator.aws`: the SDK sets no limits of its own on an operation.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsTimeouts {
    /// To connect, seconds.
    pub connect_seconds: u64,
    /// To the first byte of an answer, seconds.
    pub read_seconds: u64,
    /// One attempt, seconds.
    pub attempt_seconds: u64,
    /// A call with its retries, seconds. Calls that change a machine are never retried by the SDK.
    pub operation_seconds: u64,
}

impl Default for AwsTimeouts {
    fn default() -> Self {
        Self {
            connect_seconds: 3,
            read_seconds: 15,
            attempt_seconds: 20,
            operation_seconds: 45,
        }
    }
}

/// `actuator.monitoring`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MonitoringConfig {
    /// Set monitoring up after each resize, over SSM.
    pub enabled: bool,
    /// Wait for the SSM agent to register after a boot, seconds.
    pub online_timeout_seconds: u64,
    /// Time the set-up may take on the instance, seconds.
    pub command_timeout_seconds: u64,
    /// Times that a set-up which fails on the instance is tried.
    pub attempts: u32,
    /// Our own SSM document, which `autoscaler publish-document` makes; null sends the script with `AWS-RunShellScript`.
    pub document: Option<String>,
    /// `all`: node_exporter and Prometheus; `exporter`: node_exporter alone, for a Prometheus elsewhere.
    pub install: Install,
}

impl Default for MonitoringConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            online_timeout_seconds: 300,
            command_timeout_seconds: 900,
            attempts: 2,
            document: Some("CloudAutoscaler-SetupMonitoring".to_owned()),
            install: Install::All,
        }
    }
}

impl Config {
    /// The section, checked.
    ///
    /// # Errors
    /// An unknown key, or a value out of its range.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let config: Self = settings.section("actuator")?;
        config.validate().map_err(|error| settings.placed(error))?;
        aws::check_profile_files(config.profile.as_deref())?;
        Ok(config)
    }

    /// Where machines are and what was done to them. Without these keys nothing can be brought up.
    pub const NEEDED_TO_BRING_UP: &[&str] =
        &["actuator.region", "actuator.profile", "actuator.database"];

    /// What can be read of the section although something is wrong: keys that can't be used have their defaults, dry run
    /// among them. `None` when a key is wrong that is needed to bring machines up.
    pub fn salvage(mut settings: Settings) -> Option<Self> {
        loop {
            let error = match Self::read(&settings) {
                Ok(config) => return Some(config),
                Err(error) => error,
            };
            if error.concerns(Self::NEEDED_TO_BRING_UP) {
                return None;
            }
            settings = settings.without(&error)?;
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let aws = &self.aws;
        let limits = &self.limits;
        let monitoring = &self.monitoring;
        for (key, value, low, high) in [
            ("max_concurrent", self.max_concurrent as u64, 1, 1_000),
            ("queue_seconds", self.queue_seconds, 0, 86_400),
            ("poll_seconds", self.poll_seconds, 1, 300),
            ("stop_timeout_seconds", self.stop_timeout_seconds, 30, 7_200),
            (
                "start_timeout_seconds",
                self.start_timeout_seconds,
                30,
                7_200,
            ),
            (
                "check_timeout_seconds",
                self.check_timeout_seconds,
                30,
                7_200,
            ),
            (
                "shutdown_grace_seconds",
                self.shutdown_grace_seconds,
                0,
                7_200,
            ),
            ("settle_seconds", self.settle_seconds, 1, 600),
            ("retention_days", u64::from(self.retention_days), 1, 3_650),
            (
                "limits.breaker_window_seconds",
                limits.breaker_window_seconds,
                60,
                // The history that is looked at.
                86_400,
            ),
            (
                "limits.breaker_pause_seconds",
                limits.breaker_pause_seconds,
                60,
                86_400,
            ),
            (
                "limits.shortage_memory_seconds",
                limits.shortage_memory_seconds,
                0,
                86_400,
            ),
            ("limits.read_burst", u64::from(limits.read_burst), 1, 10_000),
            (
                "limits.change_burst",
                u64::from(limits.change_burst),
                // One for stops must be left.
                u64::from(limits.starts_reserve) + 1,
                10_000,
            ),
            ("aws.connect_seconds", aws.connect_seconds, 1, 60),
            ("aws.read_seconds", aws.read_seconds, 1, 300),
            ("aws.attempt_seconds", aws.attempt_seconds, 1, 300),
            ("aws.operation_seconds", aws.operation_seconds, 1, 600),
            ("monitoring.attempts", u64::from(monitoring.attempts), 1, 10),
            (
                "monitoring.online_timeout_seconds",
                monitoring.online_timeout_seconds,
                0,
                3_600,
            ),
            (
                "monitoring.command_timeout_seconds",
                monitoring.command_timeout_seconds,
                30,
                7_200,
            ),
        ] {
            if !(low..=high).contains(&value) {
                return Err(invalid(
                    &format!("actuator.{key}"),
                    format!("is {value}; it must lie between {low} and {high}"),
                ));
            }
        }
        for (key, value) in [
            ("limits.reads_per_second", limits.reads_per_second),
            ("limits.changes_per_second", limits.changes_per_second),
        ] {
            if !(0.01..=1_000.0).contains(&value) {
                return Err(invalid(
                    &format!("actuator.{key}"),
                    format!("is {value}; it must lie between 0.01 and 1000"),
                ));
            }
        }
        if let Some(region) = &self.region
            && !aws::is_region(region)
        {
            return Err(invalid(
                "actuator.region",
                format!("{region:?} is no AWS region; one looks like eu-central-1"),
            ));
        }
        if let Some(why) = self.profile.as_deref().and_then(aws::wrong_profile_name) {
            return Err(invalid("actuator.profile", why));
        }
        if let Some(other) = self
            .protected_instances
            .iter()
            .find(|id| !is_instance_id(id))
        {
            return Err(invalid(
                "actuator.protected_instances",
                format!(
                    "{other:?} is no EC2 instance id; it is `i-` and 8 or 17 hexadecimal digits"
                ),
            ));
        }
        if let Some(key) = &self.breadcrumb_key {
            check_key(key).map_err(|why| invalid("actuator.breadcrumb_key", why.to_string()))?;
        }
        if self.database.is_empty() {
            return Err(invalid(
                "actuator.database",
                "write a file's path or a postgres:// URL",
            ));
        }
        if let Some(name) = &monitoring.document {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            let longest = monitoring.install.document(name).len();
            if !(name.len() >= 3 && longest <= 128 && name.bytes().all(allowed)) {
                return Err(invalid(
                    "actuator.monitoring.document",
                    "must be 3 to 128 letters, digits, `_`, `-` and `.`, with `-Exporter` where the exporter alone is installed",
                ));
            }
        }
        if let Some(tag) = &self.required_tag
            && tag.split('=').next().is_none_or(str::is_empty)
        {
            return Err(invalid(
                "actuator.required_tag",
                "write it as `key` or `key=value`",
            ));
        }
        Ok(())
    }

    /// True when the journal would be a new file.
    pub fn has_no_journal_yet(&self) -> bool {
        let is_file = self.database != ":memory:" && !self.database.contains("://");
        is_file && is_absent(Path::new(&self.database))
    }

    /// True when there is neither a journal nor a key of breadcrumbs.
    pub fn never_ran(&self) -> bool {
        let no_key = self.breadcrumb_key.is_none() && is_absent(&self.breadcrumb_key_file);
        self.has_no_journal_yet() && no_key
    }

    /// Where the kill switch and the breaker's closing by hand are kept: beside the journal. `None` is in memory.
    pub fn safety_file(&self) -> Option<PathBuf> {
        match self.database.as_str() {
            ":memory:" => None,
            url if url.contains("://") => Some(PathBuf::from("data/actuator-safety.json")),
            file => Some(Path::new(file).with_extension("safety.json")),
        }
    }

    /// The time limits of a resize.
    pub fn limits(&self) -> Limits {
        Limits {
            poll: Duration::from_secs(self.poll_seconds),
            stop: Duration::from_secs(self.stop_timeout_seconds),
            start: Duration::from_secs(self.start_timeout_seconds),
            check: Duration::from_secs(self.check_timeout_seconds),
            settle: Duration::from_secs(self.settle_seconds),
            ..Limits::default()
        }
    }
}

/// For sure: a folder that can't be looked into may have it.
fn is_absent(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Config, String> {
        Settings::from_yaml_text(yaml)
            .and_then(|settings| Config::read(&settings))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_changes_nothing_at_aws() {
        let config = read("").unwrap();
        assert!(config.dry_run);
        assert_eq!(config.unknown_checks, UnknownChecks::Block);
        assert!(!config.allow_public_ip_change);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (yaml, expected) in [
            ("actuator: {max_concurrent: 0}", "actuator.max_concurrent"),
            (
                "actuator: {aws: {read_seconds: 0}}",
                "actuator.aws.read_seconds",
            ),
            ("actuator: {required_tag: '=x'}", "actuator.required_tag"),
            ("actuator: {region: Frankfurt}", "actuator.region"),
            ("actuator: {region: ''}", "actuator.region"),
            ("actuator: {region: \"us-east-1\\r\"}", "actuator.region"),
            ("actuator: {profile: \"prod\\r\"}", "actuator.profile"),
            ("actuator: {profile: \"prod\\n\"}", "actuator.profile"),
            (
                "actuator: {protected_instances: [i-01234567, web-1]}",
                "actuator.protected_instances`: \"web-1\" is no EC2",
            ),
            (
                "actuator: {protected_instances: ['']}",
                "actuator.protected_instances",
            ),
            ("actuator: {limits: []}", "actuator.limits`"),
            ("actuator: {limits: [1, 2]}", "actuator.limits`"),
            (
                "actuator: {monitoring: [false, 1, 1, 1, null]}",
                "actuator.monitoring`",
            ),
            ("actuator: {unknown_checks: 1}", "actuator.unknown_checks"),
            (
                "actuator: {unknown_checks: maybe}",
                "actuator.unknown_checks",
            ),
            (
                "actuator: {monitoring: {enable: false}}",
                "did you mean `enabled`?",
            ),
        ] {
            let message = read(yaml).unwrap_err();
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
    }
}
