//! What a strategy asks for, and the step that comes of it.

use std::fmt::Display;

use crate::{
    decide::{
        case::Case,
        checks::{Finding, Stop},
        input::Observation,
        verdict::ReasonCode,
    },
    fleet::direction::Direction,
};

/// The wish of a strategy to go one way.
pub struct Want {
    pub direction: Direction,
    pub code: ReasonCode,
    /// Probability that the condition holds.
    pub confidence: f64,
    /// Why the probability is no higher, where that is not the condition's own sentence; a clause with its subject.
    pub doubt: Option<String>,
    /// The condition as the begin of a sentence, without the probability.
    pub sentence: String,
    /// What it rests on.
    pub ground: Ground,
    /// The rung of the ladder to go to; `None` for the next one.
    pub rung: Option<usize>,
    /// Up, of a machine that is measured to be saturated.
    pub saturated: bool,
    /// Percent of a smaller type's CPU that the present may fill.
    pub fills_percent: f64,
}

impl Want {
    /// The same, to a rung of the ladder.
    pub fn at_rung(self, rung: usize) -> Self {
        Self {
            rung: Some(rung),
            ..self
        }
    }

    /// Whether it does not fail for want of confidence, where so much is asked of a forecast.
    pub fn is_sure(&self, min_confidence: f64) -> bool {
        self.ground != Ground::Forecast || self.confidence >= min_confidence
    }

    /// That it was wanted, as the end of a sentence about what holds it back.
    pub fn held_back(&self) -> String {
        let direction = self.direction.name();
        format!("; it holds back scaling {direction}: {}", self.sentence)
    }

    /// The end of the walk for what was wanted, and the reason against it.
    pub fn but(&self, code: ReasonCode, why: impl Display) -> Stop {
        Stop::new(code, format!("{}, but {why}", self.sentence))
    }
}

/// What a wish rests on, which says what must be sure before it is granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ground {
    /// A forecast, which has to be confident.
    Forecast,
    /// What was measured.
    Measurement,
    /// The policy's schedule, which names the type.
    Schedule,
}

/// The absence of a wish.
pub struct NoWant {
    /// Why there is none.
    pub sentence: String,
    pub code: ReasonCode,
    /// Probability of what was considered.
    pub confidence: f64,
}

/// One step on the ladder, as the guards see it.
pub struct Step<'a> {
    pub case: &'a Case<'a>,
    /// Unknown only on the way up to a scheduled size.
    pub observation: Option<&'a Observation>,
    pub want: &'a Want,
    /// The type to go to.
    pub to: &'a str,
}

impl Step<'_> {
    /// The no of a guard that can't look without an observation.
    pub fn unseen(&self) -> Finding {
        self.block(ReasonCode::MetricsUnknown, "nothing is known of its use")
    }

    /// The guard's no: what was wanted, and the reason against it.
    pub fn block(&self, code: ReasonCode, why: impl Display) -> Finding {
        Finding::Block(self.want.but(code, why))
    }
}
