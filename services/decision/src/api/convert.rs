//! Messages to values and back. What is wrong with a message is named field by field.

mod forecast;
mod from_domain;

use std::time::Duration;

use common::{status::FieldViolation, time};
use jiff::Timestamp;
use proto::{decision::v1 as proto_decision, predictor::v1::SeriesForecast};

pub use self::from_domain::{
    decision, input, lease, pause, policy, policy_violations, target_state,
};
use crate::{
    decide::{
        input::{Evidence, Input, InstanceType, Observation, Unknown},
        verdict::ReasonCode,
    },
    fleet::{
        outcome::Outcome,
        pause::{PauseDirection, PauseEnd},
    },
    policy::{
        document::{Policy, Strategy},
        validate::{ladder_violations, type_name_problem},
    },
};

const MAX_ID_CHARS: usize = 256;
const MAX_SENTENCE_CHARS: usize = 1_000;
const MAX_INSTANCE_TYPES: usize = 1_000;
/// What goes beyond is cut off, not refused: notes decide nothing.
const MAX_NOTES: usize = 16;
const MAX_PAGE_SIZE: u32 = 1_000;
const DEFAULT_PAGE_SIZE: u32 = 50;
const MAX_TTL_SECONDS: u32 = 3_600;
const MAX_PAUSE: Duration = Duration::from_secs(100 * 365 * 86_400);
const TOKEN_MARK: char = '>';

/// Collects what is wrong with a message.
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldViolation>);

