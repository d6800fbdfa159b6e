//! A rule: which need sends a machine up, which quiet lets it down, and where to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{past::Past, rungs::Rungs, step::HOUR};

/// Steps of saturation that send up whatever else is known.
pub const SATURATED_STEPS: u32 = 2;

/// When a machine changes its size.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The largest size all the time.
    Largest,
    /// A size that fits.
    Fit(Fit),
}

/// A size that holds the need, and smaller ones only after quiet.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fit {
    /// What must fit.
    pub up: Need,
    /// As which share of a rung's capacity.
    pub up_target: f64,
    /// What must fit a smaller rung, beside the past hour.
    pub down: Quiet,
    /// As which share of the smaller rung's capacity.
    pub down_target: f64,
    /// Steps since the last resize before one goes down; in documents seconds, in whole steps.
    #[serde(rename = "hold_seconds", with = "seconds")]
    pub hold_steps: u32,
}

/// Steps as the seconds that people write.
mod seconds {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::step;

    pub fn serialize<S: Serializer>(steps: &u32, to: S) -> Result<S::Ok, S::Error> {
        steps.saturating_mul(step::SECONDS).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        Ok(u32::deserialize(from)?.div_ceil(step::SECONDS))
    }
}

/// The need that sends up.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Demand now.
    Now,
    /// Its peak of the past hour.
    PastHour,
    /// The forecast median of the coming hour's peak.
    #[serde(rename = "served_60m")]
    Served60m,
}

/// The quiet that lets down.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quiet {
    /// The peak of the past hours.
    #[serde(rename = "past_1h")]
    Past1h,
    #[serde(rename = "past_3h")]
    Past3h,
    #[serde(rename = "past_6h")]
    Past6h,
    #[serde(rename = "past_24h")]
    Past24h,
    #[serde(rename = "past_168h")]
    Past168h,
    /// What days brought in the hours after this time.
    #[serde(rename = "profile_6h")]
    Profile6h,
    #[serde(rename = "profile_12h")]
    Profile12h,
    /// The forecast median of the peak of the coming hours.
    #[serde(rename = "served_3h")]
    Served3h,
    #[serde(rename = "served_6h")]
    Served6h,
}

/// Where a machine stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Place {
    pub rung: usize,
    /// Steps since the last resize.
    pub since_resize: u32,
    /// Steps of saturation in a row.
    pub saturated: u32,
}

impl Need {
    pub fn words(self) -> &'static str {
        match self {
            Self::Now => "the demand",
            Self::PastHour => "the past hour's peak",
            Self::Served60m => "the coming hour's peak (median)",
        }
    }

    pub fn of(self, past: &Past) -> Option<f64> {
        let need = match self {
            Self::Now => past.now,
            Self::PastHour => past.peak_1h,
            Self::Served60m => past.served.peak_60m,
        };
        need.map(f64::from)
    }
}

impl Quiet {
    pub fn words(self) -> &'static str {
        match self {
            Self::Past1h => "the past hour's peak",
            Self::Past3h => "the past 3 h's peak",
            Self::Past6h => "the past 6 h's peak",
            Self::Past24h => "the past day's peak",
            Self::Past168h => "the past week's peak",
            Self::Profile6h => "what past days brought in the next 6 h",
            Self::Profile12h => "what past days brought in the next 12 h",
            Self::Served3h => "the coming 3 h's peak (median)",
            Self::Served6h => "the coming 6 h's peak (median)",
        }
    }

    pub fn of(self, past: &Past) -> Option<f64> {
        let quiet = match self {
            Self::Past1h => past.peak_1h,
            Self::Past3h => past.peak_3h,
            Self::Past6h => past.peak_6h,
            Self::Past24h => past.peak_24h,
            Self::Past168h => past.peak_168h,
            Self::Profile6h => past.profile_6h,
            Self::Profile12h => past.profile_12h,
            Self::Served3h => past.served.peak_3h,
            Self::Served6h => past.served.peak_6h,
        };
        Some(quiet?.max(past.peak_1h?).into())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Largest => formatter.write_str("the largest size all the time"),
            Self::Fit(fit) => write!(formatter, "{fit}"),
        }
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "up when {} is above {:.0} %, down when {} fits {:.0} % of a smaller size, {} h after a resize",
            self.up.words(),
            self.up_target * 100.0,
            self.down.words(),
            self.down_target * 100.0,
            f64::from(self.hold_steps) / HOUR as f64
        )
    }
}

