//! What makes the times of a policy unusable, field by field.

use jiff::tz::TimeZone;

use crate::policy::{
    document::Policy,
    hours::{Hours, Problem},
    times::{Period, Window},
    validate::{Violation, bound_problems, on_ladder},
    zone,
};

/// Windows of a direction, freezes, and periods of the schedule.
const MAX_TIMES: usize = 256;

impl Policy {
    /// Everything that is wrong with its zone, windows, freezes and schedule.
    pub(super) fn time_violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let zone = zone::find(&self.zone);
        if zone.is_none() {
            let problem = format!(
                "{:?} is no zone of the IANA database; write such as Europe/Berlin",
                self.zone
            );
            found.push(Violation::new("zone", problem));
        }
        for (field, windows) in [
            ("windows.up", &self.windows.up),
            ("windows.down", &self.windows.down),
        ] {
            found.extend(each(field, windows, |window: &Window| window.hours().err()));
        }
        // Freezes that can't be placed are looked at all the same.
        let zone = zone.unwrap_or(TimeZone::UTC);
        found.extend(each("freeze", &self.freeze, |freeze| {
            freeze.span(&zone).err()
        }));
        found.extend(each("schedule", &self.schedule, |period| {
            Some(period_problems(&self.ladder, period))
        }));
        found
    }
}

fn period_problems(ladder: &[String], period: &Period) -> Vec<Problem> {
    let mut found = period.hours().err().unwrap_or_default();
    found.extend(bound_problems(ladder, &period.min_type, &period.max_type));
    let mut bad = |problem: String| found.push(("type".to_owned(), problem));
    match &period.exact {
        Some(_) if period.min_type.is_some() || period.max_type.is_some() => {
            bad("is given beside min_type or max_type; it stands for both".to_owned());
        }
        Some(exact) => {
            if let Err(problem) = on_ladder(ladder, exact) {
                bad(problem);
            }
        }
        None if period.min_type.is_none() && period.max_type.is_none() => {
            bad("is missing, and so are min_type and max_type".to_owned());
        }
        None => {}
    }
    found
}

impl Period {
    /// When it is.
    ///
    /// # Errors
    /// Everything that is wrong with it, by field.
    pub fn hours(&self) -> Result<Hours, Vec<Problem>> {
        Hours::read(&self.days, &self.from, &self.to)
    }
}

impl Window {
    /// What it says.
    ///
    /// # Errors
    /// Everything that is wrong with it, by field.
    pub fn hours(&self) -> Result<Hours, Vec<Problem>> {
        Hours::read(&self.days, &self.from, &self.to)
    }
}

/// The problems of the entries of a list, or that there are too many.
fn each<T>(
    field: &str,
    entries: &[T],
    problems: impl Fn(&T) -> Option<Vec<Problem>>,
) -> Vec<Violation> {
    if entries.len() > MAX_TIMES {
        let problem = format!(
            "has {} entries; at most {MAX_TIMES} make sense",
            entries.len()
        );
        return vec![Violation::new(field, problem)];
    }
    let of_entry = |(index, entry)| {
        let problems = problems(entry).unwrap_or_default().into_iter();
        problems
            .map(move |(part, problem)| Violation::new(format!("{field}[{index}].{part}"), problem))
    };
    entries.iter().enumerate().flat_map(of_entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::times::Freeze;

    fn window(days: &[&str], from: &str, to: &str) -> Window {
        Window {
            days: days.iter().map(|&day| day.to_owned()).collect(),
            from: from.into(),
            to: to.into(),
        }
    }

    #[test]
    fn every_mistake_has_the_path_to_its_field() {
        let freeze = |from: &str, to: &str| Freeze {
            from: from.into(),
            to: to.into(),
            reason: String::new(),
        };
        let mut policy = Policy {
            zone: "Europe/Berln".into(),
            freeze: vec![
                freeze("2026-12-20", "2027-01-06"),
                freeze("2026-13-20", "never"),
                freeze("2026-12-20", "2026-12-19"),
            ],
            ..Policy::default()
        };
        policy.windows.up = vec![
            window(&["mon"], "08:00", "18:00"),
            window(&["mo"], "8", "24:00"),
        ];
        policy.windows.down = vec![window(&[], "24:00", "24:00")];
        let found = policy.violations();
        let fields: Vec<&str> = found
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(
            fields,
            [
                "zone",
                "windows.up[1].days[0]",
                "windows.up[1].from",
                "windows.down[0].from",
                "freeze[1].from",
                "freeze[1].to",
                "freeze[2].to",
            ],
            "{found:?}"
        );
        assert!(found[0].description.contains("\"Europe/Berln\" is no zone"));
        let period = |from: &str, types: [Option<&str>; 3]| {
            let [min_type, max_type, exact] = types.map(|name| name.map(str::to_owned));
            Period {
                days: Vec::new(),
                from: from.into(),
                to: "18:00".into(),
                min_type,
                max_type,
                exact,
            }
        };
        policy.schedule = vec![
            period("08:00", [Some("t2.small"), Some("t2.large"), None]),
            period("8", [Some("t2.large"), Some("t2.small"), None]),
            period("08:00", [None, Some("m5.large"), Some("t2.small")]),
            period("08:00", [None, None, Some("m5.large")]),
            period("08:00", [None, None, None]),
        ];
        let found = policy.violations();
        let fields: Vec<&str> = found
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(
            fields[7..],
            [
                "schedule[1].from",
                "schedule[1].min_type",
                "schedule[2].max_type",
                "schedule[2].type",
                "schedule[3].type",
                "schedule[4].type",
            ],
            "{found:?}"
        );
        policy.windows.up = vec![window(&[], "08:00", "18:00"); 257];
        assert_eq!(policy.violations()[1].field, "windows.up");
    }
}
