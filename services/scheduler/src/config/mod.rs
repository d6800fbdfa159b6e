//! Section `scheduler`.

pub mod check;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use common::{
    config::{ConfigError, Settings, invalid},
    ec2::{instance_type_problem, is_instance_id},
};
use serde::{Deserialize, Serialize};

use crate::sources::{
    cloudwatch::settings::CloudWatchConfig,
    prometheus::settings::{DEFAULT_WINDOW_SECONDS, PrometheusConfig},
};
use check::{base_url, seconds, within};

const MOST_ID_CHARACTERS: usize = 256;
const DAY_SECONDS: u32 = 86_400;
/// A week, and a day before it in which each rule finds its place.
const LEAST_REVIEWED_SECONDS: u32 = 8 * DAY_SECONDS;

/// Section `scheduler`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the gRPC server. Default 127.0.0.1:50054.
    pub listen: SocketAddr,
    /// Address of the Prometheus exposition; null turns it off. Default 127.0.0.1:9104.
    pub metrics_listen: Option<SocketAddr>,
    /// Address of the HTTP API. Default 127.0.0.1:8000.
    pub http_listen: SocketAddr,
    /// Names with dots under which browsers may call the HTTP API; addresses, `localhost` and names without a dot always
    /// may. Default none.
    pub http_hosts: Vec<String>,
    /// True: GET /autoscale runs a tick for scripts on other machines, too; never for a browser. Scripts on this machine
    /// always may, and POST does everywhere. Default false.
    pub http_allow_get: bool,
    /// False leaves ticks to RunTick and /autoscale. Default true.
    pub run_clock: bool,
    /// Seconds from tick to tick. Default 300.
    pub tick_interval_seconds: u32,
    /// Seconds after which a tick decides with what it has and starts nothing new. Default 120.
    pub tick_timeout_seconds: u32,
    /// Seconds that one call to another service may take. Default 10.
    pub call_timeout_seconds: u32,
    /// Seconds that a running tick has to end after SIGTERM. Default 8.
    pub shutdown_grace_seconds: u32,
    /// Seconds for which this scheduler stays the one actor without renewing; another one takes over after them.
    /// Default 60.
    pub lease_seconds: u32,
    /// URL of the predictor. Default http://127.0.0.1:50051.
    pub predictor_url: String,
    /// URL of the decision service. Default http://127.0.0.1:50052.
    pub decision_url: String,
    /// URL of the actuator. Default http://127.0.0.1:50053.
    pub actuator_url: String,
    /// Where metrics come from: `prometheus`, or `cloudwatch` through the actuator. Default prometheus.
    pub source: SourceKind,
    /// How Prometheus is asked.
    pub prometheus: PrometheusConfig,
    /// How CloudWatch is asked, where it is the source.
    pub cloudwatch: CloudWatchConfig,
    /// The instances to scale. Default none.
    pub targets: Vec<TargetConfig>,
    /// File to which decision lines are appended, such as `logs/autoscaler.log`. Default none.
    pub log_file: Option<PathBuf>,
    /// False keeps decision lines off stdout. Default true.
    pub print_decisions: bool,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            listen: loopback(50054),
            metrics_listen: Some(loopback(9104)),
            http_listen: loopback(8000),
            http_hosts: Vec::new(),
            http_allow_get: false,
            run_clock: true,
            tick_interval_seconds: 300,
            tick_timeout_seconds: 120,
            call_timeout_seconds: 10,
            shutdown_grace_seconds: 8,
            lease_seconds: 60,
            predictor_url: "http://127.0.0.1:50051".to_owned(),
            decision_url: "http://127.0.0.1:50052".to_owned(),
            actuator_url: "http://127.0.0.1:50053".to_owned(),
            source: SourceKind::default(),
            prometheus: PrometheusConfig::default(),
            cloudwatch: CloudWatchConfig::default(),
            targets: Vec::new(),
            log_file: None,
            print_decisions: true,
        }
    }
}

