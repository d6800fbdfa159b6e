//! Messages to values and back. What is wrong with a message is named field by field.

pub mod fields;
mod forecast;
mod from_domain;
pub mod policy;
mod sizing;
mod times;

use ::sizing::step;
use common::{request::Fields, status::FieldViolation};
use proto::{decision::v1 as proto_decision, predictor::v1::SeriesForecast};

use self::fields::one_line;
pub use self::{
    from_domain::{alternatives, decision, input, lease, pause, target_state, told},
    sizing::reviewed,
};
use crate::{
    decide::{
        input::{Evidence, Input, InstanceType, Observation, Unknown},
        verdict::ReasonCode,
    },
    policy::validate::ladder_violations,
    service::reviews::ReviewRequest,
};

const MAX_INSTANCE_TYPES: usize = 1_000;
/// Steps of a past: 21 days.
const MAX_STEPS: usize = 21 * step::DAY;
/// What goes beyond is cut off, not refused: notes decide nothing.
const MAX_NOTES: usize = 16;

/// The request of `Decide`.
///
/// # Errors
/// Every bad field.
pub fn decide_request(
    message: proto_decision::DecideRequest,
) -> Result<Input, Vec<FieldViolation>> {
    let mut fields = Fields::default();
    let unknown = unknown(
        &mut fields,
        &message.unknown_reason,
        message.unknown_reason_code,
    );
    // Where the instance could not be described, nobody knows its type.
    if !message.instance_type.is_empty() || unknown.is_none() {
        fields.instance_type("instance_type", &message.instance_type);
    }
    let instance_types = instance_types(&mut fields, message.instance_types);
    for violation in ladder_violations("ladder", &message.ladder) {
        fields.bad(violation.field, violation.description);
    }
    let input = Input {
        tick_id: fields.id("tick_id", message.tick_id),
        target_id: fields.id("target_id", message.target_id),
        instance_id: fields.id("instance_id", message.instance_id),
        instance_type: message.instance_type,
        observation: message
            .observation
            .and_then(|seen| observation(&mut fields, seen)),
        forecast: message
            .forecast
            .and_then(|forecast: SeriesForecast| forecast::read(&mut fields, forecast)),
        unknown,
        dry_run: message.dry_run,
        lease_epoch: fields::epoch(&mut fields, "lease_epoch", message.lease_epoch),
        instance_types,
        ladder: message.ladder,
        notes: message
            .notes
            .iter()
            .take(MAX_NOTES)
            .map(|note| one_line(note))
            .collect(),
    };
    fields.finish(input)
}

/// The request of `ReviewTarget`.
///
/// # Errors
/// Every bad field.
pub fn review_request(
    message: proto_decision::ReviewTargetRequest,
) -> Result<ReviewRequest, Vec<FieldViolation>> {
    let mut fields = Fields::default();
    if message.demand.len() > MAX_STEPS {
        fields.bad(
            "demand",
            format!(
                "has {} numbers; at most {MAX_STEPS} are allowed",
                message.demand.len()
            ),
        );
    }
    if let Some(bad) = message.demand.iter().find(|demand| **demand < 0.0) {
        fields.bad("demand", format!("{bad} is no demand"));
    }
    for violation in ladder_violations("ladder", &message.ladder) {
        fields.bad(violation.field, violation.description);
    }
    let known = |demand: f32| Some(demand).filter(|demand| demand.is_finite());
    let request = ReviewRequest {
        target_id: fields.id("target_id", message.target_id),
        demand: message.demand.into_iter().map(known).collect(),
        instance_types: instance_types(&mut fields, message.instance_types),
        ladder: message.ladder,
        lease_epoch: fields::epoch(&mut fields, "lease_epoch", message.lease_epoch),
        memory_peak_mib: message
            .memory_peak_mib
            .map(|peak| fields.number("memory_peak_mib", peak, 0.0, f64::MAX)),
    };
    fields.finish(request)
}

