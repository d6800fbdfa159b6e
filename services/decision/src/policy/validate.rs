//! What makes a policy unusable, field by field.

use std::collections::HashSet;

use common::ec2::instance_type_problem;
use sizing::step;

use crate::{
    fleet::resizes::REMEMBERED,
    policy::{document::Policy, hours::Problem},
};

/// Longest times that a policy may name, in seconds: a week of cooldown, a day of looking ahead.
const MAX_COOLDOWN_SECONDS: u32 = 7 * 86_400;
const MAX_LOOKAHEAD_SECONDS: u32 = 86_400;
/// Longest rest after turning around: twice of it is a day, for which every store remembers resizes.
const MAX_FLAP_SECONDS: u32 = 43_200;
/// Longest history that may be asked for, in seconds: 38 days, what a Prometheus answers in steps of five minutes.
const MAX_HISTORY_SECONDS: u32 = 38 * 86_400;
/// Highest price of a saturated hour or a restart, in hours of the largest type: more is never.
const MAX_PRICE: f64 = 1e6;
/// Rungs of a ladder.
const MAX_RUNGS: usize = 64;

/// A value that makes a policy unusable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Such as `scale_up_cpu` or `ladder[2]`.
    pub field: String,
    /// What is wrong, lower case.
    pub description: String,
}

impl Violation {
    pub(super) fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
        }
    }
}

impl Policy {
    /// Everything that is wrong with it, in the order of the fields; empty when it can be used.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut range = |field: &str, value: f64, low: f64, high: f64| {
            // NaN lies in no range.
            let inside = (low..=high).contains(&value);
            if !inside {
                found.push(Violation::new(
                    field,
                    format!("{value} is not between {low} and {high}"),
                ));
            }
            inside
        };
        let up = range("scale_up_cpu", self.scale_up_cpu, 0.0, 100.0);
        let down = range("scale_down_cpu", self.scale_down_cpu, 0.0, 100.0);
        range("min_confidence", self.min_confidence, 0.0, 1.0);
        range(
            "cooldown_seconds",
            self.cooldown_seconds.into(),
            0.0,
            MAX_COOLDOWN_SECONDS.into(),
        );
        for (field, own) in [
            ("cooldown_up_seconds", self.cooldown_up_seconds),
            ("cooldown_down_seconds", self.cooldown_down_seconds),
        ] {
            if let Some(own) = own {
                range(field, own.into(), 0.0, MAX_COOLDOWN_SECONDS.into());
            }
        }
        range(
            "schedule_lead_seconds",
            self.schedule_lead_seconds.into(),
            0.0,
            MAX_LOOKAHEAD_SECONDS.into(),
        );
        range(
            "resizes_a_day",
            self.resizes_a_day.into(),
            0.0,
            REMEMBERED.into(),
        );
        range(
            "flap_seconds",
            self.flap_seconds.into(),
            0.0,
            MAX_FLAP_SECONDS.into(),
        );
        range("max_step", self.max_step.into(), 0.0, MAX_RUNGS as f64);
        range(
            "horizon_seconds",
            self.horizon_seconds.into(),
            1.0,
            MAX_LOOKAHEAD_SECONDS.into(),
        );
        range(
            "memory_margin_percent",
            self.memory_margin_percent,
            0.0,
            1_000.0,
        );
        range(
            "saturation_seconds",
            self.saturation_seconds.into(),
            0.0,
            MAX_LOOKAHEAD_SECONDS.into(),
        );
        range(
            "memory_pressure_seconds",
            self.pressed_seconds().into(),
            0.0,
            MAX_LOOKAHEAD_SECONDS.into(),
        );
        range(
            "max_sample_age_seconds",
            self.max_sample_age_seconds.into(),
            1.0,
            MAX_LOOKAHEAD_SECONDS.into(),
        );
        range(
            "down_history_seconds",
            self.down_history_seconds.into(),
            0.0,
            MAX_HISTORY_SECONDS.into(),
        );
        range(
            "down_observed_seconds",
            self.down_observed_seconds.into(),
            0.0,
            self.down_history_seconds.into(),
        );
        range("headroom.up_target", self.headroom.up_target, 0.1, 2.0);
        range("headroom.down_target", self.headroom.down_target, 0.1, 1.0);
        range(
            "headroom.hold_seconds",
            f64::from(self.headroom.hold_steps) * f64::from(step::SECONDS),
            0.0,
            MAX_COOLDOWN_SECONDS.into(),
        );
        for (field, price) in [
            ("saturated_hour_price", self.saturated_hour_price),
            ("restart_price", self.restart_price),
        ] {
            if let Some(price) = price {
                range(field, price, 0.0, MAX_PRICE);
            }
        }
        if up && down && self.scale_down_cpu >= self.scale_up_cpu {
            found.push(Violation::new(
                "scale_down_cpu",
                format!(
                    "{} is not below scale_up_cpu ({}): every forecast would ask for an action",
                    self.scale_down_cpu, self.scale_up_cpu
                ),
            ));
        }
        if self.ladder.is_empty() {
            found.push(Violation::new(
                "ladder",
                "is empty; name at least one instance type",
            ));
        }
        found.extend(ladder_violations("ladder", &self.ladder));
        found.extend(self.bound_violations());
        found.extend(self.time_violations());
        found
    }

    fn bound_violations(&self) -> Vec<Violation> {
        let problems = bound_problems(&self.ladder, &self.min_type, &self.max_type).into_iter();
        let violation = |(field, problem)| Violation::new(field, problem);
        problems.map(violation).collect()
    }
}

