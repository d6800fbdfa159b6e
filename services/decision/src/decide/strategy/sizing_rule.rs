//! What a sizing rule asks for: the one way from a rule to a wish, whoever names the rule.

use sizing::{
    past::{Past, Served},
    rule::{Fit, Need, Place, Rule, SATURATED_STEPS},
    step,
};

use crate::{
    decide::{
        case::{Case, Known},
        guards::memory,
        input::Observation,
        outlook::SATURATED_PERCENT,
        probability::Distribution,
        sizes,
        strategy::saturation,
        verdict::ReasonCode,
        want::{Ground, NoWant, Want},
    },
    fleet::direction::Direction,
    text,
};

const HOUR_SECONDS: u32 = 3_600;

/// The rung that a rule asks for.
///
/// # Errors
/// None; with the probability that the present type is enough until the horizon.
pub fn ask(known: &Known<'_>, rule: &Rule) -> Result<Want, NoWant> {
    let Known {
        case,
        observation,
        rung,
    } = *known;
    let saturated = case.saturated(observation);
    let blind = |why: String| match saturated {
        true => Ok(saturation::want(case, observation)),
        false => Err(NoWant {
            sentence: why,
            code: ReasonCode::MetricsUnknown,
            confidence: 0.0,
        }),
    };
    let rungs = match sizes::rungs(case.ladder, &case.input.instance_types) {
        Ok(rungs) => rungs,
        Err(why) => return blind(format!("{why}, so no rule can size the machine")),
    };
    let Some(past) = &observation.past else {
        return blind("the request has no past, so no rule can size the machine".to_owned());
    };
    let past = Past {
        served: served(case, rungs.capacity(rung)),
        ..*past
    };
    let place = Place {
        rung,
        since_resize: steps_since_resize(case),
        saturated: if saturated { SATURATED_STEPS } else { 0 },
    };
    let seen = Seen {
        case,
        observation,
        past: &past,
        capacity: rungs.capacity(rung),
    };
    let fits_percent = match rule {
        Rule::Largest => 100.0,
        Rule::Fit(fit) => fit.down_target * 100.0,
    };
    let want = match rule.wish(&past, place, &rungs) {
        None => return Err(seen.nothing(rule)),
        Some(to) if to > rung && saturated => saturation::want(case, observation).at_rung(to),
        Some(to) if to > rung => seen.up(rule).at_rung(to),
        Some(to) => {
            // The smallest that the guards would not refuse; where there is none, they say why.
            let allowed = |to: &usize| seen.may_become(*to, rungs.capacity(*to), fits_percent);
            let to = (to..rung).find(allowed).unwrap_or(to);
            seen.down(rule, to, rungs.capacity(to))
        }
    };
    Ok(Want {
        fills_percent: fits_percent,
        ..want
    })
}

/// What a rule sees of one machine.
struct Seen<'a> {
    case: &'a Case<'a>,
    observation: &'a Observation,
    past: &'a Past,
    /// vCPU of the present type.
    capacity: f64,
}

