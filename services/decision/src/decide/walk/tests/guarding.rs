//! What no guard lets pass, whatever the load, the clock and the policy are. `make properties` looks at 10,000 cases of each.

use jiff::{SignedDuration, ToSpan as _, civil::DateTime, tz::TimeZone};
use proptest::{
    prelude::*,
    sample::select,
    strategy::{Strategy, ValueTree as _},
    test_runner::TestRunner,
};

use super::*;
use crate::{
    fleet::resizes::{Resize, that_count},
    policy::{
        times::{Freeze, Period, Window},
        zone,
    },
};

/// With clocks that are set, by an hour, by half of one, south of the equator, and never.
const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "UTC",
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A moment near one at which a zone's clocks are set, or the end of February.
fn moment(zone: &TimeZone, year: i16, which: usize, minutes: i64) -> Timestamp {
    let new_year: DateTime = format!("{year}-01-01T00:00").parse().unwrap();
    let new_year = zone.to_timestamp(new_year).unwrap();
    let setting = zone
        .following(new_year)
        .nth(which)
        .map(|transition| transition.timestamp());
    let february: DateTime = format!("{year}-02-28T12:00").parse().unwrap();
    let near = match which {
        0 | 1 => setting,
        _ => None,
    };
    let near = near.unwrap_or_else(|| zone.to_timestamp(february).unwrap());
    near + SignedDuration::from_mins(minutes)
}

prop_compose! {
    fn any_window()(
        on in prop::collection::vec(prop::bool::weighted(0.6), 7),
        from in 0..96_u16,
        length in 1..96_u16,
    ) -> Window {
        let clock = |quarter: u16| format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15);
        let days = DAYS.iter().zip(on).filter(|(_, on)| *on);
        Window {
            days: days.map(|(day, _)| (*day).to_owned()).collect(),
            from: clock(from),
            to: clock((from + length) % 96),
        }
    }
}

prop_compose! {
    /// A policy with guards of every kind, and a moment to begin at.
    fn any_guarded()(
        zone in select(ZONES.to_vec()),
        (year, which, minutes) in (2026..2030_i16, 0..3_usize, -2_000..1_000_i64),
        up in prop::collection::vec(any_window(), 0..3),
        down in prop::collection::vec(any_window(), 0..3),
        (cooldown, cooldown_up, cooldown_down) in (0..9_000_u32, prop::option::of(0..9_000_u32), prop::option::of(0..9_000_u32)),
        budget in prop_oneof![Just(0_u32), 1..6_u32],
        flap in prop_oneof![Just(0_u32), 1_200..20_000_u32],
        frozen in prop::option::weighted(0.3, -1..3_i64),
        passes in any::<[bool; 3]>(),
    ) -> (Policy, Timestamp) {
        let place = zone::find(zone).unwrap();
        let begin = moment(&place, year, which, minutes);
        let mut policy = scene(50.0).policy;
        policy.zone = zone.to_owned();
        policy.windows.up = up;
        policy.windows.down = down;
        policy.cooldown_seconds = cooldown;
        policy.cooldown_up_seconds = cooldown_up;
        policy.cooldown_down_seconds = cooldown_down;
        policy.resizes_a_day = budget;
        policy.flap_seconds = flap;
        if let Some(days) = frozen {
            let day = (place.to_datetime(begin).date() + days.days()).to_string();
            policy.freeze.push(Freeze { from: day.clone(), to: day, reason: String::new() });
        }
        let [windows, cooldown, freeze] = passes;
        policy.saturation_passes.windows = windows;
        policy.saturation_passes.cooldown = cooldown;
        policy.saturation_passes.freeze = freeze;
        assert_valid(&policy);
        (policy, begin)
    }
}

fn assert_valid(policy: &Policy) {
    assert_eq!(policy.violations(), []);
}

/// What a clock on the wall says of a window, by the minute.
fn is_open(windows: &[Window], local: DateTime) -> bool {
    let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
    let minutes = |clock: &str| {
        let (hour, minute) = clock.split_once(':').unwrap();
        hour.parse::<i32>().unwrap() * 60 + minute.parse::<i32>().unwrap()
    };
    let on = |window: &Window, local: DateTime| {
        let day = DAYS[usize::from(local.weekday().to_monday_zero_offset().unsigned_abs())];
        window.days.is_empty() || window.days.iter().any(|name| name == day)
    };
    windows.is_empty()
        || windows.iter().any(|window| {
            let (from, to) = (minutes(&window.from), minutes(&window.to));
            match from < to {
                true => on(window, local) && (from..to).contains(&minute),
                false => {
                    on(window, local) && minute >= from
                        || on(window, local - 1.day()) && minute < to
                }
            }
        })
}

