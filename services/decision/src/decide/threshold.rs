//! The `threshold` strategy: ordered checks, each with a verdict and one sentence. The first that blocks decides.
//!
//! Invariant: pure. The same policy, input, state and time give the same verdict, to the letter.
//! Invariant: what is unknown never scales. The one exception is measured: a machine that has been saturated for long
//! enough scales up although there is no forecast.

mod evidence;
mod present;
mod rungs;
mod trail;
mod want;

use jiff::Timestamp;

use self::{
    trail::{Stop, Trail, stop},
    want::Want,
};
use crate::{
    decide::{
        input::{Input, InstanceType, Observation, State},
        ladder,
        outlook::Outlook,
        verdict::{Action, ReasonCode, Verdict},
    },
    fleet::{
        cooldown::{self},
        direction::Direction,
        pause::{Pause, PauseDirection},
    },
    policy::document::Policy,
    text,
};

/// The checks in the order they run.
pub const CHECKS: [&str; 11] = [
    "inputs",
    "ladder",
    "pending",
    "pause",
    "forecast",
    "rung",
    "confidence",
    "cooldown",
    "evidence",
    "memory",
    "present",
];

/// Samples may lie this far ahead of the clock before they are doubted.
const CLOCK_TOLERANCE_SECONDS: u64 = 60;

/// Decides for one target.
pub fn decide(policy: &Policy, input: &Input, state: &State, now: Timestamp) -> Verdict {
    let mut trail = Trail::default();
    let case = Case {
        policy,
        input,
        state,
        now,
        ladder: if input.ladder.is_empty() {
            &policy.ladder
        } else {
            &input.ladder
        },
        outlook: Outlook::new(policy, input),
    };
    let mut confidence = None;
    let result = case.walk(&mut trail, &mut confidence);
    let (action, to_instance_type, reason_code, reason) = match result {
        Ok(granted) => granted,
        Err(Stop { code, sentence }) => {
            trail.skip_rest();
            (Action::Hold, input.instance_type.clone(), code, sentence)
        }
    };
    let outlook = case.outlook.as_ref().ok();
    Verdict {
        action,
        to_instance_type,
        reason_code,
        reason,
        confidence: confidence.unwrap_or(0.0),
        predicted_cpu_percent: outlook.map(|outlook| outlook.cpu_percent),
        horizon_seconds: outlook.map_or(0, |outlook| outlook.horizon_seconds),
        checks: trail.checks,
    }
}

struct Case<'a> {
    policy: &'a Policy,
    input: &'a Input,
    state: &'a State,
    now: Timestamp,
    ladder: &'a [String],
    outlook: Result<Outlook<'a>, String>,
}

type Granted = (Action, String, ReasonCode, String);

