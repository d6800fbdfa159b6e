//! The schedule: sizes that the policy asks for by the clock, whatever is forecast. Pure.
//!
//! Invariant: where periods contradict each other the larger size wins.

use crate::{
    decide::{
        bounds::{Bound, Bounds},
        case::Case,
        outlook::SATURATED_PERCENT,
        verdict::ReasonCode,
        want::{Ground, Want},
    },
    fleet::direction::Direction,
    policy::{hours::Hours, times::Period, zone},
    text,
};

/// What the periods of now ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// At least this rung: of a period that is, or that begins within the lead.
    pub lowest: Option<Bound>,
    /// At most this rung: of a period that is.
    pub highest: Option<Bound>,
    /// The highest rung is the very one that a period names.
    exact: bool,
    /// Periods of which no type is on the ladder, because the target has its own: they ask for nothing.
    pub elsewhere: Vec<String>,
}

/// One period on the ladder of a target.
struct Placed<'a> {
    period: &'a Period,
    lowest: Option<usize>,
    highest: Option<usize>,
    words: String,
    /// It has begun.
    is_now: bool,
}

impl Schedule {
    /// The periods of now.
    pub fn of(case: &Case<'_>) -> Self {
        let periods = case.policy.schedule.iter();
        let placed: Vec<Placed<'_>> = periods.filter_map(|period| place(case, period)).collect();
        let elsewhere = placed
            .iter()
            .filter(|placed| placed.lowest.or(placed.highest).is_none());
        let elsewhere = elsewhere.map(|placed| placed.words.clone()).collect();
        let bound = |placed: &Placed<'_>, rung: usize| Bound {
            rung,
            words: format!("the schedule ({}, {})", case.ladder[rung], placed.words),
        };
        let lowest = placed
            .iter()
            .filter_map(|placed| Some(bound(placed, placed.lowest?)))
            .max_by_key(|bound| bound.rung);
        let now = placed.iter().filter(|placed| placed.is_now);
        let named = now.filter_map(|placed| Some((placed, placed.highest?)));
        let Some((strictest, highest)) = named.min_by_key(|(_, rung)| *rung) else {
            return Self {
                lowest,
                elsewhere,
                ..Self::default()
            };
        };
        let highest = match &lowest {
            Some(lowest) if lowest.rung > highest => lowest.clone(),
            _ => bound(strictest, highest),
        };
        let is_exact = |placed: &Placed<'_>| {
            placed.is_now && placed.period.exact.is_some() && placed.highest == Some(highest.rung)
        };
        Self {
            exact: placed.iter().any(is_exact),
            lowest,
            highest: Some(highest),
            elsewhere,
        }
    }

    /// The bounds of the policy, moved to where the periods ask for others.
    pub fn moves(&self, policy: Bounds) -> Bounds {
        let mut bounds = Bounds {
            lowest: self.lowest.clone().or(policy.lowest),
            highest: self.highest.clone().or(policy.highest),
        };
        if let (Some(lowest), Some(highest)) = (&bounds.lowest, &bounds.highest)
            && lowest.rung > highest.rung
        {
            // Of the two one is the policy's, and gives way.
            match self.highest {
                Some(_) => bounds.lowest = bounds.highest.clone(),
                None => bounds.highest = bounds.lowest.clone(),
            }
        }
        bounds
    }

    /// The resize that a machine on `rung` needs for it. Down only where a forecast may decide.
    pub fn want(&self, case: &Case<'_>, rung: usize) -> Option<Want> {
        if let Some(lowest) = self.lowest.as_ref().filter(|lowest| rung < lowest.rung) {
            return Some(Want {
                direction: Direction::Up,
                code: ReasonCode::Scheduled,
                confidence: 1.0,
                doubt: None,
                sentence: format!("{} asks for no less", lowest.words),
                ground: Ground::Schedule,
                saturated: false,
                rung: Some(lowest.rung),
                fills_percent: SATURATED_PERCENT,
            });
        }
        let highest = self
            .highest
            .as_ref()
            .filter(|highest| rung > highest.rung)?;
        let outlook = case.forecast().ok()?;
        let smaller = &case.ladder[highest.rung];
        let limit = case.capacity_of(smaller, SATURATED_PERCENT);
        let stays_below = limit.map_or(0.0, |limit| outlook.stays_below(limit.cpu_percent));
        Some(Want {
            direction: Direction::Down,
            code: ReasonCode::Scheduled,
            confidence: if self.exact { 1.0 } else { stays_below },
            doubt: Some(format!(
                "the peak until then stays below {SATURATED_PERCENT} % of {smaller}"
            )),
            sentence: format!("{} asks for no more", highest.words),
            ground: if self.exact {
                Ground::Schedule
            } else {
                Ground::Forecast
            },
            saturated: false,
            rung: Some(highest.rung),
            fills_percent: SATURATED_PERCENT,
        })
    }
}

/// A period that is, or begins within the lead, on the ladder.
fn place<'a>(case: &Case<'_>, period: &'a Period) -> Option<Placed<'a>> {
    let zone = zone::find(&case.policy.zone)?;
    let hours: Hours = period.hours().ok()?;
    let is_now = hours.contain(zone.to_datetime(case.now));
    let lead = u64::from(case.policy.schedule_lead_seconds);
    let soon = || {
        let begins = hours.next_begin(&zone, case.now)?;
        Some(text::seconds_between(case.now, begins)).filter(|left| *left <= lead)
    };
    let when = match is_now {
        true => String::new(),
        false => format!(", in {}", text::duration(soon()?)),
    };
    let rung = |name: &Option<String>| case.rung_of(name.as_ref()?);
    Some(Placed {
        period,
        lowest: rung(&period.exact).or_else(|| rung(&period.min_type)),
        highest: rung(&period.exact).or_else(|| rung(&period.max_type)),
        words: format!("{hours} {}{when}", case.policy.zone),
        is_now,
    })
}
