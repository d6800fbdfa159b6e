//! `ReadMetrics`: what it may be asked, and its answer.

use common::request::Fields;
use jiff::Timestamp;
use proto::actuator::v1 as wire;
use tonic::Status;

use crate::cloud::{MEASURED_AT_ONCE, Metric, MetricSeries, Metrics, Stretch};

/// Longest stretch, seconds: CloudWatch keeps periods of five minutes for 63 days.
const MOST_SECONDS: i64 = 63 * 86_400;
/// Periods of one stretch.
const MOST_PERIODS: i64 = 10_000;
const PERIOD: std::ops::RangeInclusive<u32> = 60..=3_600;

/// A question, checked.
#[derive(Debug)]
pub struct Question {
    pub ids: Vec<String>,
    pub metrics: Vec<Metric>,
    pub stretch: Stretch,
}

/// The question of a message.
///
/// # Errors
/// Every field that is wrong.
pub fn question(message: wire::ReadMetricsRequest) -> Result<Question, Status> {
    let mut fields = Fields::default();
    let most = (MEASURED_AT_ONCE, "ids");
    fields.each(
        "instance_ids",
        &message.instance_ids,
        most,
        Fields::instance_id,
    );
    let metrics: Vec<Metric> = message.metrics().filter_map(metric).collect();
    let mut apart = metrics.clone();
    apart.sort_unstable();
    apart.dedup();
    if metrics.is_empty() || apart.len() < message.metrics.len() {
        fields.bad("metrics", "must hold 1 to 3 metrics, each once");
    }
    let period_seconds = message.period_seconds;
    if !PERIOD.contains(&period_seconds) || !period_seconds.is_multiple_of(60) {
        fields.bad(
            "period_seconds",
            "must be a multiple of 60, from 60 to 3600",
        );
    }
    let mut time = |field: &str, time: Option<prost_types::Timestamp>| {
        if time.is_none() {
            fields.bad(field, "is missing");
        }
        fields.time(field, time).unwrap_or(Timestamp::UNIX_EPOCH)
    };
    let (start, end) = (time("start", message.start), time("end", message.end));
    let seconds = end.as_second().saturating_sub(start.as_second());
    if !(1..=MOST_SECONDS).contains(&seconds) {
        fields.bad("start", "must lie before `end`, by at most 63 days");
    } else if seconds / i64::from(period_seconds.max(1)) > MOST_PERIODS {
        fields.bad(
            "period_seconds",
            format!("more than {MOST_PERIODS} periods lie between `start` and `end`"),
        );
    }
    fields.check()?;
    Ok(Question {
        ids: message.instance_ids,
        metrics,
        stretch: Stretch {
            start,
            end,
            period_seconds,
        },
    })
}

/// The answer as a message.
pub fn answer(metrics: Metrics) -> wire::ReadMetricsResponse {
    wire::ReadMetricsResponse {
        series: metrics.series.into_iter().map(series).collect(),
        charged: metrics.charged,
        gaps: metrics.gaps,
    }
}

fn series(series: MetricSeries) -> wire::MetricSeries {
    let metric = match series.metric {
        Metric::CpuUtilization => wire::Metric::CpuUtilization,
        Metric::CpuCreditBalance => wire::Metric::CpuCreditBalance,
        Metric::MemoryUsed => wire::Metric::MemoryUsed,
    };
    wire::MetricSeries {
        instance_id: series.instance_id,
        metric: metric.into(),
        timestamps: series
            .means
            .iter()
            .map(|mean| mean.from.as_second())
            .collect(),
        values: series.means.iter().map(|mean| mean.value).collect(),
    }
}

fn metric(message: wire::Metric) -> Option<Metric> {
    match message {
        wire::Metric::Unspecified => None,
        wire::Metric::CpuUtilization => Some(Metric::CpuUtilization),
        wire::Metric::CpuCreditBalance => Some(Metric::CpuCreditBalance),
        wire::Metric::MemoryUsed => Some(Metric::MemoryUsed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> wire::ReadMetricsRequest {
        let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        wire::ReadMetricsRequest {
            instance_ids: vec!["i-01234567".to_owned()],
            metrics: vec![
                wire::Metric::CpuUtilization.into(),
                wire::Metric::MemoryUsed.into(),
            ],
            start: time(0),
            end: time(3_600),
            period_seconds: 300,
        }
    }

    #[test]
    fn a_question_is_checked() {
        let good = question(message()).unwrap();
        assert_eq!(good.metrics, [Metric::CpuUtilization, Metric::MemoryUsed]);
        assert_eq!(good.stretch.period_seconds, 300);

        type Change = fn(&mut wire::ReadMetricsRequest);
        let wrong: [(&str, Change); 8] = [
            ("instance_ids", |message| message.instance_ids.clear()),
            ("instance_ids[0]", |message| {
                message.instance_ids[0] = "web".to_owned()
            }),
            ("metrics", |message| message.metrics.clear()),
            ("metrics", |message| message.metrics.push(99)),
            ("metrics", |message| message.metrics.push(1)),
            ("start", |message| message.start = None),
            ("period_seconds", |message| message.period_seconds = 90),
            ("period_seconds", |message| {
                message.period_seconds = 60;
                message.end = Some(prost_types::Timestamp {
                    seconds: 601_000,
                    nanos: 0,
                });
            }),
        ];
        for (field, change) in wrong {
            let mut message = message();
            change(&mut message);
            let status = question(message).unwrap_err();
            assert!(status.message().contains(field), "{field}: {status:?}");
        }
    }
}