impl Fields {
    /// `value` when nothing was wrong.
    ///
    /// # Errors
    /// Every bad field.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<FieldViolation>> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self.0)
        }
    }

    fn bad(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(FieldViolation::new(field, description));
    }

    /// An id: 1 to 256 characters, none of them a control character.
    pub fn id(&mut self, field: &str, value: String) -> String {
        let length = value.chars().count();
        if length == 0 {
            self.bad(field, "is empty");
        } else if length > MAX_ID_CHARS {
            self.bad(
                field,
                format!("has {length} characters; at most {MAX_ID_CHARS} are allowed"),
            );
        } else if value.chars().any(char::is_control) {
            self.bad(field, "has control characters");
        }
        value
    }

    /// The same, but it may be empty.
    pub fn id_or_empty(&mut self, field: &str, value: String) -> String {
        if value.is_empty() {
            value
        } else {
            self.id(field, value)
        }
    }

    /// A decision id, in the form that the store keeps.
    pub fn decision_id(&mut self, value: &str) -> String {
        match uuid::Uuid::try_parse(value) {
            Ok(id) => id.to_string(),
            Err(_) => {
                self.bad("decision_id", "is not a decision id, which is a UUID");
                String::new()
            }
        }
    }

    /// Seconds that a lease lasts.
    pub fn ttl(&mut self, seconds: u32) -> u32 {
        if !(1..=MAX_TTL_SECONDS).contains(&seconds) {
            self.bad(
                "ttl_seconds",
                format!("{seconds} is not between 1 and {MAX_TTL_SECONDS}"),
            );
        }
        seconds
    }

    /// An epoch, which the store keeps as a signed number.
    pub fn epoch(&mut self, field: &str, epoch: u64) -> u64 {
        if i64::try_from(epoch).is_err() {
            self.bad(field, format!("{epoch} is too large"));
        }
        epoch
    }

    /// How many decisions a page holds.
    pub fn page_size(&mut self, size: u32) -> u32 {
        if size > MAX_PAGE_SIZE {
            self.bad("page_size", format!("{size} is above {MAX_PAGE_SIZE}"));
        }
        if size == 0 { DEFAULT_PAGE_SIZE } else { size }
    }

    /// How many pauses a page holds.
    pub fn pauses_page_size(&mut self, size: u32) -> u32 {
        match self.page_size(size) {
            _ if size == 0 => MAX_PAGE_SIZE,
            size => size,
        }
    }

    /// The name after which a page of pauses begins; `None` for the first.
    pub fn pause_token(&mut self, token: &str) -> Option<String> {
        if token.is_empty() {
            return None;
        }
        let name = token.strip_prefix(TOKEN_MARK);
        if name.is_none() {
            self.bad("page_token", "is not one that ListPauses returned");
        }
        name.map(str::to_owned)
    }

    /// Where a page begins; `None` for the first.
    pub fn page_token(&mut self, token: &str) -> Option<i64> {
        if token.is_empty() {
            return None;
        }
        let place = token.parse().ok().filter(|place| *place > 0);
        if place.is_none() {
            self.bad("page_token", "is not one that ListDecisions returned");
        }
        place
    }

    /// When a pause ends; neither means at resume.
    pub fn pause_end(
        &mut self,
        until: Option<prost_types::Timestamp>,
        lasting: Option<prost_types::Duration>,
    ) -> PauseEnd {
        let Some(lasting) = lasting else {
            return match self.time("until", until) {
                Some(until) => PauseEnd::At(until),
                None => PauseEnd::AtResume,
            };
        };
        if until.is_some() {
            self.bad(
                "lasting",
                "is given beside until; one of them says when it ends",
            );
        }
        match Duration::try_from(lasting) {
            Ok(lasting) if lasting.is_zero() => self.bad("lasting", "is nothing"),
            Ok(lasting) if lasting <= MAX_PAUSE => return PauseEnd::After(lasting),
            Ok(_) => self.bad(
                "lasting",
                "is more than 100 years; leave it out to pause until resumed",
            ),
            Err(_) => self.bad("lasting", "is negative, or no duration"),
        }
        PauseEnd::AtResume
    }

    /// What a pause forbids; unspecified means everything.
    pub fn direction(&mut self, direction: i32) -> PauseDirection {
        use proto_decision::PauseDirection as Message;
        match Message::try_from(direction) {
            Ok(Message::Unspecified | Message::Both) => PauseDirection::Both,
            Ok(Message::Up) => PauseDirection::Up,
            Ok(Message::Down) => PauseDirection::Down,
            Err(_) => {
                self.bad("direction", format!("{direction} is no PauseDirection"));
                PauseDirection::Both
            }
        }
    }

    /// How an action ended.
    pub fn outcome(&mut self, outcome: i32) -> Outcome {
        use proto_decision::Outcome as Message;
        match Message::try_from(outcome) {
            Ok(Message::Succeeded) => Outcome::Succeeded,
            Ok(Message::RolledBack) => Outcome::RolledBack,
            Ok(Message::FellBack) => Outcome::FellBack,
            Ok(Message::Gone) => Outcome::Gone,
            Ok(Message::Refused) => Outcome::Refused,
            Ok(Message::DryRun) => Outcome::DryRun,
            Ok(Message::NotStarted) => Outcome::NotStarted,
            Ok(Message::Unspecified) => {
                self.bad("outcome", "is missing");
                Outcome::NotStarted
            }
            Err(_) => {
                self.bad("outcome", format!("{outcome} is no Outcome"));
                Outcome::NotStarted
            }
        }
    }

    /// A time that may be absent.
    pub fn time(&mut self, field: &str, time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
        let time = time::from_proto(&time?);
        if time.is_none() {
            self.bad(field, "lies outside the years 0 to 9999");
        }
        time
    }

    /// A policy; violations are those of its fields.
    pub fn policy(&mut self, message: Option<proto_decision::Policy>) -> Policy {
        let Some(message) = message else {
            self.bad("policy", "is missing");
            return Policy::default();
        };
        use proto_decision::Strategy as Message;
        match Message::try_from(message.strategy) {
            Ok(Message::Threshold) => {}
            Ok(Message::Unspecified) => self.bad("policy.strategy", "is missing"),
            Err(_) => self.bad(
                "policy.strategy",
                format!("{} is no Strategy", message.strategy),
            ),
        }
        let defaults = Policy::default();
        let policy = Policy {
            strategy: Strategy::Threshold,
            scale_up_cpu: message.scale_up_cpu,
            scale_down_cpu: message.scale_down_cpu,
            min_confidence: message.min_confidence,
            cooldown_seconds: message.cooldown_seconds,
            ladder: message.ladder,
            horizon_seconds: message.horizon_seconds,
            memory_margin_percent: message.memory_margin_percent,
            saturation_seconds: message.saturation_seconds,
            max_sample_age_seconds: message.max_sample_age_seconds,
            source: None,
            down_history_seconds: message
                .down_history_seconds
                .unwrap_or(defaults.down_history_seconds),
            down_observed_seconds: message
                .down_observed_seconds
                .unwrap_or(defaults.down_observed_seconds),
        };
        for violation in policy.violations() {
            self.bad(format!("policy.{}", violation.field), violation.description);
        }
        policy
    }

    fn finite(&mut self, field: &str, value: f64, low: f64, high: f64) -> f64 {
        // NaN lies in no range.
        if !(low..=high).contains(&value) {
            if high == f64::MAX {
                self.bad(field, format!("{value} is not a number from {low}"));
            } else {
                self.bad(field, format!("{value} is not between {low} and {high}"));
            }
        }
        value
    }

    fn instance_type(&mut self, field: &str, name: String) -> String {
        if let Some(problem) = type_name_problem(&name) {
            self.bad(field, problem);
        }
        name
    }
}

