//! The decision service's own decision, under any policy: every check in its order, on what a tick would know, and for
//! `adaptive` the review that the service would have stored.

use decision::{
    InstanceType, Policy as Document, Strategy,
    offline::{
        self, Basis, Cooldowns, Direction, Evidence, Forecast, Guide, Horizon, Input, Observation,
        Outcome, Quantile, State,
    },
};
use jiff::Timestamp;
use sizing::{
    appetite::Appetite,
    past::{Past, Served, Walk},
    pool,
    review::review,
    rule::Rule,
    rungs::Rungs,
};

use crate::closed_loop::{
    cells::{STEP_SECONDS, STEPS_A_DAY},
    forecasts::Answer,
    ladder::{VCPUS, capacity},
    policy::{Moment, Policy},
};

/// Types with the vCPUs of the ladder: none that lives on credits.
const TYPES: [&str; VCPUS.len()] = ["c8g.medium", "c8g.large", "c8g.xlarge", "c8g.2xlarge"];
/// Of each vCPU, more than is ever in use here: it is CPU that is played.
const MEMORY_MIB: u64 = 2_048;
const MEMORY_PEAK_MIB: f64 = 64.0;
const SATURATED_PERCENT: f64 = 95.0;
/// Steps between two reviews.
const REVIEWED_EVERY: usize = STEPS_A_DAY / 2;
/// What a review looks at: its ten days, and one before them.
const LOOKED_AT: usize = 11 * STEPS_A_DAY;

/// One target of the decision service.
#[derive(Clone, Debug)]
pub struct Decided {
    policy: Document,
    state: State,
    types: Vec<InstanceType>,
    /// The rung of the step before.
    before: Option<usize>,
    /// Steps that were measured so far.
    observed: u32,
    /// Saturated steps in a row, this one included.
    saturated: u32,
    /// When the last step that was measured began.
    last_seconds: i64,
    walk: Walk,
    track: Vec<Past>,
}

impl Decided {
    /// Under the strategy `threshold`, with its defaults.
    pub fn threshold() -> Self {
        Self::under(Document {
            strategy: Strategy::Threshold,
            ..Document::default()
        })
    }

    /// Under the strategy `adaptive`.
    pub fn adaptive(appetite: Appetite) -> Self {
        Self::under(Document {
            strategy: Strategy::Adaptive,
            appetite,
            ..Document::default()
        })
    }

    fn under(policy: Document) -> Self {
        let vcpus = TYPES.iter().zip(VCPUS);
        Self {
            policy: Document {
                ladder: TYPES.map(str::to_owned).to_vec(),
                ..policy
            },
            state: State::default(),
            types: vcpus
                .map(|(name, vcpus)| InstanceType {
                    instance_type: (*name).to_owned(),
                    vcpus: vcpus as u32,
                    memory_mib: vcpus as u64 * MEMORY_MIB,
                })
                .collect(),
            before: None,
            observed: 0,
            saturated: 0,
            last_seconds: 0,
            walk: Walk::default(),
            track: Vec::new(),
        }
    }
}

impl Policy for Decided {
    fn choose(&mut self, moment: &Moment<'_>) -> usize {
        let Some(now) = moment.seconds.last().copied() else {
            return moment.rung;
        };
        self.learn(moment, now);
        let at = |seconds| Timestamp::from_second(seconds).unwrap_or_default();
        if self.policy.sizes_by_rules() {
            self.look_back(moment, at(now));
        }
        let input = Input {
            tick_id: now.to_string(),
            target_id: "recorded".to_owned(),
            instance_id: "i-recorded".to_owned(),
            instance_type: TYPES[moment.rung].to_owned(),
            observation: Some(self.observation(moment, at(self.last_seconds))),
            forecast: moment
                .forecast
                .map(|answer| forecast(&answer, moment, at(self.last_seconds))),
            unknown: None,
            dry_run: false,
            lease_epoch: 0,
            instance_types: self.types.clone(),
            ladder: Vec::new(),
            notes: Vec::new(),
        };
        let verdict = offline::decide(&self.policy, &input, &self.state, at(now));
        let found = TYPES
            .iter()
            .position(|name| *name == verdict.to_instance_type);
        found.unwrap_or(moment.rung)
    }
}

impl Decided {
    /// What the service would have been told since the last step.
    fn learn(&mut self, moment: &Moment<'_>, now: i64) {
        if moment.observed.last() == Some(&true) {
            self.observed += 1;
            self.last_seconds = now;
        }
        let full = percent(moment.now(), moment.rung) >= SATURATED_PERCENT;
        let resized = moment.since_resize == Some(0);
        self.saturated = match (full, resized) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => self.saturated + 1,
        };
        if let Some(before) = self.before
            && before != moment.rung
        {
            let direction = match moment.rung > before {
                true => Direction::Up,
                false => Direction::Down,
            };
            let ended_at = Timestamp::from_second(now).unwrap_or_default();
            self.state.cooldowns = Cooldowns::after(
                &self.state.cooldowns,
                direction,
                Outcome::Succeeded,
                ended_at,
            );
        }
        self.before = Some(moment.rung);
    }

    fn observation(&self, moment: &Moment<'_>, observed_at: Timestamp) -> Observation {
        let first = moment.seconds.first().copied().unwrap_or(self.last_seconds);
        let step = STEP_SECONDS as u32;
        let evidence = Evidence {
            spanned_seconds: u32::try_from(self.last_seconds - first).unwrap_or(u32::MAX),
            observed_seconds: self.observed.saturating_sub(1) * step,
        };
        Observation {
            observed_at,
            cpu_percent: percent(moment.now(), moment.rung).min(100.0),
            memory_percent: Some(1.0),
            memory_peak_mib: Some(MEMORY_PEAK_MIB),
            disk_bytes_per_second: None,
            samples: self.observed,
            saturated_seconds: self.saturated.saturating_sub(1) * step,
            memory_pressed_seconds: 0,
            cpu_evidence: evidence,
            memory_evidence: evidence,
            cpu_peak_last_hour_percent: Some(percent(
                moment.highest(STEPS_A_DAY / 24),
                moment.rung,
            )),
            steal_percent: None,
            sample_age_limit_seconds: 0,
            past: self.track.last().copied(),
        }
    }

    /// Walks a step on, and reviews the past when it is time.
    fn look_back(&mut self, moment: &Moment<'_>, now: Timestamp) {
        let demand = moment.observed.last() == Some(&true);
        let demand = demand.then(|| moment.now() as f32);
        self.track.push(self.walk.step(demand, Served::default()));
        let steps = self.track.len();
        if !steps.is_multiple_of(REVIEWED_EVERY) {
            return;
        }
        let Some(rungs) = Rungs::new(&VCPUS, &VCPUS) else {
            return;
        };
        let guide = self.state.guide.as_ref();
        let current = guide.map_or(Rule::Fit(pool::COMMON), |guide| guide.rule);
        let seen = &self.track[steps.saturating_sub(LOOKED_AT)..];
        let (pool, prices) = (pool::measured(), self.policy.prices());
        if let Some(review) = review(seen, &pool, &rungs, &prices, current) {
            self.state.guide = Some(Guide::new(&review, now));
        }
    }
}

