//! A case: all that one decision is made from, and what follows from it for the ladder and its sizes.

use jiff::Timestamp;

use crate::{
    decide::{
        input::{Input, Observation, State},
        ladder,
        outlook::{NoForecast, Outlook},
    },
    fleet::direction::Direction,
    policy::document::Policy,
    text,
};

/// One target at one moment, with the policy that decides about it.
pub struct Case<'a> {
    pub policy: &'a Policy,
    /// What the caller knows.
    pub input: &'a Input,
    /// What the store remembers.
    pub state: &'a State,
    pub now: Timestamp,
    /// The target's own, or the policy's.
    pub ladder: &'a [String],
    /// The horizon that the policy looks at, or why there is none.
    pub outlook: Result<Outlook<'a>, NoForecast>,
}

/// A case of which enough is known to ask for something.
pub struct Known<'a> {
    pub case: &'a Case<'a>,
    pub observation: &'a Observation,
    /// The place of the present type on the ladder.
    pub rung: usize,
}

/// CPU of the present type, percent, and what it is of another one.
#[derive(Clone)]
pub struct Capacity {
    pub cpu_percent: f64,
    pub words: String,
}

impl<'a> Case<'a> {
    /// The case of a target: its own ladder counts where it has one.
    pub fn new(policy: &'a Policy, input: &'a Input, state: &'a State, now: Timestamp) -> Self {
        Self {
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
        }
    }

    /// Older samples are unknown: by the policy, unless the observation's own step makes older ones usual.
    pub fn sample_age_limit_seconds(&self) -> u64 {
        let seen = self.input.observation.as_ref();
        let usual = seen.map_or(0, |seen| seen.sample_age_limit_seconds);
        u64::from(self.policy.max_sample_age_seconds.max(usual))
    }

    /// The forecast, when it may decide.
    ///
    /// # Errors
    /// Why it may not.
    pub fn forecast(&self) -> Result<&Outlook<'a>, NoForecast> {
        if let Some(unknown) = &self.input.unknown {
            return Err(NoForecast::Unknown(unknown.reason.clone()));
        }
        let outlook = self.outlook.as_ref().map_err(Clone::clone)?;
        let limit = self.sample_age_limit_seconds();
        let age = text::seconds_between(outlook.origin, self.now);
        if age > limit {
            return Err(NoForecast::Stale {
                age: text::duration(age),
                limit: text::duration(limit),
            });
        }
        Ok(outlook)
    }

    /// Whether the machine has been saturated for so long that no forecast is needed to go up.
    pub fn saturated(&self, observation: &Observation) -> bool {
        let floor = self.policy.saturation_seconds;
        floor > 0 && observation.saturated_seconds >= floor
    }

    /// Whether memory has been nearly used up for so long that no forecast is needed to go up.
    pub fn pressed(&self, observation: &Observation) -> bool {
        let floor = self.policy.pressed_seconds();
        floor > 0 && observation.memory_pressed_seconds >= floor
    }

    /// The place of a type on the ladder.
    pub fn rung_of(&self, instance_type: &str) -> Option<usize> {
        self.ladder.iter().position(|rung| rung == instance_type)
    }

    /// The rungs beyond `rung` in a direction, nearest first.
    pub fn rungs_beyond(&self, rung: usize, direction: Direction) -> Vec<&'a String> {
        match direction {
            Direction::Up => self.ladder[rung + 1..].iter().collect(),
            Direction::Down => self.ladder[..rung].iter().rev().collect(),
        }
    }

    /// Whether going from the present type to `to` is a step in a direction; also where a size is unknown.
    pub fn is_step(&self, to: &str, direction: Direction) -> bool {
        let (current, types) = (&self.input.instance_type, &self.input.instance_types);
        match direction {
            Direction::Up => ladder::is_step_up(current, to, types),
            Direction::Down => ladder::is_step_down(current, to, types),
        }
    }

    /// The rung that a step down leads to, if there is one.
    pub fn rung_below(&self, rung: usize) -> Option<&'a String> {
        let down = Direction::Down;
        let mut below = self.rungs_beyond(rung, down).into_iter();
        below.find(|to| self.is_step(to, down))
    }

    /// CPU of the present type that would be so many percent of `smaller`; `None` where sizes are unknown.
    pub fn capacity_of(&self, smaller: &str, percent: f64) -> Option<Capacity> {
        let smaller = self.input.size_of(smaller)?;
        let now = self.input.size_of(&self.input.instance_type)?;
        if smaller.vcpus == 0 || now.vcpus == 0 {
            return None;
        }
        let cpu_percent = percent * f64::from(smaller.vcpus) / f64::from(now.vcpus);
        Some(Capacity {
            cpu_percent,
            words: format!(
                "{cpu_percent:.1} %, which would be {percent} % of {} ({} vCPU instead of {})",
                smaller.instance_type, smaller.vcpus, now.vcpus
            ),
        })
    }
}