/// One thing that happens at a tick: the load, whether the machine is saturated, and how a resize would end.
fn any_tick() -> impl Strategy<Value = (f64, bool, bool)> {
    let load = prop_oneof![3 => Just(95.0), 3 => Just(5.0), 1 => Just(50.0)];
    (load, prop::bool::weighted(0.3), prop::bool::weighted(0.15))
}

/// A resize that was decided.
struct Act {
    direction: Direction,
    at: Timestamp,
    saturated: bool,
    succeeded: bool,
}

/// What came of ticks.
#[derive(Default)]
struct Played {
    acts: Vec<Act>,
    /// Of every decision.
    codes: Vec<ReasonCode>,
}

/// Plays ticks, so many seconds apart; a resize ends five minutes after its decision.
fn play(policy: &Policy, begin: Timestamp, apart: i64, ticks: &[(f64, bool, bool)]) -> Played {
    let mut scene = scene(50.0).on("t2.medium").seen(|seen| {
        seen.memory_peak_mib = Some(100.0);
        seen.cpu_peak_last_hour_percent = Some(5.0);
    });
    scene.policy = policy.clone();
    let mut played = Played::default();
    for (number, (load, saturated, fails)) in ticks.iter().enumerate() {
        scene.now = begin + SignedDuration::from_secs(apart * number as i64);
        scene.state.resizes = that_count(scene.state.resizes, scene.now);
        let seen = scene.input.observation.as_mut().unwrap();
        seen.observed_at = scene.now;
        seen.saturated_seconds = if *saturated { 600 } else { 0 };
        seen.cpu_percent = if *saturated { 99.0 } else { 5.0 };
        let forecast = scene.input.forecast.as_mut().unwrap();
        forecast.origin = Some(scene.now);
        forecast.horizons = vec![horizon(900, *load)];
        let verdict = scene.decide();
        played.codes.push(verdict.reason_code);
        let Some(direction) = verdict.action.direction() else {
            continue;
        };
        let outcome = if *fails {
            Outcome::RolledBack
        } else {
            Outcome::Succeeded
        };
        let ended_at = scene.now + SignedDuration::from_secs(300);
        scene.state.cooldowns = scene.state.cooldowns.after(direction, outcome, ended_at);
        let resize = Resize {
            direction,
            began_at: scene.now,
            ended_at,
            outcome,
        };
        scene.state.resizes.insert(0, resize);
        played.acts.push(Act {
            direction,
            at: scene.now,
            saturated: *saturated,
            succeeded: !fails,
        });
        if !fails {
            scene.input.instance_type = verdict.to_instance_type;
        }
    }
    played
}

/// The properties below are about something: every guard is met, and passed.
#[test]
fn the_cases_meet_every_guard() {
    let mut runner = TestRunner::deterministic();
    let cases = (any_guarded(), prop::collection::vec(any_tick(), 24));
    let mut met = Vec::new();
    for _ in 0..100 {
        let ((policy, begin), ticks) = cases.new_tree(&mut runner).unwrap().current();
        met.extend(play(&policy, begin, 1_200, &ticks).codes);
    }
    for code in [
        ReasonCode::ForecastAboveUpThreshold,
        ReasonCode::ForecastBelowDownThreshold,
        ReasonCode::Saturated,
        ReasonCode::Cooldown,
        ReasonCode::OutsideWindow,
        ReasonCode::Frozen,
        ReasonCode::BudgetSpent,
        ReasonCode::Flapping,
    ] {
        assert!(met.contains(&code), "{code:?}");
    }
}