impl Case<'_> {
    fn walk(&self, trail: &mut Trail, confidence: &mut Option<f64>) -> Result<Granted, Stop> {
        let observation = trail.run(self.inputs())?;
        let rung = trail.run(self.rung_now())?;
        let want = self.want(observation, rung);
        *confidence = Some(match &want {
            Ok(want) => want.confidence,
            Err((_, confidence)) => *confidence,
        });
        trail.run(self.nothing_pending())?;
        trail.run(self.not_paused(want.as_ref().ok()))?;
        let want = trail.run(match want {
            Ok(want) => {
                let sentence = want.sentence.clone();
                Ok((want, sentence))
            }
            Err((sentence, _)) => stop(ReasonCode::ForecastInRange, sentence),
        })?;
        let to = trail.run(self.rung_available(&want, rung))?;
        if want.measured {
            trail.skip("saturation is measured, not forecast");
        } else {
            trail.run(self.confident(&want))?;
        }
        trail.run(self.cooled_down(&want))?;
        match want.direction {
            Direction::Up => trail.skip("a larger type needs no history"),
            Direction::Down => trail.run(self.enough_history(&want, observation))?,
        }
        trail.run(self.memory_fits(&want, observation, to))?;
        match want.direction {
            Direction::Up => trail.skip("a larger type has room for the present"),
            Direction::Down => trail.run(self.present_fits(&want, observation, to))?,
        }
        let probability = if want.measured {
            String::new()
        } else {
            format!(", with probability {:.2}", want.confidence)
        };
        let reason = format!(
            "{}{probability}; {} to {to}",
            want.sentence, self.input.instance_type
        );
        Ok((
            Action::from(want.direction),
            to.to_owned(),
            want.code,
            reason,
        ))
    }

    fn inputs(&self) -> Result<(&Observation, String), Stop> {
        let unknown = self.input.unknown.as_ref();
        if let Some(unknown) = unknown
            && unknown.code != ReasonCode::ForecastUnavailable
        {
            return stop(unknown.code, unknown.reason.clone());
        }
        let Some(observation) = &self.input.observation else {
            return stop(
                ReasonCode::MetricsUnknown,
                "the request has no observation, so nothing is known of the CPU",
            );
        };
        let limit = u64::from(self.policy.max_sample_age_seconds);
        let age = text::seconds_between(observation.observed_at, self.now);
        let ahead = text::seconds_between(self.now, observation.observed_at);
        if age > limit {
            return stop(
                ReasonCode::MetricsUnknown,
                format!(
                    "the last CPU sample is {} old; samples older than {} are unknown",
                    text::duration(age),
                    text::duration(limit)
                ),
            );
        }
        if ahead > CLOCK_TOLERANCE_SECONDS {
            return stop(
                ReasonCode::MetricsUnknown,
                format!(
                    "the last CPU sample lies {} ahead of this machine's clock; compare the clocks",
                    text::duration(ahead)
                ),
            );
        }
        let seen = format!(
            "CPU {:.1} % {} ago",
            observation.cpu_percent,
            text::duration(age)
        );
        let missing = match (unknown, &self.outlook) {
            (Some(unknown), _) => &unknown.reason,
            (None, Err(missing)) => missing,
            (None, Ok(outlook)) => {
                let origin_age = text::seconds_between(outlook.origin, self.now);
                if origin_age > limit {
                    &format!(
                        "the forecast starts from a sample that is {} old; samples older than {} are unknown",
                        text::duration(origin_age),
                        text::duration(limit)
                    )
                } else {
                    let detail = format!("{seen}; forecast by {}", outlook.basis_words());
                    return Ok((observation, detail));
                }
            }
        };
        if self.saturated(observation) {
            let detail = format!("{seen}; no forecast ({missing}), but saturation is measured");
            return Ok((observation, detail));
        }
        stop(ReasonCode::ForecastUnavailable, missing.clone())
    }

    fn rung_now(&self) -> Result<(usize, String), Stop> {
        let current = &self.input.instance_type;
        let ladder = self.ladder.join(", ");
        if let Some(disorder) = ladder::disorder(self.ladder, &self.input.instance_types) {
            return stop(ReasonCode::LadderUnordered, disorder.to_string());
        }
        match self.ladder.iter().position(|rung| rung == current) {
            Some(rung) => {
                let detail = format!(
                    "{current} is rung {} of {} ({ladder})",
                    rung + 1,
                    self.ladder.len()
                );
                Ok((rung, detail))
            }
            None => stop(
                ReasonCode::TypeOutsideLadder,
                format!(
                    "{current} is not on the ladder ({ladder}); put it into policy.ladder or give this target a ladder of its own"
                ),
            ),
        }
    }

    fn nothing_pending(&self) -> Result<((), String), Stop> {
        let Some(pending) = &self.state.pending else {
            return Ok(((), "no action is under way".to_owned()));
        };
        let whose = if pending.target_id == self.input.target_id {
            String::new()
        } else {
            format!(
                " of target {}, which names the same instance,",
                pending.target_id
            )
        };
        stop(
            ReasonCode::ActionPending,
            format!(
                "{} to {}{whose} has not ended; decided {} ago as {}",
                pending.from_instance_type,
                pending.to_instance_type,
                text::duration(text::seconds_between(pending.decided_at, self.now)),
                pending.decision_id
            ),
        )
    }

    /// A pause of everything blocks whatever is wanted; one of a direction only what it forbids.
    fn not_paused(&self, want: Option<&Want>) -> Result<((), String), Stop> {
        let forbids = |pause: &&Pause| match pause.direction {
            PauseDirection::Both => true,
            PauseDirection::Up => want.is_some_and(|want| want.direction == Direction::Up),
            PauseDirection::Down => want.is_some_and(|want| want.direction == Direction::Down),
        };
        if let Some(pause) = self.state.pauses.iter().find(forbids) {
            let held_back = match want {
                Some(want) => format!(
                    "; it holds back scaling {}: {}",
                    want.direction.name(),
                    want.sentence
                ),
                None => String::new(),
            };
            return stop(
                ReasonCode::Paused,
                format!("{}{held_back}", describe(pause)),
            );
        }
        Ok((
            (),
            match self.state.pauses.first() {
                Some(pause) => format!("{}, which is not wanted now", describe(pause)),
                None => "not paused".to_owned(),
            },
        ))
    }

    fn confident(&self, want: &Want) -> Result<((), String), Stop> {
        let (has, needs) = (want.confidence, self.policy.min_confidence);
        if has >= needs {
            return Ok(((), format!("probability {has:.2}; {needs:.2} is asked")));
        }
        stop(
            ReasonCode::ConfidenceTooLow,
            match &want.doubt {
                Some(doubt) => format!(
                    "{}, but {doubt} only with probability {has:.2}; {needs:.2} is asked",
                    want.sentence
                ),
                None => format!(
                    "{}, but only with probability {has:.2}; {needs:.2} is asked",
                    want.sentence
                ),
            },
        )
    }

    fn cooled_down(&self, want: &Want) -> Result<((), String), Stop> {
        let seconds = self.policy.cooldown_seconds;
        match cooldown::check(&self.state.cooldowns, want.direction, seconds, self.now) {
            Ok(detail) => Ok(((), detail)),
            Err(why) => stop(
                ReasonCode::Cooldown,
                format!("{}, but {why}", want.sentence),
            ),
        }
    }

    /// No type with less memory than the observed peak plus a margin. Unknown blocks the way down; the way up only where
    /// the next type is known to have less memory than this one.
    fn memory_fits(
        &self,
        want: &Want,
        observation: &Observation,
        to: &str,
    ) -> Result<((), String), Stop> {
        let memory = |instance_type: &str| {
            self.input
                .size_of(instance_type)
                .filter(|size| size.memory_mib > 0)
                .map(|size: &InstanceType| size.memory_mib)
        };
        let next = memory(to);
        if want.direction == Direction::Up {
            match (memory(&self.input.instance_type), next) {
                (Some(now), Some(next)) if next < now => {}
                (Some(now), Some(next)) => {
                    return Ok(((), format!("{to} has {next} MiB, now {now} MiB")));
                }
                _ => return Ok(((), format!("unknown, taken to be no less on {to}"))),
            }
        }
        let blocked = |why: String| {
            stop(
                ReasonCode::MemoryGuard,
                format!("{}, but {why}", want.sentence),
            )
        };
        let Some(next) = next else {
            return blocked(format!(
                "the memory of {to} is unknown, so nothing says that it is enough"
            ));
        };
        let Some(peak) = observation.memory_peak_mib else {
            return blocked(
                "the memory in use is unknown, so nothing says that less is enough".to_owned(),
            );
        };
        let margin = self.policy.memory_margin_percent;
        let needed = peak * (1.0 + margin / 100.0);
        let numbers = format!(
            "{to} has {next} MiB; the peak of {peak:.0} MiB plus {margin} % is {needed:.0} MiB"
        );
        if next as f64 >= needed {
            Ok(((), numbers))
        } else {
            blocked(numbers)
        }
    }
}

fn describe(pause: &Pause) -> String {
    let what = match pause.direction {
        PauseDirection::Both => "scaling",
        PauseDirection::Up => "scaling up",
        PauseDirection::Down => "scaling down",
    };
    let whose = if pause.target_id.is_empty() {
        "of the whole fleet "
    } else {
        ""
    };
    let until = match pause.until {
        Some(until) => format!("until {}", text::time(until)),
        None => "until it is resumed".to_owned(),
    };
    let why = if pause.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", pause.reason)
    };
    format!(
        "{what} {whose}is paused since {} {until}{why}",
        text::time(pause.since)
    )
}

#[cfg(test)]
mod tests;
