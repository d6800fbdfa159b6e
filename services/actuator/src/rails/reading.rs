//! A rail: its name, and what it reads.

use std::fmt;

use jiff::Timestamp;

use super::case::Case;

/// One of the limits that can speak against a resize.
pub trait Rail: fmt::Debug + Sync {
    /// Such as `fleet_budget`: the label of its metric, and in capitals the reason of a refused call.
    fn name(&self) -> &'static str;

    /// The pre-flight check that it is part of.
    fn check(&self) -> &'static str {
        self.name()
    }

    /// True when nothing but a person lifts it.
    fn is_by_hand(&self) -> bool {
        false
    }

    /// How it stands to a resize of the case's instance.
    fn read(&self, case: &Case<'_>) -> Reading;
}

/// Whether a resize may begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    Pass,
    Block,
}

/// What a rail reads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    pub verdict: Verdict,
    /// What counts against the limit.
    pub count: u32,
    /// 0 is none.
    pub limit: u32,
    /// When it passes by itself; `None` when it passes now, and when only a person can lift it.
    pub until: Option<Timestamp>,
    /// One sentence.
    pub sentence: String,
}

impl Reading {
    /// What speaks against a resize, of this rail.
    pub fn objection(self, rail: &dyn Rail) -> Option<Objection> {
        (self.verdict == Verdict::Block).then(|| Objection {
            rail: rail.name(),
            is_by_hand: rail.is_by_hand(),
            reason: self.sentence,
            until: self.until,
        })
    }
}

/// Why a resize must not begin now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Objection {
    /// The rail's name.
    pub rail: &'static str,
    /// What a person decided.
    pub is_by_hand: bool,
    /// One sentence.
    pub reason: String,
    /// When it passes by itself; `None` when only a person can lift it.
    pub until: Option<Timestamp>,
}
