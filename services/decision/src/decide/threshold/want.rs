//! The condition of the strategy: which way the forecast, or measured saturation, asks to go.

use super::Case;
use crate::{
    decide::{input::Observation, outlook::Outlook, verdict::ReasonCode},
    fleet::direction::Direction,
    text,
};

/// What the condition of the strategy asks for.
pub(super) struct Want {
    pub(super) direction: Direction,
    pub(super) code: ReasonCode,
    /// Probability that the condition holds.
    pub(super) confidence: f64,
    /// Why the probability is no higher, where that is not the condition's own sentence; a clause with its subject.
    pub(super) doubt: Option<String>,
    /// The condition as the begin of a sentence, without the probability.
    pub(super) sentence: String,
    /// Measured, so that no forecast has to be confident.
    pub(super) measured: bool,
}

impl Case<'_> {
    pub(super) fn saturated(&self, observation: &Observation) -> bool {
        let floor = self.policy.saturation_seconds;
        floor > 0 && observation.saturated_seconds >= floor
    }

    /// The direction that the condition asks for, or why none, with the probability of staying in range.
    pub(super) fn want(
        &self,
        observation: &Observation,
        rung: usize,
    ) -> Result<Want, (String, f64)> {
        let policy = self.policy;
        // A forecast that `inputs` refused was let pass for the sake of saturation only.
        let outlook = match (&self.input.unknown, &self.outlook) {
            (None, Ok(outlook)) if !self.stale(outlook) => Some(outlook),
            _ => None,
        };
        let up = outlook
            .filter(|outlook| outlook.cpu_percent > policy.scale_up_cpu)
            .map(|outlook| Want {
                direction: Direction::Up,
                code: ReasonCode::ForecastAboveUpThreshold,
                confidence: outlook.distribution.above(policy.scale_up_cpu),
                doubt: None,
                sentence: format!("{} is above {} %", outlook.words(), policy.scale_up_cpu),
                measured: false,
            });
        if let Some(up) = up
            && (up.confidence >= policy.min_confidence || !self.saturated(observation))
        {
            return Ok(up);
        }
        if self.saturated(observation) {
            let forecast = match outlook {
                Some(outlook) => outlook.words(),
                None => "there is no forecast".to_owned(),
            };
            return Ok(Want {
                direction: Direction::Up,
                code: ReasonCode::Saturated,
                confidence: 1.0,
                doubt: None,
                sentence: format!(
                    "CPU has been at 95 % or above for {}, {} are enough whatever the forecast ({forecast})",
                    text::duration(observation.saturated_seconds.into()),
                    text::duration(policy.saturation_seconds.into()),
                ),
                measured: true,
            });
        }
        // `inputs` lets nothing pass that is neither forecast nor saturated.
        let Some(outlook) = outlook else {
            return Err(("there is no forecast".to_owned(), 0.0));
        };
        let down = self.down_limit(rung);
        if outlook.cpu_percent < down.cpu_percent {
            let below = outlook.distribution.below(down.cpu_percent);
            // A lull in the middle of a job is low at the horizon, and still no time for a smaller machine.
            let peak = down
                .capacity
                .as_ref()
                .zip(outlook.peak)
                .map(|(capacity, peak)| (capacity, peak.below(capacity.cpu_percent)))
                .filter(|&(_, fits)| fits < below);
            return Ok(Want {
                direction: Direction::Down,
                code: ReasonCode::ForecastBelowDownThreshold,
                confidence: peak.map_or(below, |(_, fits)| fits),
                doubt: peak.map(|(capacity, _)| {
                    format!("the peak until then stays below {}", capacity.words)
                }),
                sentence: format!("{} is below {}", outlook.words(), down.words),
                measured: false,
            });
        }
        let in_range = 1.0
            - outlook.distribution.above(policy.scale_up_cpu)
            - outlook.distribution.below(down.cpu_percent);
        let sentence = if outlook.cpu_percent < policy.scale_down_cpu {
            format!(
                "{} is below {} %, but not below {}",
                outlook.words(),
                policy.scale_down_cpu,
                down.words
            )
        } else {
            format!(
                "{} lies between {} % and {} %",
                outlook.words(),
                policy.scale_down_cpu,
                policy.scale_up_cpu
            )
        };
        Err((sentence, in_range.clamp(0.0, 1.0)))
    }

    fn stale(&self, outlook: &Outlook<'_>) -> bool {
        text::seconds_between(outlook.origin, self.now) > self.policy.max_sample_age_seconds.into()
    }

    /// Below what a forecast scales down: the policy's threshold, or less where the same demand would be above the up
    /// threshold of the smaller type. Percent means nothing across sizes.
    fn down_limit(&self, rung: usize) -> DownLimit {
        let policy = self.policy;
        let capacity = self.smaller_capacity(rung);
        match &capacity {
            Some(capacity) if capacity.cpu_percent < policy.scale_down_cpu => DownLimit {
                cpu_percent: capacity.cpu_percent,
                words: capacity.words.clone(),
                capacity: Some(capacity.clone()),
            },
            _ => DownLimit {
                cpu_percent: policy.scale_down_cpu,
                words: format!("{} %", policy.scale_down_cpu),
                capacity,
            },
        }
    }

    /// CPU of the present type that would be the up threshold of the next smaller one; `None` where sizes are unknown.
    fn smaller_capacity(&self, rung: usize) -> Option<Capacity> {
        self.capacity_of(self.rung_below(rung)?)
    }

    /// CPU of the present type that would be the up threshold of `smaller`; `None` where sizes are unknown.
    pub(super) fn capacity_of(&self, smaller: &str) -> Option<Capacity> {
        let smaller = self.input.size_of(smaller)?;
        let now = self.input.size_of(&self.input.instance_type)?;
        if smaller.vcpus == 0 || now.vcpus == 0 {
            return None;
        }
        let up = self.policy.scale_up_cpu;
        let cpu_percent = up * f64::from(smaller.vcpus) / f64::from(now.vcpus);
        Some(Capacity {
            cpu_percent,
            words: format!(
                "{cpu_percent:.1} %, which would be {up} % of {} ({} vCPU instead of {})",
                smaller.instance_type, smaller.vcpus, now.vcpus
            ),
        })
    }
}

struct DownLimit {
    cpu_percent: f64,
    words: String,
    capacity: Option<Capacity>,
}

/// CPU of the present type, percent, and what it is of another one.
#[derive(Clone)]
pub(super) struct Capacity {
    pub(super) cpu_percent: f64,
    pub(super) words: String,
}
