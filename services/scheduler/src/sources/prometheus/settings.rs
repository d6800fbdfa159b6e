//! Section `scheduler.prometheus`.

use std::collections::BTreeMap;

use common::config::{ConfigError, invalid};
use serde::{Deserialize, Serialize};

use super::{addresses, expressions, headers, secret::Secret};
use crate::{
    config::check::{base_url, within},
    samples::units::{CpuUnit, MemoryUnit},
};

/// With more points of one machine than this no question to the predictor holds them.
const MOST_POINTS: u32 = 90_000;

/// Section `scheduler.prometheus`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrometheusConfig {
    /// `central`: one Prometheus for all targets, at `url`. `on_instance`: each target runs its own. Default central.
    pub mode: Mode,
    /// Base URL of the central Prometheus, or of Thanos, Mimir, VictoriaMetrics. May hold user:password@. Default
    /// http://127.0.0.1:9090.
    pub url: String,
    /// Token for `Authorization: Bearer`. Default none.
    pub bearer_token: Option<Secret>,
    /// Value of `X-Scope-OrgID`, for Mimir and Cortex. Default none.
    pub tenant: Option<String>,
    /// Further headers of each query to the central Prometheus, by name; the values are shown nowhere. An underscore in a
    /// name is sent as a hyphen, which variables can't hold. Default none.
    pub headers: BTreeMap<String, Secret>,
    /// Signs queries with the credentials of AWS, for Amazon Managed Service for Prometheus. Default none.
    pub sigv4: Option<SigV4Config>,
    /// Port of the Prometheus on each instance. Default 9090.
    pub port: u16,
    /// Which address of the instance to ask, in mode `on_instance`: `private` or `public`. Default private.
    pub address: Address,
    /// Label that tells instances apart. Default instance.
    pub instance_label: String,
    /// PromQL for CPU in use, percent. `$instances` stands for the targets' labels as an escaped regular expression, `$range`
    /// for a range of rates that fits step and scrapes, `$targets` for a matcher of the labels in the queries of a fleet of
    /// more than 500, and for nothing else. Default: all but idle, iowait and steal, which are no demand.
    pub cpu_query: String,
    /// PromQL for CPU that the host kept from the machine, percent. It is no demand; much of it raises a note. Null leaves
    /// it out.
    pub steal_query: Option<String>,
    /// PromQL for memory in use, percent.
    pub memory_query: String,
    /// PromQL for disk throughput, bytes per second.
    pub disk_query: String,
    /// What `cpu_query` gives: `percent` of the machine, `ratio` (0 to 1), `cores` in use, or `core_percent` (100 for each
    /// core). Unset: percent, and the machine is held where that can't be told. Default none.
    pub cpu_unit: Option<CpuUnit>,
    /// What `memory_query` gives: `percent` of the machine's memory, `ratio` (0 to 1), or `bytes` in use. Unset: percent, and
    /// memory is unknown where that can't be told. Default none.
    pub memory_unit: Option<MemoryUnit>,
    /// PromQL for the number of vCPUs.
    pub vcpus_query: String,
    /// PromQL for the memory of the machine, bytes.
    pub memory_total_query: String,
    /// Seconds between samples. Default 300.
    pub step_seconds: u32,
    /// Seconds between scrapes of the exporters, at most: `$range` is the longer of a step and a scrape, and of four
    /// scrapes. Default 60.
    pub scrape_interval_seconds: u32,
    /// Seconds of history to read. Default 1209600, 14 days; at a step shorter than 300 s as many steps as that, two days at
    /// the least. At most 90,000 steps.
    pub window_seconds: u32,
    /// Fewer CPU samples than this are no basis for anything. Default 3.
    pub min_samples: u32,
    /// Seconds after a machine came up during which samples say more about booting than about demand. Default 120.
    pub warm_up_seconds: u32,
    /// Seconds that a query may take. Default 10.
    pub timeout_seconds: u32,
    /// Largest answer that is read, in bytes after decompression. Default 67108864, 64 MiB.
    pub max_body_bytes: u64,
    /// Queries in flight; at one central Prometheus 8 at most. Default 32.
    pub concurrency: u32,
}

/// What the figures of `docs/SIZING.md` rest on, seconds.
pub const DEFAULT_WINDOW_SECONDS: u32 = 14 * 86_400;
/// What forecasts want.
const LEAST_DEFAULT_WINDOW_SECONDS: u32 = 2 * 86_400;

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Central,
            url: "http://127.0.0.1:9090".to_owned(),
            bearer_token: None,
            tenant: None,
            headers: BTreeMap::new(),
            sigv4: None,
            port: 9090,
            address: Address::Private,
            instance_label: "instance".to_owned(),
            cpu_query: expressions::CPU_PERCENT.to_owned(),
            steal_query: Some(expressions::STEAL_PERCENT.to_owned()),
            memory_query: expressions::MEMORY_PERCENT.to_owned(),
            disk_query: expressions::DISK_BYTES_PER_SECOND.to_owned(),
            cpu_unit: None,
            memory_unit: None,
            vcpus_query: expressions::VCPUS.to_owned(),
            memory_total_query: expressions::MEMORY_TOTAL_BYTES.to_owned(),
            step_seconds: 300,
            scrape_interval_seconds: 60,
            window_seconds: DEFAULT_WINDOW_SECONDS,
            min_samples: 3,
            warm_up_seconds: 120,
            timeout_seconds: 10,
            max_body_bytes: 64 << 20,
            concurrency: 32,
        }
    }
}

