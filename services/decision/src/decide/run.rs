//! A run: holds of one target in a row that have one reason. The first and the newest are kept whole; of those between them
//! only when they were, for which ticks, and between which extremes.
//!
//! Invariant: pure. The id of a hold says its run and its place in it: all ids of a run differ in their time alone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::decide::{
    input::Input,
    record::{Decision, Stored},
    verdict::{Action, CheckVerdict},
};

/// Holds of a run: two days at a tick of five minutes. It bounds what is written again with each.
const MOST: usize = 576;
/// Milliseconds from hold to hold; after more than that nothing can be said of the time between them.
const LONGEST_GAP: i64 = 3_600_000;
/// Bytes of an id before those that a run has in common.
const TIME_BYTES: usize = 6;
/// Bytes that tell ticks of one target apart.
const TICK_BYTES: usize = 8;

/// What the ids of a run have in common: all but their time.
pub type Tail = [u8; 16 - TIME_BYTES];

/// Holds in a row, for one reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Of all ids.
    pub tail: Tail,
    /// Its holds, oldest first; never empty.
    moments: Vec<Moment>,
    /// What was seen meanwhile.
    pub extremes: Extremes,
}

/// One hold of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Moment {
    /// Milliseconds since the Unix epoch.
    at: i64,
    /// From which its tick is known again.
    tick: [u8; TICK_BYTES],
}

/// The least and the greatest of what was seen; `None` for what was never known.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Extremes {
    /// CPU, percent of the type.
    pub cpu_percent: Option<Range>,
    /// Memory in use, percent.
    pub memory_percent: Option<Range>,
    /// Median of the forecast peak until the farthest horizon, percent of the type.
    pub forecast_peak_percent: Option<Range>,
}

/// From the least to the greatest.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Range {
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Run {
    /// The run that begins with a hold, whose id becomes one of the time of its decision. `None` for what is no hold.
    pub fn begin(stored: &mut Stored) -> Option<Self> {
        let decision = &stored.decision;
        if decision.verdict.action != Action::Hold {
            return None;
        }
        let run = Self {
            tail: tail_of(&decision.decision_id)?,
            moments: vec![Moment::of(decision)],
            extremes: Extremes::of(&stored.input),
        };
        stored.decision.decision_id = run.first_id();
        Some(run)
    }

    /// Whether `next` is one more of its holds; `newest` is the last one so far.
    pub fn admits(&self, newest: &Decision, next: &Decision) -> bool {
        let same = |of: fn(&Decision) -> &str| of(newest) == of(next);
        let gap = Moment::of(next).at - self.last().at;
        next.verdict.action == Action::Hold
            && newest.verdict.action == Action::Hold
            && newest.verdict.reason_code == next.verdict.reason_code
            && blocked_by(newest) == blocked_by(next)
            && same(|decision| &decision.from_instance_type)
            && same(|decision| &decision.verdict.to_instance_type)
            && same(|decision| &decision.instance_id)
            && same(|decision| &decision.policy_version)
            && newest.dry_run == next.dry_run
            // A clock that stands or was set back would give an id that is there.
            && (1..=LONGEST_GAP).contains(&gap)
            && self.moments.len() < MOST
    }

    /// With one more hold, whose id becomes one of the run's.
    #[must_use]
    pub fn joined(mut self, stored: &mut Stored) -> Self {
        let moment = Moment::of(&stored.decision);
        stored.decision.decision_id = self.id(moment);
        self.moments.push(moment);
        self.extremes = self.extremes.and(Extremes::of(&stored.input));
        self
    }

    /// How many holds it has.
    pub fn count(&self) -> usize {
        self.moments.len()
    }

    /// The time of the first hold, to the millisecond.
    pub fn since(&self) -> Timestamp {
        time(self.moments[0].at)
    }

    /// The time of the newest hold, to the millisecond.
    pub fn until(&self) -> Timestamp {
        time(self.last().at)
    }

    /// The id of the first hold.
    pub fn first_id(&self) -> String {
        self.id(self.moments[0])
    }

    /// The id of the newest hold.
    pub fn newest_id(&self) -> String {
        self.id(self.last())
    }

    /// The time of the hold with this id, if it is one of its holds.
    pub fn at_id(&self, decision_id: &str) -> Option<Timestamp> {
        let id = Uuid::try_parse(decision_id).ok()?;
        let mut at = [0; 8];
        at[2..].copy_from_slice(&id.as_bytes()[..TIME_BYTES]);
        let at = i64::from_be_bytes(at);
        let is_ours = tail(&id) == self.tail && self.moments.iter().any(|moment| moment.at == at);
        is_ours.then(|| time(at))
    }

    /// The id of the hold that was decided in a tick, if one was.
    pub fn of_tick(&self, tick_id: &str) -> Option<String> {
        let tick = tick(tick_id);
        let hold = self.moments.iter().find(|moment| moment.tick == tick)?;
        Some(self.id(*hold))
    }

    /// The id of the last hold at or before a time.
    pub fn at(&self, at: Timestamp) -> Option<String> {
        let at = at.as_millisecond();
        let hold = self.moments.iter().rfind(|moment| moment.at <= at)?;
        Some(self.id(*hold))
    }

    /// What is known of the hold with this id: what it has in common with `newest`, and when it was.
    pub fn merged(&self, decision_id: &str, newest: &Decision) -> Option<Decision> {
        let mut decision = newest.clone();
        decision.decided_at = self.at_id(decision_id)?;
        decision.decision_id = decision_id.to_owned();
        decision.tick_id.clear();
        decision.input_digest.clear();
        decision.verdict.confidence = 0.0;
        decision.verdict.predicted_cpu_percent = None;
        decision.verdict.horizon_seconds = 0;
        decision.verdict.checks.clear();
        decision.verdict.reason = format!(
            "one of {} holds in a row for one reason; the newest of them: {}",
            self.count(),
            newest.verdict.reason
        );
        Some(decision)
    }

    /// Its holds as bytes: the time of the first, then for each its tick and the time to the next.
    pub fn packed(&self) -> Vec<u8> {
        let mut bytes = self.moments[0].at.to_be_bytes().to_vec();
        let mut before = self.moments[0].at;
        for moment in &self.moments {
            push_number(&mut bytes, (moment.at - before).unsigned_abs());
            bytes.extend(moment.tick);
            before = moment.at;
        }
        bytes
    }

    /// The run of which [`Run::packed`] made these bytes; `None` where it made no such.
    pub fn unpacked(tail: Tail, extremes: Extremes, bytes: &[u8]) -> Option<Self> {
        let (first, mut rest) = bytes.split_first_chunk()?;
        let mut at = i64::from_be_bytes(*first);
        let mut moments = Vec::new();
        while !rest.is_empty() {
            at = at.checked_add_unsigned(take_number(&mut rest)?)?;
            let (tick, others) = rest.split_first_chunk()?;
            moments.push(Moment { at, tick: *tick });
            rest = others;
        }
        (!moments.is_empty()).then_some(Self {
            tail,
            moments,
            extremes,
        })
    }

    fn last(&self) -> Moment {
        self.moments[self.moments.len() - 1]
    }

    fn id(&self, moment: Moment) -> String {
        let mut bytes = [0; 16];
        bytes[..TIME_BYTES].copy_from_slice(&moment.at.to_be_bytes()[2..]);
        bytes[TIME_BYTES..].copy_from_slice(&self.tail);
        Uuid::from_bytes(bytes).to_string()
    }
}

