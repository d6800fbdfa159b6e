//! The walk: every check in its order, each with a verdict and one sentence. The first that blocks decides.
//!
//! Invariant: pure. The same policy, input, state and time give the same verdict, to the letter.

use jiff::Timestamp;

use crate::{
    decide::{
        bounds::Bounds,
        case::{Case, Known},
        checks::{Finding, Found, Stop},
        guards::{self, bounds, forecast, inputs, ladder, rung, step},
        input::{Input, Observation, State},
        schedule::Schedule,
        verdict::{Action, Check, CheckVerdict, ReasonCode, Verdict},
        want::{Ground, Step, Want},
        wish,
    },
    fleet::direction::Direction,
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
    let schedule = Schedule::of(case);
    let placed = ladder::find(case);
    let scheduled = placed.as_ref().ok();
    let scheduled = scheduled.and_then(|(rung, _)| schedule.want(case, *rung));
    let seen = look(case, scheduled, trail)?;
    let rung = trail.find(ladder::NAME, placed)?;
    trail.judge(
        guards::schedule::NAME,
        guards::schedule::look(case, &schedule),
    )?;
    let (observation, asked) = match seen {
        Seen::Nothing(scheduled) => (None, Ok(scheduled)),
        Seen::Use(observation, scheduled) => {
            let known = Known {
                case,
                observation,
                rung,
            };
            (Some(observation), wish::of(&known, scheduled))
        }
    };
    trail.confidence = match &asked {
        Ok(want) => want.confidence,
        Err(none) => none.confidence,
    };
    for guard in guards::STANDING {
        trail.judge(guard.name, (guard.check)(case, asked.as_ref().ok()))?;
    }
    let want = trail.find(forecast::NAME, forecast::find(asked))?;
    let bounds = schedule.moves(Bounds::of_policy(case));
    let reach = trail.find(bounds::NAME, bounds::find(case, rung, &want, &bounds))?;
    let wished = trail.find(rung::NAME, rung::find(case, rung, &want, &reach))?;
    let step = Step {
        case,
        observation,
        want: &want,
        to: trail.find(step::NAME, step::find(case, rung, &want, wished))?,
    };
    for guard in guards::STEP {
        trail.judge(guard.name, (guard.check)(&step))?;
    }
    let probability = match want.ground {
        Ground::Forecast => format!(", with probability {:.2}", want.confidence),
        Ground::Measurement | Ground::Schedule => String::new(),
    };
    let from = &case.input.instance_type;
    let mut cut = String::new();
    if let Some(bound) = reach.bound.filter(|_| reach.cut) {
        cut += &format!(", no further by {bound}");
    }
    if step.to != wished {
        cut += &format!(", no further by policy.max_step ({})", case.policy.max_step);
    }
    Ok(Granted {
        action: want.direction.into(),
        to_instance_type: step.to.to_owned(),
        code: want.code,
        sentence: format!("{}{probability}; {from} to {}{cut}", want.sentence, step.to),
    })
}

/// What is known of a machine's use, with the resize that the schedule asks for.
enum Seen<'a> {
    Use(&'a Observation, Option<Want>),
    /// Enough for a scheduled size upwards, which rests on the type alone.
    Nothing(Want),
}

fn look<'a>(case: &Case<'a>, scheduled: Option<Want>, trail: &mut Trail) -> Result<Seen<'a>, Stop> {
    let stop = match inputs::find(case) {
        Ok((observation, detail)) => {
            trail.push(inputs::NAME, CheckVerdict::Pass, detail);
            return Ok(Seen::Use(observation, scheduled));
        }
        Err(stop) => stop,
    };
    // A machine that does not run, or that EC2 does not know, has no type to rely on.
    let has_a_type = stop.code != ReasonCode::InstanceUnavailable;
    match scheduled.filter(|want| has_a_type && want.direction == Direction::Up) {
        Some(scheduled) => {
            let detail = format!(
                "{}; a scheduled size upwards needs no measurement",
                stop.sentence
            );
            trail.push(inputs::NAME, CheckVerdict::Skip, detail);
            Ok(Seen::Nothing(scheduled))
        }
        None => trail.stop(inputs::NAME, stop),
    }
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
