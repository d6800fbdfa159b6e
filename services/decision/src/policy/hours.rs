//! Hours of the week as the clocks of a zone show them.
//!
//! Invariant: what counts is the face of the clock. Where clocks are set forward, the hours that they skip are not there, and
//! where they are set back, the hours that they show twice are there twice.

use std::fmt;

use jiff::{
    SignedDuration, Timestamp,
    civil::{DateTime, Time, Weekday},
    tz::TimeZone,
};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: u16 = 24 * 60;
/// Days after which hours come again, the one on which clocks skip them not counted.
const LONGEST_WAIT_DAYS: i64 = 14;

/// From a minute to a minute of some weekdays; over midnight where the second is not after the first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hours {
    /// Those on which it begins, Monday first.
    days: [bool; 7],
    from: u16,
    to: u16,
}

/// What is wrong with a field.
pub type Problem = (String, String);

impl Hours {
    /// The hours in a policy's words; no days mean every day.
    ///
    /// # Errors
    /// Everything that is wrong with them, by field.
    pub fn read(days: &[String], from: &str, to: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut on = [days.is_empty(); 7];
        for (index, name) in days.iter().enumerate() {
            let field = || format!("days[{index}]");
            match DAYS.iter().position(|day| day == name) {
                None => problems.push((
                    field(),
                    format!("{name:?} is no day; write {}", DAYS.join(", ")),
                )),
                Some(day) if on[day] => problems.push((field(), format!("{name} is named twice"))),
                Some(day) => on[day] = true,
            }
        }
        let mut minute = |field: &str, text: &str, most: u16| {
            let found = minute(text).filter(|minute| *minute <= most);
            if found.is_none() {
                let problem = format!(
                    "{text:?} is no time of day; write such as \"08:00\", \"{:02}:{:02}\" at the latest",
                    most / 60,
                    most % 60
                );
                problems.push((field.to_owned(), problem));
            }
            found
        };
        let from = minute("from", from, DAY_MINUTES - 1);
        let to = minute("to", to, DAY_MINUTES);
        if from.is_some() && from == to {
            let problem = "is the same as from; write 00:00 to 24:00 for whole days".to_owned();
            problems.push(("to".to_owned(), problem));
        }
        match (from, to) {
            (Some(from), Some(to)) if problems.is_empty() => Ok(Self { days: on, from, to }),
            _ => Err(problems),
        }
    }

    /// Whether clocks that show `local` show one of these hours.
    pub fn contain(&self, local: DateTime) -> bool {
        let (today, yesterday) = (local.weekday(), local.weekday().previous());
        let minute = minute_of(local.time());
        if self.from < self.to {
            return self.begin_on(today) && (self.from..self.to).contains(&minute);
        }
        self.begin_on(today) && minute >= self.from || self.begin_on(yesterday) && minute < self.to
    }

    /// The first moment after `now` at which they are there; also while they are, where they are interrupted.
    pub fn next_begin(&self, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        let today = zone.to_datetime(now).date();
        let starts = (0..=LONGEST_WAIT_DAYS).filter_map(|days| {
            let date = today
                .checked_add(SignedDuration::from_hours(24 * days))
                .ok()?;
            let start = date.to_datetime(time_of(self.from)?);
            self.begin_on(date.weekday())
                .then(|| zone.to_ambiguous_timestamp(start))
        });
        // Both, where the clocks show it twice.
        let starts = starts.flat_map(|start| [start.earlier().ok(), start.later().ok()]);
        // And where clocks are set, into the middle of them.
        let settings = zone.following(now).take(2);
        let settings = settings.map(|transition| Some(transition.timestamp()));
        starts
            .chain(settings)
            .flatten()
            .filter(|at| *at > now && self.contain(zone.to_datetime(*at)))
            .min()
    }

    fn begin_on(&self, day: Weekday) -> bool {
        self.days[usize::from(day.to_monday_zero_offset().unsigned_abs())]
    }
}

impl fmt::Display for Hours {
    /// `mon, tue 08:00 to 18:00`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days == [true; 7] {
            formatter.write_str("every day")?;
        } else {
            let days = DAYS.iter().zip(self.days).filter(|(_, on)| *on);
            let days: Vec<&str> = days.map(|(day, _)| *day).collect();
            formatter.write_str(&days.join(", "))?;
        }
        write!(
            formatter,
            " {:02}:{:02} to {:02}:{:02}",
            self.from / 60,
            self.from % 60,
            self.to / 60,
            self.to % 60
        )
    }
}

/// `08:00` as minutes after midnight; up to 24:00.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| {
        let two = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        two.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    (minute < 60 && hour * 60 + minute <= DAY_MINUTES).then_some(hour * 60 + minute)
}

fn minute_of(time: Time) -> u16 {
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

fn time_of(minute: u16) -> Option<Time> {
    let number = |part: u16| i8::try_from(part).ok();
    Time::new(number(minute / 60)?, number(minute % 60)?, 0, 0).ok()
}

#[cfg(test)]
mod tests;