/// vCPU in percent of a rung.
fn percent(vcpus: f64, rung: usize) -> f64 {
    vcpus / capacity(rung) * 100.0
}

fn forecast(answer: &Answer<'_>, moment: &Moment<'_>, origin: Timestamp) -> Forecast {
    let shape = answer.shape();
    let known = |values: Vec<f64>| -> Vec<Quantile> {
        let quantiles = shape.quantiles.iter().zip(values);
        quantiles
            .map(|(quantile, vcpus)| Quantile {
                quantile: *quantile,
                value: percent(vcpus, moment.rung),
            })
            .collect()
    };
    let horizons = shape.horizons_seconds.iter().enumerate();
    Forecast {
        series_id: "recorded".to_owned(),
        basis: Basis::Model,
        basis_reason: String::new(),
        origin: Some(origin),
        last_cpu: percent(moment.now(), moment.rung),
        horizons: horizons
            .map(|(place, seconds)| Horizon {
                horizon_seconds: *seconds,
                at_horizon: known(answer.level(place).collect()),
                peak: known(answer.peak(place).collect()),
                point: percent(
                    answer.level_quantile(place, 0.5).unwrap_or(moment.now()),
                    moment.rung,
                ),
            })
            .collect(),
        history: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closed_loop::{
        cells::Cells,
        demand::Demand,
        forecasts::{Forecasts, Shape},
        play::play,
    };

    /// Quiet for two days, then three hours of 6 vCPU, then quiet again; forecast as it is now.
    fn demand() -> (Demand, Forecasts) {
        let vcpus: Vec<f64> = (0..1_000)
            .map(|step| if (600..636).contains(&step) { 6.0 } else { 0.5 })
            .collect();
        let seconds: Vec<i64> = (0..1_000).map(|step| step * 300).collect();
        let forecasts = Forecasts {
            shape: Shape {
                horizons_seconds: vec![900],
                quantiles: vec![0.1, 0.5, 0.9],
            },
            values: vcpus
                .iter()
                .flat_map(|now| {
                    [0.99, 1.0, 1.01]
                        .repeat(2)
                        .into_iter()
                        .map(move |by| now * by)
                })
                .map(|value| value as f32)
                .collect(),
        };
        let demand = Demand {
            source: "s".to_owned(),
            name: "m".to_owned(),
            cells: Cells::of(&seconds, &vcpus),
            vcpus_per_percent: 1.0,
            vcpus,
            first_scored: 0,
        };
        (demand, forecasts)
    }

    #[test]
    fn the_real_decision_waits_for_evidence_cools_down_and_follows_the_forecast() {
        let (demand, forecasts) = demand();
        let rungs = play(&demand, Some(&forecasts), &mut Decided::threshold());
        let resized: Vec<(usize, usize)> = (1..rungs.len())
            .filter(|step| rungs[*step] != rungs[step - 1])
            .map(|step| (step, rungs[step]))
            .collect();
        // Down after a day's evidence, a rung at a time with ten minutes between, up likewise, down an hour after the end.
        assert_eq!(
            resized,
            [
                (289, 2),
                (292, 1),
                (295, 0),
                (601, 1),
                (604, 2),
                (607, 3),
                (648, 2),
                (651, 1),
                (654, 0)
            ]
        );
    }

    #[test]
    fn the_adaptive_decision_holds_until_it_has_a_review_and_then_jumps() {
        let (demand, forecasts) = demand();
        let mut policy = Decided::adaptive(Appetite::Thrifty);
        let rungs = play(&demand, Some(&forecasts), &mut policy);
        // A day and a half is needed for a review, and its rule comes down over all rungs at once.
        assert!(rungs[..432].iter().all(|rung| *rung == 3), "{rungs:?}");
        let down = rungs.iter().position(|rung| *rung < 3);
        assert!(
            down.is_some_and(|step| rungs[step] == 0 && step < 580),
            "{down:?}"
        );
        // Up for the three hours of 6 vCPU, at once, a step late.
        assert_eq!(rungs[600..603], [0, 3, 3]);
    }

    #[test]
    fn without_a_forecast_only_saturation_is_acted_on() {
        let (demand, _) = demand();
        let rungs = play(&demand, None, &mut Decided::threshold());
        assert!(rungs.iter().all(|rung| *rung == 3));
    }
}