fn instance_types(
    fields: &mut Fields,
    types: Vec<proto_decision::InstanceTypeInfo>,
) -> Vec<InstanceType> {
    if types.len() > MAX_INSTANCE_TYPES {
        fields.bad(
            "instance_types",
            format!(
                "has {} entries; at most {MAX_INSTANCE_TYPES} are allowed",
                types.len()
            ),
        );
    }
    types
        .into_iter()
        .take(MAX_INSTANCE_TYPES)
        .enumerate()
        .map(|(index, size)| {
            let field = format!("instance_types[{index}].instance_type");
            fields.instance_type(&field, &size.instance_type);
            InstanceType {
                instance_type: size.instance_type,
                vcpus: size.vcpus,
                memory_mib: size.memory_mib,
            }
        })
        .collect()
}

fn unknown(fields: &mut Fields, reason: &str, code: i32) -> Option<Unknown> {
    use proto_decision::ReasonCode as Message;
    const FIELD: &str = "unknown_reason_code";
    let reason = one_line(reason);
    let code = match Message::try_from(code) {
        Ok(Message::Unspecified) => {
            if !reason.is_empty() {
                fields.bad(FIELD, "is missing, but unknown_reason is given");
            }
            return None;
        }
        Ok(Message::MetricsUnknown) => ReasonCode::MetricsUnknown,
        Ok(Message::ForecastUnavailable) => ReasonCode::ForecastUnavailable,
        Ok(Message::InstanceUnavailable) => ReasonCode::InstanceUnavailable,
        Ok(other) => {
            fields.bad(
                FIELD,
                format!(
                    "{} does not say what is unknown; METRICS_UNKNOWN, FORECAST_UNAVAILABLE and INSTANCE_UNAVAILABLE do",
                    other.as_str_name()
                ),
            );
            return None;
        }
        Err(_) => {
            fields.bad(FIELD, format!("{code} is no ReasonCode"));
            return None;
        }
    };
    if reason.is_empty() {
        fields.bad(
            "unknown_reason",
            "is empty; say in a sentence why it is unknown",
        );
    }
    Some(Unknown { code, reason })
}

/// No step of samples makes older ones the present.
const MOST_AGE_SECONDS: u32 = 86_400;

fn observation(fields: &mut Fields, message: proto_decision::Observation) -> Option<Observation> {
    let observed_at = fields.time("observation.observed_at", message.observed_at);
    if message.observed_at.is_none() {
        fields.bad("observation.observed_at", "is missing");
    }
    let mut optional = |field: &str, value: Option<f64>, high| {
        value.map(|value| fields.number(&format!("observation.{field}"), value, 0.0, high))
    };
    let memory_percent = optional("memory_percent", message.memory_percent, 100.0);
    let memory_peak_mib = optional("memory_peak_mib", message.memory_peak_mib, f64::MAX);
    let disk_bytes_per_second = optional(
        "disk_bytes_per_second",
        message.disk_bytes_per_second,
        f64::MAX,
    );
    let cpu_peak_last_hour_percent = optional(
        "cpu_peak_last_hour_percent",
        message.cpu_peak_last_hour_percent,
        f64::MAX,
    );
    let steal_percent = optional("steal_percent", message.steal_percent, 100.0);
    if message.sample_age_limit_seconds > MOST_AGE_SECONDS {
        fields.bad(
            "observation.sample_age_limit_seconds",
            format!("is above {MOST_AGE_SECONDS}, a day"),
        );
    }
    let past = message.past.as_ref().map(|past| sizing::past(fields, past));
    let cpu_percent = fields.number("observation.cpu_percent", message.cpu_percent, 0.0, 100.0);
    Some(Observation {
        observed_at: observed_at?,
        cpu_percent,
        memory_percent,
        memory_peak_mib,
        disk_bytes_per_second,
        samples: message.samples,
        saturated_seconds: message.saturated_seconds,
        memory_pressed_seconds: message.memory_pressed_seconds,
        cpu_evidence: Evidence {
            spanned_seconds: message.cpu_spanned_seconds,
            observed_seconds: message.cpu_observed_seconds,
        },
        memory_evidence: Evidence {
            spanned_seconds: message.memory_spanned_seconds,
            observed_seconds: message.memory_observed_seconds,
        },
        cpu_peak_last_hour_percent,
        steal_percent,
        sample_age_limit_seconds: message.sample_age_limit_seconds,
        past,
    })
}
