//! Fields of requests, and what is wrong with them.

use std::time::Duration;

use common::{status::FieldViolation, time};
use jiff::Timestamp;
use proto::decision::v1 as proto_decision;

use crate::{
    fleet::{
        outcome::Outcome,
        pause::{PauseDirection, PauseEnd},
    },
    policy::{
        document::{Policy, Strategy},
        validate::type_name_problem,
    },
};

const MAX_ID_CHARS: usize = 256;
const MAX_SENTENCE_CHARS: usize = 1_000;
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

    pub(super) fn bad(&mut self, field: impl Into<String>, description: impl Into<String>) {
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

    pub(super) fn finite(&mut self, field: &str, value: f64, low: f64, high: f64) -> f64 {
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

    pub(super) fn instance_type(&mut self, field: &str, name: String) -> String {
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