/// What an id has in common with those of its run.
pub fn tail_of(decision_id: &str) -> Option<Tail> {
    Uuid::try_parse(decision_id).ok().map(|id| tail(&id))
}

fn tail(id: &Uuid) -> Tail {
    let mut tail = Tail::default();
    tail.copy_from_slice(&id.as_bytes()[TIME_BYTES..]);
    tail
}

fn tick(tick_id: &str) -> [u8; TICK_BYTES] {
    let mut bytes = [0; TICK_BYTES];
    bytes.copy_from_slice(&Sha256::digest(tick_id)[..TICK_BYTES]);
    bytes
}

/// Milliseconds since the Unix epoch as a time.
pub fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}

fn blocked_by(decision: &Decision) -> Option<&str> {
    let mut checks = decision.verdict.checks.iter();
    let blocking = checks.find(|check| check.verdict == CheckVerdict::Block)?;
    Some(&blocking.name)
}

impl Moment {
    fn of(decision: &Decision) -> Self {
        Self {
            at: decision.decided_at.as_millisecond(),
            tick: tick(&decision.tick_id),
        }
    }
}

impl Extremes {
    fn of(input: &Input) -> Self {
        let one = |value: Option<f64>| {
            value.map(|value| Range {
                min: value,
                max: value,
            })
        };
        let seen = input.observation.as_ref();
        let farthest = input
            .forecast
            .as_ref()
            .and_then(|forecast| forecast.horizons.last());
        let median = farthest.and_then(|horizon| {
            let mut peak = horizon.peak.iter();
            peak.find(|quantile| quantile.quantile >= 0.5)
        });
        Self {
            cpu_percent: one(seen.map(|seen| seen.cpu_percent)),
            memory_percent: one(seen.and_then(|seen| seen.memory_percent)),
            forecast_peak_percent: one(median.map(|median| median.value)),
        }
    }

    fn and(self, other: Self) -> Self {
        let both = |one: Option<Range>, other: Option<Range>| match (one, other) {
            (Some(one), Some(other)) => Some(Range {
                min: one.min.min(other.min),
                max: one.max.max(other.max),
            }),
            (one, other) => one.or(other),
        };
        Self {
            cpu_percent: both(self.cpu_percent, other.cpu_percent),
            memory_percent: both(self.memory_percent, other.memory_percent),
            forecast_peak_percent: both(self.forecast_peak_percent, other.forecast_peak_percent),
        }
    }
}

/// Seven bits a byte, the least significant first, as protobuf has it.
fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests;