/// Section `scheduler.prometheus.sigv4`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigV4Config {
    /// Region of the workspace, such as eu-west-1.
    pub region: String,
    /// Profile of the shared configuration files. Default: environment, then the machine's or the task's role.
    pub profile: Option<String>,
}

/// Where Prometheus runs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One for all.
    Central,
    /// One on each instance, as the seed has it.
    OnInstance,
}

/// Which address of an instance.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// Its address inside the VPC.
    Private,
    /// Its public address.
    Public,
}

impl PrometheusConfig {
    /// The history that is read where nobody says how much: what two weeks have at 300 s is kept at a shorter step, too.
    pub fn default_window_seconds(step_seconds: u32) -> u32 {
        let as_many = step_seconds.saturating_mul(DEFAULT_WINDOW_SECONDS / 300);
        let most = step_seconds.saturating_mul(MOST_POINTS - 1);
        as_many
            .clamp(LEAST_DEFAULT_WINDOW_SECONDS, DEFAULT_WINDOW_SECONDS)
            .min(most)
    }

    /// One of the expressions as it is asked for, but for the targets.
    pub fn in_range(&self, expression: &str) -> String {
        let range = expressions::range_seconds(self.step_seconds, self.scrape_interval_seconds);
        expressions::with_range(expression, range)
    }

    /// One of the expressions as it is asked for all of a small fleet, by their addresses.
    pub fn for_all(&self, expression: &str) -> String {
        expressions::with_targets(&self.in_range(expression), &self.instance_label, None)
    }

    /// Checks the section.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let key = |name: &str| format!("prometheus.{name}");
        if self.mode == Mode::Central {
            let url = base_url("scheduler.prometheus.url", &self.url)?;
            addresses::check_url(&url)
                .map_err(|why| invalid("scheduler.prometheus.url", why.to_string()))?;
        }
        for (name, text) in [
            ("instance_label", &self.instance_label),
            ("cpu_query", &self.cpu_query),
            ("memory_query", &self.memory_query),
            ("disk_query", &self.disk_query),
            ("vcpus_query", &self.vcpus_query),
            ("memory_total_query", &self.memory_total_query),
        ] {
            if text.trim().is_empty() {
                return Err(invalid(
                    &format!("scheduler.prometheus.{name}"),
                    "is empty; leave it out for the default",
                ));
            }
        }
        if self
            .steal_query
            .as_ref()
            .is_some_and(|text| text.trim().is_empty())
        {
            return Err(invalid(
                "scheduler.prometheus.steal_query",
                "is empty; null leaves it out",
            ));
        }
        within(&key("step_seconds"), self.step_seconds, 1, 3_600)?;
        within(
            &key("scrape_interval_seconds"),
            self.scrape_interval_seconds,
            1,
            3_600,
        )?;
        within(
            &key("window_seconds"),
            self.window_seconds,
            self.step_seconds,
            self.step_seconds.saturating_mul(MOST_POINTS - 1),
        )?;
        within(&key("min_samples"), self.min_samples, 1, MOST_POINTS)?;
        within(&key("warm_up_seconds"), self.warm_up_seconds, 0, 3_600)?;
        within(&key("timeout_seconds"), self.timeout_seconds, 1, 600)?;
        within(&key("concurrency"), self.concurrency, 1, 1_024)?;
        if !(1_024..=1 << 32).contains(&self.max_body_bytes) {
            return Err(invalid(
                "scheduler.prometheus.max_body_bytes",
                "must lie between 1024 and 4294967296",
            ));
        }
        let bearer_token = self.bearer_token.as_ref().map(Secret::exposed);
        for (name, value) in [
            ("bearer_token", bearer_token),
            ("tenant", self.tenant.as_deref()),
        ] {
            if value.is_some_and(|text| !headers::is_printable(text)) {
                return Err(invalid(
                    &format!("scheduler.prometheus.{name}"),
                    "must be printable ASCII on one line",
                ));
            }
        }
        self.check_sigv4(bearer_token.is_some())?;
        let login = url::Url::parse(&self.url)
            .is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
        let elsewhere = [
            (bearer_token.is_some(), ("authorization", "bearer_token")),
            (login, ("authorization", "user and password in url")),
            (self.tenant.is_some(), ("x-scope-orgid", "tenant")),
            (self.sigv4.is_some(), ("authorization", "sigv4")),
        ];
        let elsewhere: Vec<_> = elsewhere
            .into_iter()
            .filter_map(|(is_set, name)| is_set.then_some(name))
            .collect();
        headers::check(&self.headers, &elsewhere)
    }

    fn check_sigv4(&self, has_token: bool) -> Result<(), ConfigError> {
        let Some(sigv4) = &self.sigv4 else {
            return Ok(());
        };
        let key = |name: &str| format!("scheduler.prometheus.sigv4{name}");
        let is_region = |text: &str| {
            let fits =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            text.contains('-') && text.bytes().all(fits)
        };
        if !is_region(&sigv4.region) {
            return Err(invalid(
                &key(".region"),
                "must be a region, such as eu-west-1",
            ));
        }
        if has_token {
            let why = "contradicts bearer_token; leave one of them out";
            return Err(invalid(&key(""), why));
        }
        if self.mode == Mode::OnInstance {
            let why = "is for one central Prometheus, and mode is on_instance";
            return Err(invalid(&key(""), why));
        }
        let has_login = url::Url::parse(&self.url)
            .is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
        if has_login {
            let why = "contradicts user and password in url; leave one of them out";
            return Err(invalid(&key(""), why));
        }
        Ok(())
    }
}