/// The history that is read from the source of metrics.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The key that sets it.
    pub key: &'static str,
    /// Seconds of one sample.
    pub step_seconds: u32,
    /// Its length.
    pub seconds: u32,
}

impl Window {
    /// Whether reviews find in it what they rest on. Not a reason to refuse to run: they choose among what they find.
    ///
    /// # Errors
    /// The key, and what to write.
    pub fn holds_reviews(&self) -> Result<(), ConfigError> {
        if self.seconds >= LEAST_REVIEWED_SECONDS {
            return Ok(());
        }
        Err(invalid(
            self.key,
            format!(
                "{} is little for the strategy `adaptive`, which chooses by what {} days of a machine's past would have cost: \
                 write {DEFAULT_WINDOW_SECONDS} (14 days), where the source of metrics keeps them, or at least {LEAST_REVIEWED_SECONDS}",
                self.seconds,
                LEAST_REVIEWED_SECONDS / DAY_SECONDS
            ),
        ))
    }
}

/// Where metrics come from.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A Prometheus, or what speaks its language.
    #[default]
    Prometheus,
    /// CloudWatch. It costs money.
    Cloudwatch,
}

/// One entry of `scheduler.targets`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetConfig {
    /// Name in logs, decisions and commands. 1 to 256 characters.
    pub id: String,
    /// The EC2 instance, `i-` and 8 or 17 hexadecimal digits.
    pub instance_id: String,
    /// Value of the instance label of its series, such as `10.0.0.7:9100`. Default: its address with any port, or its
    /// instance id.
    pub label: Option<String>,
    /// Instance types, smallest first. Default: the policy's.
    pub ladder: Vec<String>,
}

impl Config {
    /// Reads and checks the section.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let mut config: Self = settings.section("scheduler")?;
        if !settings.sets("scheduler.prometheus.window_seconds") {
            let step_seconds = config.prometheus.step_seconds;
            config.prometheus.window_seconds =
                PrometheusConfig::default_window_seconds(step_seconds);
        }
        config.validate().map_err(|error| settings.placed(error))?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("tick_interval_seconds", self.tick_interval_seconds),
            ("tick_timeout_seconds", self.tick_timeout_seconds),
            ("call_timeout_seconds", self.call_timeout_seconds),
        ] {
            within(key, value, 1, 86_400)?;
        }
        // An action must be with the actuator before the lease under which it was decided can end.
        let least = self.call_timeout_seconds.saturating_mul(3).max(5);
        within("lease_seconds", self.lease_seconds, least, 3_600.max(least))?;
        within(
            "shutdown_grace_seconds",
            self.shutdown_grace_seconds,
            0,
            600,
        )?;
        for (key, url) in [
            ("predictor_url", &self.predictor_url),
            ("decision_url", &self.decision_url),
            ("actuator_url", &self.actuator_url),
        ] {
            base_url(&format!("scheduler.{key}"), url)?;
        }
        self.prometheus.validate()?;
        self.cloudwatch.validate()?;
        validate_targets(&self.targets)
    }

    /// The history that is read.
    pub fn window(&self) -> Window {
        match self.source {
            SourceKind::Prometheus => Window {
                key: "scheduler.prometheus.window_seconds",
                step_seconds: self.prometheus.step_seconds,
                seconds: self.prometheus.window_seconds,
            },
            SourceKind::Cloudwatch => Window {
                key: "scheduler.cloudwatch.window_seconds",
                step_seconds: self.cloudwatch.period_seconds,
                seconds: self.cloudwatch.window_seconds,
            },
        }
    }

    /// What reading metrics costs a day, where it costs anything.
    pub fn cost_of_a_day(&self) -> Option<String> {
        match self.source {
            SourceKind::Prometheus => None,
            SourceKind::Cloudwatch => Some(self.cloudwatch.cost_of_a_day(self.targets.len())),
        }
    }

    /// From tick to tick.
    pub fn tick_interval(&self) -> Duration {
        seconds(self.tick_interval_seconds)
    }

    /// For one call to another service.
    pub fn call_timeout(&self) -> Duration {
        seconds(self.call_timeout_seconds)
    }
}