proptest! {
    #[test]
    fn fault_49_no_resize_breaks_a_cooldown_a_window_a_freeze_a_budget_or_the_rest_after_a_turn(
        (policy, begin) in any_guarded(),
        ticks in prop::collection::vec(any_tick(), 24),
        apart in select(vec![600_i64, 1_200, 7_200]),
    ) {
        let acts = play(&policy, begin, apart, &ticks).acts;
        let zone = zone::find(&policy.zone).unwrap();
        let passes = policy.saturation_passes;
        for (number, act) in acts.iter().enumerate() {
            let rises = act.saturated && act.direction == Direction::Up;
            let local = zone.to_datetime(act.at);
            prop_assert!(
                is_open(policy.windows.of(act.direction), local) || rises && passes.windows,
                "{:?} at {local}", act.direction
            );
            let day = local.date().to_string();
            let frozen = policy.freeze.iter().any(|freeze| freeze.from == day);
            prop_assert!(!frozen || rises && passes.freeze, "frozen at {local}");
            let seconds = |from: &Act| (act.at - from.at).as_secs();
            let before = &acts[..number];
            if let Some(last) = before.last() {
                let own = match act.direction {
                    Direction::Up => policy.cooldown_up_seconds,
                    Direction::Down => policy.cooldown_down_seconds,
                };
                let rest = i64::from(own.unwrap_or(policy.cooldown_seconds)) + 300;
                prop_assert!(seconds(last) >= rest || rises && passes.cooldown, "{} s", seconds(last));
                // A failure in the same direction is waited for whatever passes.
                if !last.succeeded && last.direction == act.direction {
                    prop_assert!(seconds(last) >= rest.max(600));
                }
            }
            let of_a_day = before.iter().filter(|earlier| seconds(earlier) < 86_400).count();
            prop_assert!(policy.resizes_a_day == 0 || of_a_day < policy.resizes_a_day as usize);
        }
        let moves: Vec<&Act> = acts.iter().filter(|act| act.succeeded).collect();
        let turns = moves.windows(2).filter(|pair| pair[0].direction != pair[1].direction);
        let turns: Vec<Timestamp> = turns.map(|pair| pair[1].at).collect();
        for three in turns.windows(3) {
            // Two within the time, but no third.
            let apart = (three[2] - three[0]).as_secs();
            prop_assert!(apart >= i64::from(policy.flap_seconds), "{turns:?}");
        }
    }

    #[test]
    fn the_unknown_never_acts_but_for_a_scheduled_size_upwards(
        (mut policy, begin) in any_guarded(),
        window in any_window(),
        types in select(vec![
            [Some("t2.medium"), None, None],
            [None, Some("t2.small"), None],
            [None, None, Some("t2.small")],
            [None, None, Some("t2.large")],
        ]),
        rung in 0..3_usize,
        code in select(vec![
            ReasonCode::MetricsUnknown,
            ReasonCode::ForecastUnavailable,
            ReasonCode::InstanceUnavailable,
        ]),
        (seen, age) in (any::<bool>(), -400..700_i64),
        saturated in any::<bool>(),
    ) {
        let [min_type, max_type, exact] = types.map(|name| name.map(str::to_owned));
        let Window { days, from, to } = window;
        policy.schedule = vec![Period { days, from, to, min_type, max_type, exact }];
        assert_valid(&policy);
        let lowest = policy.schedule[0].exact.clone().or(policy.schedule[0].min_type.clone());
        let mut scene = scene(50.0)
            .on(["t2.small", "t2.medium", "t2.large"][rung])
            .unknown(code)
            .seen(|seen| {
                seen.observed_at = begin - SignedDuration::from_secs(age);
                seen.saturated_seconds = if saturated { 600 } else { 0 };
            });
        scene.now = begin;
        scene.policy = policy;
        if !seen {
            scene.input.observation = None;
        }
        let verdict = scene.decide();
        let fresh = seen && (-60..=300).contains(&age);
        match verdict.action {
            Action::Hold => {}
            Action::ScaleDown => prop_assert!(false, "{verdict:#?}"),
            Action::ScaleUp if verdict.reason_code == ReasonCode::Saturated => {
                prop_assert!(fresh && code == ReasonCode::ForecastUnavailable);
            }
            Action::ScaleUp => {
                prop_assert_eq!(verdict.reason_code, ReasonCode::Scheduled);
                prop_assert_ne!(code, ReasonCode::InstanceUnavailable);
                prop_assert_eq!(Some(verdict.to_instance_type), lowest);
            }
        }
    }
    #[test]
    fn a_scheduled_down_leaves_room_for_memory_and_the_present(
        memory_peak in prop::option::of(0.0..9_000.0_f64),
        (now_cpu, hour_peak) in (0.0..100.0_f64, prop::option::of(0.0..200.0_f64)),
        forecast in 0.0..100.0_f64,
        exact in any::<bool>(),
        to in 0..2_usize,
        evidence in 0..200_000_u32,
    ) {
        let ladder = ["t2.small", "t2.medium", "t2.large"];
        let mut scene = scene(forecast).on("t2.large").seen(|seen| {
            seen.memory_peak_mib = memory_peak;
            seen.cpu_percent = now_cpu;
            seen.cpu_peak_last_hour_percent = hour_peak;
            seen.cpu_evidence.spanned_seconds = evidence;
        });
        let named = |wanted: bool| Some(ladder[to].to_owned()).filter(|_| wanted);
        scene.policy.schedule = vec![Period {
            days: Vec::new(),
            from: "00:00".into(),
            to: "24:00".into(),
            min_type: None,
            max_type: named(!exact),
            exact: named(exact),
        }];
        let verdict = scene.decide();
        if verdict.action == Action::ScaleDown {
            prop_assert_eq!(verdict.reason_code, ReasonCode::Scheduled);
            let sizes = [(1.0, 2_048.0), (2.0, 4_096.0)];
            let (vcpus, memory) = sizes[ladder.iter().position(|name| *name == verdict.to_instance_type).unwrap()];
            prop_assert!(memory_peak.unwrap() * 1.2 <= memory);
            prop_assert!(now_cpu.max(hour_peak.unwrap()) <= 90.0 * vcpus / 2.0 + 1e-9);
            prop_assert!(exact || evidence >= 86_400);
        } else {
            prop_assert_ne!(verdict.reason_code, ReasonCode::Scheduled);
        }
    }
}
