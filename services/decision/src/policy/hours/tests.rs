use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::policy::zone;

fn hours(days: &[&str], from: &str, to: &str) -> Hours {
    let days: Vec<String> = days.iter().map(|&day| day.to_owned()).collect();
    Hours::read(&days, from, to).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Whether they are there at a moment in Berlin.
fn in_berlin(hours: &Hours, moment: &str) -> bool {
    let berlin = zone::find("Europe/Berlin").unwrap();
    hours.contain(berlin.to_datetime(at(moment)))
}

#[test]
fn hours_are_of_the_day_on_which_they_begin() {
    let night = hours(&["fri"], "22:00", "06:00");
    let thursday = date(2026, 11, 26);
    for (days, hour, minute, there) in [
        (0, 23, 0, false),
        (1, 5, 59, false),
        (1, 21, 59, false),
        (1, 22, 0, true),
        (2, 0, 0, true),
        (2, 5, 59, true),
        (2, 6, 0, false),
        (2, 22, 0, false),
    ] {
        let day = thursday
            .checked_add(SignedDuration::from_hours(24 * days))
            .unwrap();
        assert_eq!(
            night.contain(day.at(hour, minute, 59, 0)),
            there,
            "{days} {hour}:{minute}"
        );
    }
    let day = hours(&[], "00:00", "24:00");
    assert!(day.contain(thursday.at(23, 59, 59, 999)));
    // 24 hours from one morning to the next.
    let whole = hours(&["thu"], "08:00", "07:59");
    assert!(whole.contain(thursday.at(8, 0, 0, 0)) && !whole.contain(thursday.at(7, 58, 0, 0)));
}

#[test]
fn the_face_of_the_clock_counts_when_clocks_are_set() {
    let early = hours(&["sun"], "02:00", "02:30");
    // Set back at 01:00 UTC: shown twice.
    for (moment, there) in [
        ("2027-10-31T00:00:00Z", true),
        ("2027-10-31T00:30:00Z", false),
        ("2027-10-31T01:00:00Z", true),
        ("2027-10-31T01:30:00Z", false),
    ] {
        assert_eq!(in_berlin(&early, moment), there, "{moment}");
    }
    // Set forward at 01:00 UTC from 2 to 3: not there on that day.
    let mut moment = at("2027-03-28T00:00:00Z");
    while moment < at("2027-03-28T03:00:00Z") {
        assert!(!in_berlin(&early, &moment.to_string()), "{moment}");
        moment += SignedDuration::from_mins(1);
    }
    let berlin = zone::find("Europe/Berlin").unwrap();
    let next = |hours: &Hours, now: &str| hours.next_begin(&berlin, at(now)).unwrap().to_string();
    assert_eq!(next(&early, "2027-03-28T00:00:00Z"), "2027-04-04T00:00:00Z");
    assert_eq!(next(&early, "2027-10-31T00:30:00Z"), "2027-10-31T01:00:00Z");
    // It begins where the clocks arrive.
    let longer = hours(&["sun"], "02:15", "03:30");
    assert_eq!(
        next(&longer, "2027-03-28T00:00:00Z"),
        "2027-03-28T01:00:00Z"
    );
}

#[test]
fn a_leap_day_is_a_day_of_its_week() {
    let tuesday = hours(&["tue"], "08:00", "18:00");
    assert!(in_berlin(&tuesday, "2028-02-29T12:00:00Z"));
    let berlin = zone::find("Europe/Berlin").unwrap();
    let next = tuesday.next_begin(&berlin, at("2028-02-28T12:00:00Z"));
    assert_eq!(next, Some(at("2028-02-29T07:00:00Z")));
}

#[test]
fn every_mistake_is_named_by_its_field() {
    let days = ["mon", "monday", "mon"].map(str::to_owned);
    let found = Hours::read(&days, "8:00", "24:01").unwrap_err();
    let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["days[1]", "days[2]", "from", "to"]);
    assert!(
        found[0].1.contains("\"monday\" is no day; write mon, tue"),
        "{found:?}"
    );
    for (from, to, field) in [
        ("08:00", "08:00", "to"),
        ("24:00", "08:00", "from"),
        ("08:60", "09:00", "from"),
        ("08:00", "25:00", "to"),
        ("08", "09:00", "from"),
        ("+8:00", "09:00", "from"),
    ] {
        let found = Hours::read(&[], from, to).unwrap_err();
        assert_eq!(found[0].0, field, "{from} {to}");
    }
}

#[test]
fn hours_read_as_they_are_written() {
    assert_eq!(
        hours(&["fri", "mon"], "08:00", "24:00").to_string(),
        "mon, fri 08:00 to 24:00"
    );
    assert_eq!(
        hours(&[], "22:05", "06:00").to_string(),
        "every day 22:05 to 06:00"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Beside looking at every minute of two days around a setting of the clocks.
    #[test]
    fn the_next_begin_is_the_first_minute_in_which_they_are_there(
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        minutes in -1_500..1_500_i64,
        from in 0..24_u16,
        to in 1..=24_u16,
        year in 2024..2030_i16,
    ) {
        prop_assume!(from != to);
        let hours = Hours::read(&[], &format!("{from:02}:00"), &format!("{to:02}:00")).unwrap();
        let zone = zone::find(zone).unwrap();
        let new_year = date(year, 1, 1).to_zoned_datetime(TimeZone::UTC).unwrap().timestamp();
        let setting = zone.following(new_year).next().map_or(new_year, |transition| transition.timestamp());
        let now = setting + SignedDuration::from_mins(minutes);
        let is_there = |at: Timestamp| hours.contain(zone.to_datetime(at));
        prop_assume!(!is_there(now));
        let mut first = now;
        while !is_there(first) {
            first += SignedDuration::from_mins(1);
        }
        prop_assert_eq!(hours.next_begin(&zone, now), Some(first));
    }
}
