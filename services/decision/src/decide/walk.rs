//! The walk: every check in its order, each with a verdict and one sentence. The first that blocks decides.
//!
//! Invariant: pure. The same policy, input, state and time give the same verdict, to the letter.

use jiff::Timestamp;

use crate::{
    decide::{
        case::{Case, Known},
        checks::{Finding, Found, Stop},
        guards::{self, forecast, inputs, ladder, rung},
        input::{Input, State},
        strategy,
        verdict::{Action, Check, CheckVerdict, ReasonCode, Verdict},
        want::Step,
    },
    policy::document::Policy,
};

/// Decides for one target.
pub fn decide(policy: &Policy, input: &Input, state: &State, now: Timestamp) -> Verdict {
    let case = Case::new(policy, input, state, now);
    let mut trail = Trail::default();
    let Granted {
        action,
        to_instance_type,
        code,
        sentence,
    } = walk(&case, &mut trail).unwrap_or_else(|stop| {
        trail.skip_rest();
        Granted {
            action: Action::Hold,
            to_instance_type: input.instance_type.clone(),
            code: stop.code,
            sentence: stop.sentence,
        }
    });
    let outlook = case.outlook.as_ref().ok();
    Verdict {
        action,
        to_instance_type,
        reason_code: code,
        reason: sentence,
        confidence: trail.confidence,
        predicted_cpu_percent: outlook.map(|outlook| outlook.cpu_percent),
        horizon_seconds: outlook.map_or(0, |outlook| outlook.horizon_seconds),
        checks: trail.checks,
    }
}

struct Granted {
    action: Action,
    to_instance_type: String,
    code: ReasonCode,
    sentence: String,
}

fn walk(case: &Case<'_>, trail: &mut Trail) -> Result<Granted, Stop> {
    let known = Known {
        case,
        observation: trail.find(inputs::NAME, inputs::find(case))?,
        rung: trail.find(ladder::NAME, ladder::find(case))?,
    };
    let asked = strategy::ask(&known);
    trail.confidence = match &asked {
        Ok(want) => want.confidence,
        Err(none) => none.confidence,
    };
    for guard in guards::STANDING {
        trail.judge(guard.name, (guard.check)(case, asked.as_ref().ok()))?;
    }
    let want = trail.find(forecast::NAME, forecast::find(asked))?;
    let step = Step {
        case,
        observation: known.observation,
        want: &want,
        to: trail.find(rung::NAME, rung::find(&known, &want))?,
    };
    for guard in guards::STEP {
        trail.judge(guard.name, (guard.check)(&step))?;
    }
    let probability = if want.measured {
        String::new()
    } else {
        format!(", with probability {:.2}", want.confidence)
    };
    let from = &case.input.instance_type;
    Ok(Granted {
        action: want.direction.into(),
        to_instance_type: step.to.to_owned(),
        code: want.code,
        sentence: format!("{}{probability}; {from} to {}", want.sentence, step.to),
    })
}

/// The record of a walk.
#[derive(Default)]
struct Trail {
    checks: Vec<Check>,
    /// Of what was considered; 0 before anything was.
    confidence: f64,
}

impl Trail {
    fn push(&mut self, name: &str, verdict: CheckVerdict, detail: impl Into<String>) {
        self.checks.push(Check {
            name: name.to_owned(),
            verdict,
            detail: detail.into(),
        });
    }

    /// Records a check that finds something, and hands it on.
    fn find<T>(&mut self, name: &str, found: Found<T>) -> Result<T, Stop> {
        match found {
            Ok((found, detail)) => {
                self.push(name, CheckVerdict::Pass, detail);
                Ok(found)
            }
            Err(stop) => self.stop(name, stop),
        }
    }

    /// Records what a guard said.
    fn judge(&mut self, name: &str, finding: Finding) -> Result<(), Stop> {
        match finding {
            Finding::Pass(detail) => self.push(name, CheckVerdict::Pass, detail),
            Finding::Skip(detail) => self.push(name, CheckVerdict::Skip, detail),
            Finding::Block(stop) => return self.stop(name, stop),
        }
        Ok(())
    }

    fn stop<T>(&mut self, name: &str, stop: Stop) -> Result<T, Stop> {
        self.push(name, CheckVerdict::Block, stop.sentence.as_str());
        Err(stop)
    }

    /// Records those that were not asked any more.
    fn skip_rest(&mut self) {
        let Some(last) = self.checks.last() else {
            return;
        };
        let settled = format!("settled by {}", last.name);
        for name in guards::names() {
            if !self.checks.iter().any(|check| check.name == name) {
                self.push(name, CheckVerdict::Skip, settled.as_str());
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
