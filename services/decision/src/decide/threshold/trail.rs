//! The record of the checks.

use super::CHECKS;
use crate::decide::verdict::{Check, CheckVerdict, ReasonCode};

/// Why the walk ended without an action.
pub(super) struct Stop {
    pub(super) code: ReasonCode,
    pub(super) sentence: String,
}

pub(super) fn stop<T>(code: ReasonCode, sentence: impl Into<String>) -> Result<T, Stop> {
    Err(Stop {
        code,
        sentence: sentence.into(),
    })
}

#[derive(Default)]
pub(super) struct Trail {
    pub(super) checks: Vec<Check>,
}

impl Trail {
    pub(super) fn push(&mut self, verdict: CheckVerdict, detail: String) {
        let name = CHECKS.get(self.checks.len()).copied().unwrap_or("check");
        self.checks.push(Check {
            name: name.to_owned(),
            verdict,
            detail,
        });
    }

    /// Records a check and hands on what it found.
    pub(super) fn run<T>(&mut self, result: Result<(T, String), Stop>) -> Result<T, Stop> {
        match result {
            Ok((found, detail)) => {
                self.push(CheckVerdict::Pass, detail);
                Ok(found)
            }
            Err(stop) => {
                self.push(CheckVerdict::Block, stop.sentence.clone());
                Err(stop)
            }
        }
    }

    pub(super) fn skip(&mut self, detail: impl Into<String>) {
        self.push(CheckVerdict::Skip, detail.into());
    }

    pub(super) fn skip_rest(&mut self) {
        let settled = match self.checks.last() {
            Some(last) => format!("settled by {}", last.name),
            None => return,
        };
        while self.checks.len() < CHECKS.len() {
            self.skip(settled.clone());
        }
    }
}
