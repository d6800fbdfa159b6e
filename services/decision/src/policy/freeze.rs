//! A freeze in a policy's words, as two moments.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use crate::policy::{hours::Problem, times::Freeze};

/// Which end of a freeze is read.
#[derive(Clone, Copy, Eq, PartialEq)]
enum End {
    First,
    Last,
}

impl Freeze {
    /// The first moment, and the first after it. Where clocks show a time twice or never, the freeze is the longer one.
    ///
    /// # Errors
    /// Everything that is wrong with it, by field.
    pub fn span(&self, zone: &TimeZone) -> Result<(Timestamp, Timestamp), Vec<Problem>> {
        let ends = [
            ("from", moment(&self.from, zone, End::First)),
            ("to", moment(&self.to, zone, End::Last)),
        ];
        match ends {
            [(_, Some(from)), (_, Some(to))] if from < to => Ok((from, to)),
            [(_, Some(_)), (field, Some(_))] => {
                let problem = format!("{} is not after from ({})", self.to, self.from);
                Err(vec![(field.to_owned(), problem)])
            }
            ends => {
                let bad = ends.into_iter().filter(|(_, moment)| moment.is_none());
                let words = |(field, _): (&str, _)| {
                    let text = if field == "from" {
                        &self.from
                    } else {
                        &self.to
                    };
                    let problem = format!(
                        "{text:?} is neither a date nor a date with a time; write such as 2026-12-20 or 2026-12-20T18:00"
                    );
                    (field.to_owned(), problem)
                };
                Err(bad.map(words).collect())
            }
        }
    }
}

fn moment(text: &str, zone: &TimeZone, end: End) -> Option<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    // A date alone has no `T`; a local time no offset, which `DateTime` would pass over.
    let local: DateTime = match text.len() {
        10 => {
            let date: Date = text.parse().ok()?;
            let date = match end {
                End::First => date,
                End::Last => date.tomorrow().ok()?,
            };
            date.into()
        }
        16 | 19 => text.parse().ok()?,
        _ => return None,
    };
    let local = zone.to_ambiguous_timestamp(local);
    match end {
        End::First => local.earlier(),
        End::Last => local.later(),
    }
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::zone;

    fn span(from: &str, to: &str) -> Result<(String, String), Vec<Problem>> {
        let freeze = Freeze {
            from: from.into(),
            to: to.into(),
            reason: String::new(),
        };
        let berlin = zone::find("Europe/Berlin").unwrap();
        let (from, to) = freeze.span(&berlin)?;
        Ok((from.to_string(), to.to_string()))
    }

    fn check(from: &str, to: &str, first: &str, end: &str) {
        assert_eq!(
            span(from, to),
            Ok((first.into(), end.into())),
            "{from} {to}"
        );
    }

    #[test]
    fn dates_are_whole_days_of_the_zone() {
        check(
            "2026-12-20",
            "2027-01-06",
            "2026-12-19T23:00:00Z",
            "2027-01-06T23:00:00Z",
        );
        check(
            "2028-02-29",
            "2028-02-29",
            "2028-02-28T23:00:00Z",
            "2028-02-29T23:00:00Z",
        );
        // A day of 23 hours and one of 25.
        check(
            "2027-03-28",
            "2027-03-28",
            "2027-03-27T23:00:00Z",
            "2027-03-28T22:00:00Z",
        );
        check(
            "2027-10-31",
            "2027-10-31",
            "2027-10-30T22:00:00Z",
            "2027-10-31T23:00:00Z",
        );
    }

    #[test]
    fn times_are_those_of_the_zone_unless_they_have_an_offset() {
        check(
            "2026-12-20T18:00",
            "2026-12-20T18:00:30",
            "2026-12-20T17:00:00Z",
            "2026-12-20T17:00:30Z",
        );
        check(
            "2026-12-20T18:00Z",
            "2026-12-20T20:00+01:00",
            "2026-12-20T18:00:00Z",
            "2026-12-20T19:00:00Z",
        );
        // Shown twice, and never: the longer freeze.
        check(
            "2027-10-31T02:30",
            "2027-10-31T02:45",
            "2027-10-31T00:30:00Z",
            "2027-10-31T01:45:00Z",
        );
        check(
            "2027-03-28T02:30",
            "2027-03-28T02:30",
            "2027-03-28T00:30:00Z",
            "2027-03-28T01:30:00Z",
        );
    }

    #[test]
    fn what_is_no_time_is_named() {
        let found = span("20 December", "2027-02-29").unwrap_err();
        let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["from", "to"]);
        let found = span("2026-12-20", "2026-12-19").unwrap_err();
        assert_eq!(found[0].1, "2026-12-19 is not after from (2026-12-20)");
        assert!(span("2026-12-20T18:00", "2026-12-20T18:00").is_err());
    }
}