/// The token of the page of pauses after `name`, which is empty for the fleet.
pub fn pause_token(name: &str) -> String {
    format!("{TOKEN_MARK}{name}")
}

/// One line of at most a thousand characters: what others say goes into tables and logs, and must not be refused.
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").chars().take(MAX_SENTENCE_CHARS).collect()
}

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
    let instance_type = if message.instance_type.is_empty() && unknown.is_some() {
        message.instance_type
    } else {
        fields.instance_type("instance_type", message.instance_type)
    };
    if message.instance_types.len() > MAX_INSTANCE_TYPES {
        fields.bad(
            "instance_types",
            format!(
                "has {} entries; at most {MAX_INSTANCE_TYPES} are allowed",
                message.instance_types.len()
            ),
        );
    }
    let instance_types = message
        .instance_types
        .into_iter()
        .take(MAX_INSTANCE_TYPES)
        .enumerate()
        .map(|(index, size)| InstanceType {
            instance_type: fields.instance_type(
                &format!("instance_types[{index}].instance_type"),
                size.instance_type,
            ),
            vcpus: size.vcpus,
            memory_mib: size.memory_mib,
        })
        .collect();
    for violation in ladder_violations("ladder", &message.ladder) {
        fields.bad(violation.field, violation.description);
    }
    let input = Input {
        tick_id: fields.id("tick_id", message.tick_id),
        target_id: fields.id("target_id", message.target_id),
        instance_id: fields.id("instance_id", message.instance_id),
        instance_type,
        observation: message
            .observation
            .and_then(|seen| observation(&mut fields, seen)),
        forecast: message
            .forecast
            .and_then(|forecast: SeriesForecast| forecast::read(&mut fields, forecast)),
        unknown,
        dry_run: message.dry_run,
        lease_epoch: fields.epoch("lease_epoch", message.lease_epoch),
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

fn observation(fields: &mut Fields, message: proto_decision::Observation) -> Option<Observation> {
    let observed_at = fields.time("observation.observed_at", message.observed_at);
    if message.observed_at.is_none() {
        fields.bad("observation.observed_at", "is missing");
    }
    let mut optional = |field: &str, value: Option<f64>, high| {
        value.map(|value| fields.finite(&format!("observation.{field}"), value, 0.0, high))
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
    let cpu_percent = fields.finite("observation.cpu_percent", message.cpu_percent, 0.0, 100.0);
    Some(Observation {
        observed_at: observed_at?,
        cpu_percent,
        memory_percent,
        memory_peak_mib,
        disk_bytes_per_second,
        samples: message.samples,
        saturated_seconds: message.saturated_seconds,
        cpu_evidence: Evidence {
            spanned_seconds: message.cpu_spanned_seconds,
            observed_seconds: message.cpu_observed_seconds,
        },
        memory_evidence: Evidence {
            spanned_seconds: message.memory_spanned_seconds,
            observed_seconds: message.memory_observed_seconds,
        },
        cpu_peak_last_hour_percent,
    })
}
