//! Fields of requests that only this service has, checked and converted.

use std::time::Duration;

use common::{request::Fields, text::words};
use proto::decision::v1 as proto_decision;

use crate::{
    fleet::{
        outcome::Outcome,
        pause::{PauseDirection, PauseEnd},
    },
    service::history::Asked,
};

const MAX_SENTENCE_CHARS: usize = 1_000;
const MAX_PAGE_SIZE: u32 = 1_000;
const DEFAULT_PAGE_SIZE: u32 = 50;
const MAX_TTL_SECONDS: u32 = 3_600;
const MAX_PAUSE: Duration = Duration::from_secs(100 * 365 * 86_400);
const TOKEN_MARK: char = '>';

/// A decision id, in the form that the store keeps.
pub fn decision_id(fields: &mut Fields, value: &str) -> String {
    match uuid::Uuid::try_parse(value) {
        Ok(id) => id.to_string(),
        Err(_) => {
            fields.bad("decision_id", "is not a decision id, which is a UUID");
            String::new()
        }
    }
}

/// The decision that is to be explained: by its id, or by its target and a time.
pub fn asked(fields: &mut Fields, request: proto_decision::ExplainDecisionRequest) -> Asked {
    let at = fields.time("at", request.at);
    if request.target_id.is_empty() {
        if at.is_some() {
            fields.bad("at", "is a time, but target_id names no target");
        }
        return Asked::Id(decision_id(fields, &request.decision_id));
    }
    if !request.decision_id.is_empty() {
        fields.bad(
            "target_id",
            "is given beside decision_id; one of them is asked for",
        );
    }
    Asked::Target {
        target_id: fields.id("target_id", request.target_id),
        at,
    }
}

/// Seconds that a lease lasts.
pub fn ttl(fields: &mut Fields, seconds: u32) -> u32 {
    if !(1..=MAX_TTL_SECONDS).contains(&seconds) {
        fields.bad(
            "ttl_seconds",
            format!("{seconds} is not between 1 and {MAX_TTL_SECONDS}"),
        );
    }
    seconds
}

/// An epoch, which the store keeps as a signed number.
pub fn epoch(fields: &mut Fields, field: &str, epoch: u64) -> u64 {
    if i64::try_from(epoch).is_err() {
        fields.bad(field, format!("{epoch} is too large"));
    }
    epoch
}

/// How many decisions a page holds.
pub fn page_size(fields: &mut Fields, size: u32) -> u32 {
    if size > MAX_PAGE_SIZE {
        fields.bad("page_size", format!("{size} is above {MAX_PAGE_SIZE}"));
    }
    if size == 0 { DEFAULT_PAGE_SIZE } else { size }
}

/// How many pauses a page holds.
pub fn pauses_page_size(fields: &mut Fields, size: u32) -> u32 {
    match page_size(fields, size) {
        _ if size == 0 => MAX_PAGE_SIZE,
        size => size,
    }
}

/// The name after which a page of pauses begins; `None` for the first.
pub fn pauses_page_token(fields: &mut Fields, token: &str) -> Option<String> {
    if token.is_empty() {
        return None;
    }
    let name = token.strip_prefix(TOKEN_MARK);
    if name.is_none() {
        fields.bad("page_token", "is not one that ListPauses returned");
    }
    name.map(str::to_owned)
}

/// Where a page begins; `None` for the first.
pub fn page_token(fields: &mut Fields, token: &str) -> Option<i64> {
    if token.is_empty() {
        return None;
    }
    let place = token.parse().ok().filter(|place| *place > 0);
    if place.is_none() {
        fields.bad("page_token", "is not one that ListDecisions returned");
    }
    place
}

/// When a pause ends; neither means at resume.
pub fn pause_end(
    fields: &mut Fields,
    until: Option<prost_types::Timestamp>,
    lasting: Option<prost_types::Duration>,
) -> PauseEnd {
    let Some(lasting) = lasting else {
        return match fields.time("until", until) {
            Some(until) => PauseEnd::At(until),
            None => PauseEnd::AtResume,
        };
    };
    if until.is_some() {
        fields.bad(
            "lasting",
            "is given beside until; one of them says when it ends",
        );
    }
    match Duration::try_from(lasting) {
        Ok(lasting) if lasting.is_zero() => fields.bad("lasting", "is nothing"),
        Ok(lasting) if lasting <= MAX_PAUSE => return PauseEnd::After(lasting),
        Ok(_) => fields.bad(
            "lasting",
            "is more than 100 years; leave it out to pause until resumed",
        ),
        Err(_) => fields.bad("lasting", "is negative, or no duration"),
    }
    PauseEnd::AtResume
}

/// What a pause forbids; unspecified means everything.
pub fn direction(fields: &mut Fields, direction: i32) -> PauseDirection {
    use proto_decision::PauseDirection as Message;
    match Message::try_from(direction) {
        Ok(Message::Unspecified | Message::Both) => PauseDirection::Both,
        Ok(Message::Up) => PauseDirection::Up,
        Ok(Message::Down) => PauseDirection::Down,
        Err(_) => {
            fields.bad("direction", format!("{direction} is no PauseDirection"));
            PauseDirection::Both
        }
    }
}

/// How an action ended.
pub fn outcome(fields: &mut Fields, outcome: i32) -> Outcome {
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
            fields.bad("outcome", "is missing");
            Outcome::NotStarted
        }
        Err(_) => {
            fields.bad("outcome", format!("{outcome} is no Outcome"));
            Outcome::NotStarted
        }
    }
}

/// The token of the page of pauses after `name`, which is empty for the fleet.
pub fn pause_token(name: &str) -> String {
    format!("{TOKEN_MARK}{name}")
}

/// One line of at most a thousand characters: what others say goes into tables and logs, and must not be refused.
pub fn one_line(text: &str) -> String {
    words(text).chars().take(MAX_SENTENCE_CHARS).collect()
}
