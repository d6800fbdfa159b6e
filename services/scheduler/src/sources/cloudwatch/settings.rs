//! Section `scheduler.cloudwatch`.

use common::config::{ConfigError, invalid};
use serde::{Deserialize, Serialize};

use crate::{config::check::within, domain::Metric};

/// What CloudWatch charges for a metric in GetMetricData, USD, in most regions
/// (<https://aws.amazon.com/cloudwatch/pricing/>, looked at in November 2026).
const USD_PER_METRIC: f64 = 0.01 / 1_000.0;
/// Periods of one machine that the actuator reads at once.
const MOST_PERIODS: u32 = 10_000;
const DAY_SECONDS: u32 = 86_400;

/// Section `scheduler.cloudwatch`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CloudWatchConfig {
    /// Seconds from read to read; each costs money. Between two of them a tick decides on what is known. Default 900.
    pub read_interval_seconds: u32,
    /// Seconds of one sample, a multiple of 60; below 300 only with detailed monitoring, which costs extra. Default 300.
    pub period_seconds: u32,
    /// Seconds of history to read. Default 172800, two days.
    pub window_seconds: u32,
    /// False leaves out memory, which only the CloudWatch agent measures. Default true.
    pub memory: bool,
    /// False leaves out the CPU credits of burstable types. Default true.
    pub credits: bool,
    /// Fewer CPU samples than this are no basis for anything. Default 3.
    pub min_samples: u32,
    /// Seconds after a machine came up during which samples say more about booting than about demand. Default 120.
    pub warm_up_seconds: u32,
}

impl Default for CloudWatchConfig {
    fn default() -> Self {
        Self {
            read_interval_seconds: 900,
            period_seconds: 300,
            window_seconds: 2 * DAY_SECONDS,
            memory: true,
            credits: true,
            min_samples: 3,
            warm_up_seconds: 120,
        }
    }
}

impl CloudWatchConfig {
    /// Checks the section.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let key = |name: &str| format!("cloudwatch.{name}");
        within(
            &key("read_interval_seconds"),
            self.read_interval_seconds,
            60,
            DAY_SECONDS / 2,
        )?;
        within(&key("period_seconds"), self.period_seconds, 60, 3_600)?;
        if !self.period_seconds.is_multiple_of(60) {
            return Err(invalid(
                "scheduler.cloudwatch.period_seconds",
                format!("is {}; it must be a multiple of 60", self.period_seconds),
            ));
        }
        within(
            &key("window_seconds"),
            self.window_seconds,
            self.period_seconds,
            self.period_seconds
                .saturating_mul(MOST_PERIODS)
                .min(63 * DAY_SECONDS),
        )?;
        within(&key("min_samples"), self.min_samples, 1, MOST_PERIODS)?;
        within(&key("warm_up_seconds"), self.warm_up_seconds, 0, 3_600)
    }

    /// What is read of each machine.
    pub fn metrics(&self) -> Vec<Metric> {
        let mut metrics = vec![Metric::CpuUtilization];
        metrics.extend(self.credits.then_some(Metric::CpuCreditBalance));
        metrics.extend(self.memory.then_some(Metric::MemoryUsed));
        metrics
    }

    /// What a day of reading `targets` machines costs, as a sentence. Machines without an agent cost less.
    pub fn cost_of_a_day(&self, targets: usize) -> String {
        let reads = f64::from(DAY_SECONDS) / f64::from(self.read_interval_seconds.max(1));
        let of_each = self.metrics().len();
        let metrics = reads * (targets * of_each) as f64;
        format!(
            "reading {of_each} metrics of {targets} machines every {} s asks CloudWatch for {metrics:.0} metrics a day, about \
             {:.2} USD",
            self.read_interval_seconds,
            metrics * USD_PER_METRIC
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_day_is_told() {
        let config = CloudWatchConfig::default();
        assert_eq!(
            config.cost_of_a_day(100),
            "reading 3 metrics of 100 machines every 900 s asks CloudWatch for 28800 metrics a day, about 0.29 USD"
        );
        let cpu_alone = CloudWatchConfig {
            memory: false,
            credits: false,
            ..config
        };
        assert!(
            cpu_alone
                .cost_of_a_day(1_000)
                .ends_with("96000 metrics a day, about 0.96 USD")
        );
    }

    #[test]
    fn periods_are_whole_minutes_and_not_too_many() {
        let with = |period_seconds, window_seconds| CloudWatchConfig {
            period_seconds,
            window_seconds,
            ..CloudWatchConfig::default()
        };
        assert!(with(300, 14 * 86_400).validate().is_ok());
        for (wrong, key) in [
            (with(90, 86_400), "period_seconds"),
            (with(60, 600_060), "window_seconds"),
            (with(3_600, 64 * 86_400), "window_seconds"),
        ] {
            let message = wrong.validate().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }
}