impl Seen<'_> {
    fn up(&self, rule: &Rule) -> Want {
        let from = &self.case.input.instance_type;
        let (sentence, confidence, ground) = match rule {
            Rule::Largest => (format!("the rule is {rule}"), 1.0, Ground::Measurement),
            Rule::Fit(fit) => {
                let need = fit.up.of(self.past).unwrap_or_default();
                let limit = self.capacity * fit.up_target;
                let sentence = format!(
                    "{} of {need:.2} vCPU is above {limit:.2}, {:.0} % of {from}",
                    fit.up.words(),
                    fit.up_target * 100.0
                );
                match (fit.up, coming_hour(self.case)) {
                    (Need::Served60m, Some(peak)) => (
                        sentence,
                        peak.above(fit.up_target * 100.0),
                        Ground::Forecast,
                    ),
                    _ => (sentence, 1.0, Ground::Measurement),
                }
            }
        };
        Want {
            direction: Direction::Up,
            code: ReasonCode::NeedAboveTarget,
            confidence,
            doubt: None,
            sentence,
            ground,
            rung: None,
            saturated: false,
            fills_percent: 100.0,
        }
    }

    fn down(&self, rule: &Rule, to: usize, capacity: f64) -> Want {
        let smaller = &self.case.ladder[to];
        let sentence = match rule {
            Rule::Largest => format!("the rule is {rule}"),
            Rule::Fit(fit) => {
                let limit = capacity * fit.down_target;
                let quiet = fit.down.of(self.past).unwrap_or_default();
                format!(
                    "{} of {quiet:.2} vCPU (the past hour counted in) fits {limit:.2}, {:.0} % of {smaller}",
                    fit.down.words(),
                    fit.down_target * 100.0
                )
            }
        };
        let limit = SATURATED_PERCENT * capacity / self.capacity;
        Want {
            direction: Direction::Down,
            code: ReasonCode::QuietFitsSmaller,
            confidence: self.stays_below(limit),
            doubt: Some(format!(
                "the peak until {} ahead stays below {limit:.1} %, {SATURATED_PERCENT} % of {smaller},",
                text::duration(self.case.policy.horizon_seconds.into())
            )),
            sentence,
            ground: Ground::Forecast,
            rung: Some(to),
            saturated: false,
            fills_percent: 100.0,
        }
    }

    /// Whether memory, the present and the forecast allow a smaller rung: with more demand fewer are allowed, so that more
    /// demand never gets less capacity.
    fn may_become(&self, to: usize, capacity: f64, fits_percent: f64) -> bool {
        let share = capacity / self.capacity;
        let peak = self.observation.cpu_peak_last_hour_percent;
        let present = peak.map(|peak| peak.max(self.observation.cpu_percent));
        present.is_some_and(|present| present <= fits_percent * share)
            && self.stays_below(SATURATED_PERCENT * share) >= self.case.policy.min_confidence
            && memory::fits(self.case, self.observation, &self.case.ladder[to])
    }

    fn nothing(&self, rule: &Rule) -> NoWant {
        let from = &self.case.input.instance_type;
        let sentence = match rule {
            Rule::Largest => format!("the rule is {rule}, and {from} is it"),
            Rule::Fit(fit) => format!("{}; {rule}", self.numbers(fit)),
        };
        NoWant {
            sentence,
            code: ReasonCode::SizeFits,
            confidence: self.stays_below(SATURATED_PERCENT),
        }
    }

    /// The rule's two numbers beside what they are compared with.
    fn numbers(&self, fit: &Fit) -> String {
        let number = |value: Option<f64>| match value {
            Some(value) => format!("{value:.2} vCPU"),
            None => "unknown".to_owned(),
        };
        format!(
            "CPU {:.1} % on {} ({} vCPU): {} is {}, {} is {}, {}",
            self.observation.cpu_percent,
            self.case.input.instance_type,
            self.capacity,
            fit.up.words(),
            number(fit.up.of(self.past)),
            fit.down.words(),
            number(fit.down.of(self.past)),
            match steps_since_resize(self.case) {
                u32::MAX => "no resize is known".to_owned(),
                steps => format!(
                    "the last resize is {} ago",
                    text::duration(u64::from(steps) * u64::from(step::SECONDS))
                ),
            }
        )
    }

    /// Forecast probability that CPU stays below so many percent of the present type until the policy's horizon.
    fn stays_below(&self, percent: f64) -> f64 {
        let outlook = self.case.forecast();
        outlook.map_or(0.0, |outlook| outlook.stays_below(percent))
    }
}

/// Whole steps since the last resize in either direction; the largest number where none is known.
fn steps_since_resize(case: &Case<'_>) -> u32 {
    let ends = Direction::ALL
        .into_iter()
        .filter_map(|direction| case.state.cooldowns.get(direction));
    let Some(last) = ends.map(|end| end.ended_at).max() else {
        return u32::MAX;
    };
    let seconds = text::seconds_between(last, case.now);
    u32::try_from(seconds / u64::from(step::SECONDS)).unwrap_or(u32::MAX)
}

/// How the coming hour's peak is distributed, percent of the present type.
fn coming_hour<'a>(case: &Case<'a>) -> Option<Distribution<'a>> {
    peak_at(case, HOUR_SECONDS)
}

fn peak_at<'a>(case: &Case<'a>, seconds: u32) -> Option<Distribution<'a>> {
    case.forecast().ok()?;
    let forecast = case.input.forecast.as_ref()?;
    let mut horizons = forecast.horizons.iter();
    let horizon = horizons.find(|horizon| horizon.horizon_seconds == seconds)?;
    Distribution::new(&horizon.peak)
}

/// The forecast medians, in vCPU.
fn served(case: &Case<'_>, capacity: f64) -> Served {
    let median = |hours: u32| {
        let percent = peak_at(case, hours * HOUR_SECONDS)?.quantile(0.5)?;
        Some((percent / 100.0 * capacity) as f32)
    };
    Served {
        peak_60m: median(1),
        peak_3h: median(3),
        peak_6h: median(6),
    }
}