/// What is wrong with the fields `min_type` and `max_type`.
pub(super) fn bound_problems(
    ladder: &[String],
    min_type: &Option<String>,
    max_type: &Option<String>,
) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut place = |field: &str, name: &Option<String>| {
        let place = on_ladder(ladder, name.as_ref()?);
        place
            .map_err(|problem| found.push((field.to_owned(), problem)))
            .ok()
    };
    let lowest = place("min_type", min_type);
    let highest = place("max_type", max_type);
    if lowest
        .zip(highest)
        .is_some_and(|(lowest, highest)| lowest > highest)
    {
        let problem = "stands above max_type on the ladder".to_owned();
        found.push(("min_type".to_owned(), problem));
    }
    found
}

/// The place of a type on a ladder.
pub(super) fn on_ladder(ladder: &[String], name: &str) -> Result<usize, String> {
    let place = ladder.iter().position(|rung| rung == name);
    place.ok_or_else(|| format!("{name:?} is not on the ladder ({})", ladder.join(", ")))
}

/// What is wrong with a ladder that is not empty: names that no instance type has, names that come twice, too many.
pub fn ladder_violations(field: &str, ladder: &[String]) -> Vec<Violation> {
    let mut found = Vec::new();
    if ladder.len() > MAX_RUNGS {
        found.push(Violation::new(
            field,
            format!("has {} rungs; at most {MAX_RUNGS} make sense", ladder.len()),
        ));
        return found;
    }
    let mut seen = HashSet::new();
    for (index, name) in ladder.iter().enumerate() {
        if let Some(problem) = instance_type_problem(name) {
            found.push(Violation::new(format!("{field}[{index}]"), problem));
        } else if !seen.insert(name) {
            found.push(Violation::new(
                format!("{field}[{index}]"),
                format!("{name} is on the ladder twice"),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Policy), expected: &[&str]) {
        let mut policy = Policy::default();
        change(&mut policy);
        let found: Vec<String> = policy
            .violations()
            .iter()
            .map(|violation| format!("{}: {}", violation.field, violation.description))
            .collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found:?} lacks {expected:?}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_python_program() {
        let policy = Policy::default();
        assert_eq!(policy.violations(), []);
        assert_eq!(
            (
                policy.scale_up_cpu,
                policy.scale_down_cpu,
                policy.min_confidence
            ),
            (75.0, 30.0, 0.6)
        );
        assert_eq!(policy.cooldown_seconds, 600);
        assert_eq!(policy.ladder, ["t2.small", "t2.medium", "t2.large"]);
    }

    #[test]
    fn fault_50_min_above_max_and_unknown_types_are_rejected_at_load() {
        check(
            |policy| policy.scale_down_cpu = 80.0,
            &["scale_down_cpu: 80 is not below scale_up_cpu (75)"],
        );
        check(|policy| policy.scale_down_cpu = 75.0, &["is not below"]);
        for (name, wanted) in [
            ("t2", "is not an instance type"),
            ("t2.small; rm -rf /", "is not an instance type"),
            ("", "is not an instance type"),
            ("t2.small\n", "is not an instance type"),
            ("T2.SMALL", "is not an instance type"),
            ("t2.small", "is on the ladder twice"),
        ] {
            check(|policy| policy.ladder[1] = name.to_owned(), &[wanted]);
        }
        check(|policy| policy.ladder.clear(), &["ladder: is empty"]);
    }

    #[test]
    fn every_bad_field_is_named() {
        check(
            |policy| {
                policy.scale_up_cpu = f64::NAN;
                policy.min_confidence = 1.5;
                policy.horizon_seconds = 0;
                policy.memory_margin_percent = -1.0;
                policy.max_sample_age_seconds = 0;
                policy.cooldown_seconds = u32::MAX;
            },
            &[
                "scale_up_cpu: NaN is not between 0 and 100",
                "min_confidence: 1.5 is not between 0 and 1",
                "cooldown_seconds",
                "horizon_seconds: 0 is not between 1 and 86400",
                "memory_margin_percent",
                "max_sample_age_seconds",
            ],
        );
        check(
            |policy| policy.ladder = (0..65).map(|n| format!("x{n}.large")).collect(),
            &["ladder: has 65 rungs"],
        );
    }

    #[test]
    fn fault_50_bounds_stand_on_the_ladder_the_lower_one_below() {
        let bounds = |min: &str, max: &str, expected: &[&str]| {
            check(
                |policy| {
                    policy.min_type = Some(min.to_owned());
                    policy.max_type = Some(max.to_owned());
                },
                expected,
            );
        };
        bounds("t2.small", "t2.small", &[]);
        bounds("t2.large", "t2.small", &["min_type: stands above max_type"]);
        bounds(
            "m5.large",
            "",
            &[
                "min_type: \"m5.large\" is not on the ladder (t2.small, t2.medium, t2.large)",
                "max_type: \"\" is not on the ladder",
            ],
        );
        check(
            |policy| {
                policy.max_step = 65;
                policy.cooldown_up_seconds = Some(u32::MAX);
                policy.cooldown_down_seconds = Some(u32::MAX);
            },
            &[
                "cooldown_up_seconds",
                "cooldown_down_seconds",
                "max_step: 65 is not between 0 and 64",
            ],
        );
    }

    #[test]
    fn real_type_names_pass() {
        for name in [
            "t3a.2xlarge",
            "u-6tb1.112xlarge",
            "m5d.metal",
            "mac2-m2pro.metal",
            "m7i.metal-48xl",
        ] {
            assert_eq!(instance_type_problem(name), None, "{name}");
        }
    }
}
