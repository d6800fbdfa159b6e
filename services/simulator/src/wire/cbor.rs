//! CloudWatch: Smithy RPC v2 in CBOR (<https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>).

use actuator::cloud::{CloudError, ErrorKind, Metric, MetricStore as _, Operation, Stretch};
use ciborium::Value;
use jiff::Timestamp;

use super::{errors, reply::Reply};
use crate::cloud::FakeCloud;

pub(super) const CONTENT_TYPE: &str = "application/cbor";
/// CBOR's tag of seconds since the epoch.
const EPOCH: u64 = 1;

/// The operation that a path of this protocol names.
pub(super) fn operation(path: &str) -> Option<&str> {
    let path = path.strip_prefix("/service/")?;
    Some(path.split_once("/operation/")?.1)
}

/// Answers a message; `None` when the answer is lost.
pub(super) async fn answer(fake: &FakeCloud, operation: &str, body: &[u8]) -> Option<Reply> {
    let input = ciborium::from_reader(body).unwrap_or(Value::Null);
    let reply = |status, value: &Value| {
        let mut body = Vec::new();
        ciborium::into_writer(value, &mut body).ok()?;
        Some(Reply {
            status,
            content_type: CONTENT_TYPE,
            body,
        })
    };
    match act(fake, operation, &input).await {
        Ok(output) => reply(200, &output),
        Err(error) => {
            let (code, status) = errors::json(&error)?;
            let message = errors::message(&error);
            reply(
                status,
                &map([("__type", text(code)), ("message", text(&message))]),
            )
        }
    }
}

async fn act(fake: &FakeCloud, operation: &str, input: &Value) -> Result<Value, CloudError> {
    match operation {
        "GetMetricData" => metric_data(fake, input).await,
        "ListMetrics" => {
            let ids = fake.with_metric(Metric::MemoryUsed)?;
            let metrics = ids.iter().map(|id| {
                map([
                    ("Namespace", text("CWAgent")),
                    ("MetricName", text("mem_used_percent")),
                    ("Dimensions", Value::Array(vec![dimension(id)])),
                ])
            });
            Ok(map([("Metrics", Value::Array(metrics.collect()))]))
        }
        _ => Err(CloudError::new(
            Operation::ReadMetrics,
            ErrorKind::Invalid,
            format!("the fake does not know {operation}"),
        )),
    }
}

/// One metric that is asked for.
struct Asked {
    query: Value,
    instance_id: String,
    metric: Metric,
}

async fn metric_data(fake: &FakeCloud, input: &Value) -> Result<Value, CloudError> {
    let asked: Vec<Asked> = list(input, "MetricDataQueries").map(asked).collect();
    let distinct = |mut ids: Vec<String>| {
        ids.sort();
        ids.dedup();
        ids
    };
    let ids = distinct(asked.iter().map(|one| one.instance_id.clone()).collect());
    let metrics = [
        Metric::CpuUtilization,
        Metric::CpuCreditBalance,
        Metric::MemoryUsed,
    ];
    let stretch = Stretch {
        start: time(get(input, "StartTime")),
        end: time(get(input, "EndTime")),
        period_seconds: 300,
    };
    let read = fake.read_metrics(&ids, &metrics, stretch).await?;
    let results = asked.into_iter().map(|one| {
        let series = read
            .series
            .iter()
            .find(|series| series.instance_id == one.instance_id && series.metric == one.metric);
        let means = || series.into_iter().flat_map(|series| &series.means);
        let seconds =
            |at: Timestamp| Value::Tag(EPOCH, Box::new(Value::Float(at.as_second() as f64)));
        let (times, values) = (
            means().map(|mean| seconds(mean.from)).collect(),
            means().map(|mean| Value::Float(mean.value)).collect(),
        );
        map([
            ("Id", one.query),
            ("StatusCode", text("Complete")),
            ("Timestamps", Value::Array(times)),
            ("Values", Value::Array(values)),
        ])
    });
    Ok(map([(
        "MetricDataResults",
        Value::Array(results.collect()),
    )]))
}

fn asked(query: &Value) -> Asked {
    let metric = get(get(query, "MetricStat"), "Metric");
    let id = list(metric, "Dimensions")
        .find(|dimension| get(dimension, "Name").as_text() == Some("InstanceId"))
        .and_then(|dimension| get(dimension, "Value").as_text());
    Asked {
        query: get(query, "Id").clone(),
        instance_id: id.unwrap_or_default().to_owned(),
        metric: match get(metric, "MetricName").as_text() {
            Some("CPUUtilization") => Metric::CpuUtilization,
            Some("CPUCreditBalance") => Metric::CpuCreditBalance,
            _ => Metric::MemoryUsed,
        },
    }
}

fn dimension(id: &str) -> Value {
    map([("Name", text("InstanceId")), ("Value", text(id))])
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(
        fields
            .into_iter()
            .map(|(name, value)| (text(name), value))
            .collect(),
    )
}

/// A field; null where there is none.
fn get<'a>(value: &'a Value, name: &str) -> &'a Value {
    let mut fields = value.as_map().into_iter().flatten();
    let found = fields.find(|(key, _)| key.as_text() == Some(name));
    found.map_or(&Value::Null, |(_, value)| value)
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    get(value, name).as_array().into_iter().flatten()
}

fn time(value: &Value) -> Timestamp {
    let inner = match value {
        Value::Tag(EPOCH, inner) => inner,
        other => other,
    };
    let seconds = match inner {
        Value::Float(seconds) => *seconds as i64,
        Value::Integer(seconds) => i64::try_from(*seconds).unwrap_or_default(),
        _ => 0,
    };
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