impl Rule {
    /// The rung to go to; `None` to stay. What is unknown sends nowhere.
    pub fn wish(&self, past: &Past, place: Place, rungs: &Rungs) -> Option<usize> {
        let largest = rungs.largest();
        match self {
            Self::Largest => (place.rung < largest).then_some(largest),
            Self::Fit(fit) => fit.wish(past, place, rungs),
        }
    }
}

impl Fit {
    fn wish(&self, past: &Past, place: Place, rungs: &Rungs) -> Option<usize> {
        let Place { rung, .. } = place;
        let need = self.up.of(past);
        let quiet = self.down.of(past);
        let holds = |to: usize| need.is_none_or(|need| need <= rungs.capacity(to) * self.up_target);
        let is_quiet = |to: usize, unknown: bool| {
            quiet.map_or(unknown, |quiet| {
                quiet <= rungs.capacity(to) * self.down_target
            })
        };
        if !holds(rung) || place.saturated >= SATURATED_STEPS {
            // Straight to the rung that would not be left downwards either.
            let to = (rung + 1..=rungs.largest()).find(|&to| holds(to) && is_quiet(to, true));
            return (rung < rungs.largest()).then_some(to.unwrap_or(rungs.largest()));
        }
        if place.since_resize < self.hold_steps {
            return None;
        }
        (0..rung).find(|&to| holds(to) && is_quiet(to, false))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::past::Served;

    fn rungs() -> Rungs {
        Rungs::new(&[1.0, 2.0, 4.0, 8.0], &[1.0, 2.0, 4.0, 8.0]).unwrap()
    }

    fn fit(up: Need, down: Quiet) -> Rule {
        Rule::Fit(Fit {
            up,
            up_target: 1.0,
            down,
            down_target: 0.75,
            hold_steps: 6,
        })
    }

    fn at(rung: usize) -> Place {
        Place {
            rung,
            since_resize: 1_000,
            saturated: 0,
        }
    }

    fn past(now: f32, hour: f32, day: f32) -> Past {
        Past {
            now: Some(now),
            peak_1h: Some(hour),
            peak_3h: Some(hour),
            peak_6h: Some(day),
            peak_24h: Some(day),
            ..Past::default()
        }
    }

    #[test]
    fn up_goes_straight_to_what_would_not_be_left_downwards() {
        let rule = fit(Need::Now, Quiet::Past24h);
        // 2.1 fits 4 vCPU, and the day's 2.9 fits 75 % of them.
        assert_eq!(rule.wish(&past(2.1, 2.1, 2.9), at(0), &rungs()), Some(2));
        // The day's 3.1 does not.
        assert_eq!(rule.wish(&past(2.1, 2.1, 3.1), at(0), &rungs()), Some(3));
        // Nothing holds it: the largest there is.
        assert_eq!(rule.wish(&past(20.0, 20.0, 20.0), at(0), &rungs()), Some(3));
        assert_eq!(rule.wish(&past(20.0, 20.0, 20.0), at(3), &rungs()), None);
    }

    #[test]
    fn saturation_sends_up_although_the_need_is_not_seen() {
        let rule = fit(Need::Served60m, Quiet::Past1h);
        let mut place = at(1);
        let past = past(1.9, 1.9, 1.9);
        assert_eq!(rule.wish(&past, place, &rungs()), None);
        place.saturated = SATURATED_STEPS;
        assert_eq!(rule.wish(&past, place, &rungs()), Some(2));
        // Also when nothing else is known.
        assert_eq!(rule.wish(&Past::default(), place, &rungs()), Some(2));
    }

    #[test]
    fn down_jumps_to_the_smallest_that_fits_after_the_hold() {
        let rule = fit(Need::Now, Quiet::Past24h);
        let quiet = past(0.2, 0.3, 0.7);
        assert_eq!(rule.wish(&quiet, at(3), &rungs()), Some(0));
        assert_eq!(rule.wish(&past(0.2, 0.3, 1.4), at(3), &rungs()), Some(1));
        // The past hour counts whatever the quiet is.
        assert_eq!(rule.wish(&past(0.2, 2.9, 0.7), at(3), &rungs()), Some(2));
        let just_resized = Place {
            since_resize: 5,
            ..at(3)
        };
        assert_eq!(rule.wish(&quiet, just_resized, &rungs()), None);
    }

    #[test]
    fn the_largest_all_the_time_is_a_rule() {
        assert_eq!(
            Rule::Largest.wish(&Past::default(), at(1), &rungs()),
            Some(3)
        );
        assert_eq!(
            Rule::Largest.wish(&past(0.1, 0.1, 0.1), at(3), &rungs()),
            None
        );
    }

    fn any_number() -> impl Strategy<Value = Option<f32>> {
        prop_oneof![1 => Just(None), 6 => (0.0..10.0_f32).prop_map(Some)]
    }

    prop_compose! {
        fn any_past()(n in prop::collection::vec(any_number(), 11)) -> Past {
            Past {
                now: n[0], peak_1h: n[1], peak_3h: n[2], peak_6h: n[3], peak_24h: n[4], peak_168h: n[5],
                profile_6h: n[6], profile_12h: n[7],
                served: Served { peak_60m: n[8], peak_3h: n[9], peak_6h: n[10] },
            }
        }
    }

    fn more(past: &Past, add: f32) -> Past {
        let more = |number: Option<f32>| number.map(|number| number + add);
        Past {
            now: more(past.now),
            peak_1h: more(past.peak_1h),
            peak_3h: more(past.peak_3h),
            peak_6h: more(past.peak_6h),
            peak_24h: more(past.peak_24h),
            peak_168h: more(past.peak_168h),
            profile_6h: more(past.profile_6h),
            profile_12h: more(past.profile_12h),
            served: Served {
                peak_60m: more(past.served.peak_60m),
                peak_3h: more(past.served.peak_3h),
                peak_6h: more(past.served.peak_6h),
            },
        }
    }

    prop_compose! {
        fn any_rule()(
            up in prop::sample::select(vec![Need::Now, Need::PastHour, Need::Served60m]),
            down in prop::sample::select(vec![
                Quiet::Past1h, Quiet::Past3h, Quiet::Past6h, Quiet::Past24h, Quiet::Past168h, Quiet::Profile6h,
                Quiet::Profile12h, Quiet::Served3h, Quiet::Served6h,
            ]),
            up_target in 0.8..1.2_f64, down_target in 0.6..1.0_f64, hold_steps in 0..150_u32, largest in 0..20_u32,
        ) -> Rule {
            match largest {
                0 => Rule::Largest,
                _ => Rule::Fit(Fit { up, up_target, down, down_target, hold_steps }),
            }
        }
    }

    prop_compose! {
        fn any_place()(rung in 0..4_usize, since_resize in 0..200_u32, saturated in 0..4_u32) -> Place {
            Place { rung, since_resize, saturated }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn more_demand_never_gets_less_capacity(
            rule in any_rule(), past in any_past(), place in any_place(), add in 0.0..5.0_f32, sooner in 0..3_u32,
        ) {
            let rungs = rungs();
            let to = |past: &Past, place: Place| rule.wish(past, place, &rungs).unwrap_or(place.rung);
            let with_more = Place { saturated: place.saturated + sooner, ..place };
            prop_assert!(to(&more(&past, add), with_more) >= to(&past, place));
        }

        #[test]
        fn a_wish_is_another_rung_of_the_ladder(rule in any_rule(), past in any_past(), place in any_place()) {
            if let Some(to) = rule.wish(&past, place, &rungs()) {
                prop_assert!(to <= 3 && to != place.rung);
            }
        }

        #[test]
        fn what_is_unknown_sends_nowhere(rule in any_rule(), place in any_place()) {
            let place = Place { saturated: 0, ..place };
            if let Rule::Fit(_) = rule {
                prop_assert_eq!(rule.wish(&Past::default(), place, &rungs()), None);
            }
        }
    }
}