fn validate_targets(targets: &[TargetConfig]) -> Result<(), ConfigError> {
    let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
    for (position, target) in targets.iter().enumerate() {
        let key = |name: &str| format!("scheduler.targets[{position}].{name}");
        let characters = target.id.chars().count();
        if !(1..=MOST_ID_CHARACTERS).contains(&characters) || target.id.contains(char::is_control) {
            return Err(invalid(
                &key("id"),
                "must have 1 to 256 characters, none of them control characters",
            ));
        }
        if !is_instance_id(&target.instance_id) {
            return Err(invalid(
                &key("instance_id"),
                format!(
                    "{:?} is no EC2 instance id; it is `i-` and 8 or 17 hexadecimal digits",
                    target.instance_id
                ),
            ));
        }
        if target.label.as_ref().is_some_and(String::is_empty) {
            return Err(invalid(
                &key("label"),
                "is empty; leave it out to match by address",
            ));
        }
        for (rung, name) in target.ladder.iter().enumerate() {
            if let Some(problem) = instance_type_problem(name).filter(|_| !name.is_empty()) {
                return Err(invalid(&key("ladder"), problem));
            }
            if name.is_empty() || target.ladder[..rung].contains(name) {
                return Err(invalid(
                    &key("ladder"),
                    format!("rung {rung} ({name:?}) is empty or there twice"),
                ));
            }
        }
        let named = [
            ("id", Some(target.id.as_str())),
            ("instance_id", Some(target.instance_id.as_str())),
            ("label", target.label.as_deref()),
        ];
        for (name, value) in named {
            let Some(value) = value else { continue };
            if let Some(first) = seen.insert((name, value), position) {
                return Err(invalid(
                    &key(name),
                    format!(
                        "{value:?} is also that of targets[{first}]; each target needs its own"
                    ),
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::prometheus::settings::{Address, Mode};

    fn read(lines: &str) -> Result<Config, String> {
        let yaml = format!("scheduler:\n  {}\n", lines.replace('\n', "\n  "));
        Settings::from_yaml_text(&yaml)
            .and_then(|settings| Config::read(&settings))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_and_a_full_target_are_valid() {
        let config = read(
            "prometheus: {mode: on_instance, address: public, step_seconds: 60}\n\
             targets: [{id: web, instance_id: i-0123456789abcdef0, label: '10.0.0.7:9100', ladder: [t2.small, t2.medium]}]",
        )
        .unwrap();
        assert_eq!(config.prometheus.mode, Mode::OnInstance);
        assert_eq!(config.prometheus.address, Address::Public);
        assert_eq!(config.targets[0].ladder.len(), 2);
        assert_eq!(read("run_clock: true").unwrap().tick_interval_seconds, 300);
    }

    #[test]
    fn two_weeks_are_read_or_as_many_steps_and_never_more_than_may_be() {
        for (step, expected) in [
            (1, 89_999),
            (2, 172_800),
            (15, 172_800),
            (60, 241_920),
            (300, 1_209_600),
            (600, 1_209_600),
        ] {
            let read = read(&format!("prometheus: {{step_seconds: {step}}}")).unwrap();
            assert_eq!(read.prometheus.window_seconds, expected, "{step}");
        }
        let own = read("prometheus: {step_seconds: 60, window_seconds: 7200}").unwrap();
        assert_eq!(own.prometheus.window_seconds, 7_200);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key() {
        for (lines, expected) in [
            (
                "tick_interval_seconds: 0",
                "`scheduler.tick_interval_seconds`: is 0",
            ),
            ("lease_seconds: 4", "`scheduler.lease_seconds`"),
            ("predictor_url: nowhere", "`scheduler.predictor_url`"),
            (
                "actuator_url: 'ftp://x'",
                "`scheduler.actuator_url`: must begin with http",
            ),
            (
                "prometheus: {url: 'http://169.254.169.254/'}",
                "`scheduler.prometheus.url`",
            ),
            (
                "prometheus: {url: 'http://2852039166/'}",
                "`scheduler.prometheus.url`",
            ),
            (
                "prometheus: {url: 'http://[fd00:ec2::254]/'}",
                "`scheduler.prometheus.url`",
            ),
            (
                "prometheus: {step_seconds: 1, window_seconds: 90000}",
                "`scheduler.prometheus.window_seconds`",
            ),
            (
                "prometheus: {cpu_query: ' '}",
                "`scheduler.prometheus.cpu_query`",
            ),
            (
                "prometheus: {tenant: \"a\\nb\"}",
                "`scheduler.prometheus.tenant`",
            ),
            (
                "prometheus: {headers: {x-key: 715}}",
                "`scheduler.prometheus.headers.x-key`: invalid type: found a number, expected text",
            ),
            (
                "prometheus: {tenant: a, headers: {X-Scope-OrgID: b}}",
                "`scheduler.prometheus.headers.X-Scope-OrgID`: contradicts tenant",
            ),
            (
                "prometheus: {url: 'http://a:b@c', headers: {authorization: b}}",
                "`scheduler.prometheus.headers.authorization`: contradicts user and password",
            ),
            (
                "prometheus: {sigv4: {profile: reader}}",
                "`scheduler.prometheus.sigv4.region`: must be a region",
            ),
            (
                "prometheus: {bearer_token: a, sigv4: {region: eu-west-1}}",
                "`scheduler.prometheus.sigv4`: contradicts bearer_token",
            ),
            (
                "prometheus: {mode: on_instance, sigv4: {region: eu-west-1}}",
                "`scheduler.prometheus.sigv4`: is for one central Prometheus",
            ),
            (
                "prometheus: {headers: {Authorization: a}, sigv4: {region: eu-west-1}}",
                "contradicts sigv4",
            ),
            ("prometheus: {modus: central}", "did you mean `mode`?"),
            (
                "targets: [{id: a, instance_id: 'i-1;rm -rf /'}]",
                "`scheduler.targets[0].instance_id`",
            ),
            (
                "targets: [[web, i-01234567, '10.0.0.7:9100']]",
                "`scheduler.targets.0`: invalid type: found sequence",
            ),
            ("prometheus: []", "`scheduler.prometheus`: invalid type"),
            (
                "prometheus: {mode: 1}",
                "`scheduler.prometheus.mode`: invalid type",
            ),
            (
                "prometheus: {tenant: \"acme\\u00a0\"}",
                "`scheduler.prometheus.tenant`: has the invisible character U+00A0",
            ),
            (
                "targets: [{instance_id: i-01234567}]",
                "`scheduler.targets[0].id`",
            ),
            (
                "targets: [{id: a, instance_id: i-01234567}, {id: b, instance_id: i-01234567}]",
                "`scheduler.targets[1].instance_id`",
            ),
            (
                "targets: [{id: a, instance_id: i-01234567, ladder: [t2.small, t2.small]}]",
                "`scheduler.targets[0].ladder`",
            ),
            (
                "targets: [{id: a, instance_id: i-01234567, ladder: [t2.small, banana]}]",
                "\"banana\" is not an instance type",
            ),
        ] {
            let message = read(lines).unwrap_err();
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
    }

    #[test]
    fn what_goes_with_queries_is_not_shown() {
        let lines = "prometheus: {bearer_token: hunter2, headers: {X_Key: '007'}}";
        let config = read(lines).unwrap();
        let shown = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
        assert!(
            !shown.contains("hunter2") && !shown.contains("007"),
            "{shown}"
        );
        assert!(shown.contains(r#""X_Key":"********""#), "{shown}");
    }

    #[test]
    fn a_password_in_a_bad_url_is_not_repeated() {
        let message = read("prometheus: {url: 'http://user:hunter2@'}").unwrap_err();
        assert!(!message.contains("hunter2"), "{message}");
    }
}
