//! Sizes by the clock. It is Friday 2027-01-15, 09:00 in Berlin.

use super::{rules::sized, *};
use crate::{
    fleet::resizes::Resize,
    policy::times::{Freeze, Period, Window},
};

const LEAST: [Option<&str>; 3] = [Some("m5.2xlarge"), None, None];
const MOST: [Option<&str>; 3] = [None, Some("m5.xlarge"), None];

/// `[min_type, max_type, type]` from an hour to another.
fn period(from: &str, to: &str, types: [Option<&str>; 3]) -> Period {
    let [min_type, max_type, exact] = types.map(|name| name.map(str::to_owned));
    Period {
        days: vec!["fri".into()],
        from: from.into(),
        to: to.into(),
        min_type,
        max_type,
        exact,
    }
}

fn exactly(name: &str) -> [Option<&str>; 3] {
    [None, None, Some(name)]
}

fn scheduled<const N: usize>(scene: Scene, periods: [Period; N]) -> Scene {
    scene.with(|scene| {
        scene.policy.zone = "Europe/Berlin".into();
        scene.policy.schedule = periods.to_vec();
    })
}

/// A machine of 2 or 16 vCPU for which there is nothing to do by itself.
fn small() -> Scene {
    sized(2, 0.5, 0.5)
}

fn large() -> Scene {
    sized(16, 4.0, 13.0)
}

#[track_caller]
fn goes(scene: &Scene, to: &str) {
    let verdict = scene.decide();
    assert_eq!(
        (verdict.to_instance_type.as_str(), verdict.reason_code),
        (to, ReasonCode::Scheduled),
        "{verdict:#?}"
    );
}

#[test]
fn a_period_raises_the_size_over_what_is_forecast_and_before_it_begins() {
    small().holds(ReasonCode::SizeFits, "");
    scheduled(small(), [period("08:00", "18:00", LEAST)]).check(
        Action::ScaleUp,
        "m5.2xlarge",
        ReasonCode::Scheduled,
        "the schedule (m5.2xlarge, fri 08:00 to 18:00 Europe/Berlin) asks for no less; m5.large to m5.2xlarge",
    );
    scheduled(small(), [period("09:10", "18:00", LEAST)]).check(
        Action::ScaleUp,
        "m5.2xlarge",
        ReasonCode::Scheduled,
        "fri 09:10 to 18:00 Europe/Berlin, in 10 min",
    );
    scheduled(small(), [period("09:11", "18:00", LEAST)]).holds(ReasonCode::SizeFits, "");
    scheduled(small(), [period("07:00", "09:00", LEAST)]).holds(ReasonCode::SizeFits, "");
    // With the time that a resize takes here.
    let slow = scheduled(small(), [period("09:30", "18:00", LEAST)])
        .with(|scene| scene.policy.schedule_lead_seconds = 1_800);
    goes(&slow, "m5.2xlarge");
}

#[test]
fn a_scheduled_up_needs_no_measurement_but_a_machine_that_runs() {
    let blind = |code| {
        scheduled(small(), [period("08:00", "18:00", LEAST)])
            .unknown(code)
            .with(|scene| {
                scene.input.observation = None;
                scene.input.forecast = None;
            })
    };
    goes(&blind(ReasonCode::MetricsUnknown), "m5.2xlarge");
    goes(&blind(ReasonCode::ForecastUnavailable), "m5.2xlarge");
    goes(
        &scheduled(small(), [period("08:00", "18:00", LEAST)])
            .seen(|seen| seen.observed_at = at(NOW - 9_999)),
        "m5.2xlarge",
    );
    blind(ReasonCode::InstanceUnavailable).holds(ReasonCode::InstanceUnavailable, "");
    let verdict = blind(ReasonCode::MetricsUnknown).decide();
    assert_eq!(verdict.checks[0].verdict, CheckVerdict::Skip);
    assert!(
        verdict.checks[0]
            .detail
            .contains("prometheus did not answer; a scheduled size upwards")
    );
}

#[test]
fn a_scheduled_up_passes_no_guard_that_holds() {
    let up = || {
        scheduled(small(), [period("08:00", "18:00", LEAST)]).unknown(ReasonCode::MetricsUnknown)
    };
    up().paused(PauseDirection::Up)
        .holds(ReasonCode::Paused, "asks for no less");
    up().with(|scene| {
        scene.policy.freeze.push(Freeze {
            from: "2027-01-15".into(),
            to: "2027-01-15".into(),
            reason: String::new(),
        });
    })
    .holds(ReasonCode::Frozen, "");
    up().with(|scene| {
        scene.policy.resizes_a_day = 1;
        scene.state.resizes = vec![Resize {
            direction: Direction::Down,
            began_at: at(NOW - 7_200),
            ended_at: at(NOW - 7_000),
            outcome: Outcome::Succeeded,
        }];
    })
    .holds(ReasonCode::BudgetSpent, "");
    up().with(|scene| {
        scene.policy.windows.up = vec![Window {
            days: vec!["sat".into()],
            from: "08:00".into(),
            to: "18:00".into(),
        }];
    })
    .holds(ReasonCode::OutsideWindow, "");
    up().ended(Direction::Up, Outcome::Succeeded, 60)
        .holds(ReasonCode::Cooldown, "");
    goes(&up().with(|scene| scene.policy.max_step = 1), "m5.xlarge");
}

#[test]
fn a_scheduled_down_needs_measurements_a_forecast_and_room() {
    let quiet = || sized(16, 0.5, 13.0);
    let most = |scene| scheduled(scene, [period("08:00", "18:00", MOST)]);
    goes(&most(quiet()), "m5.xlarge");
    for code in [ReasonCode::MetricsUnknown, ReasonCode::ForecastUnavailable] {
        most(quiet()).unknown(code).holds(code, "");
        scheduled(quiet(), [period("08:00", "18:00", exactly("m5.xlarge"))])
            .unknown(code)
            .holds(code, "");
    }
    // A lead is for the way up.
    scheduled(quiet(), [period("09:05", "18:00", MOST)]).holds(ReasonCode::SizeFits, "");
    most(quiet().seen(|seen| seen.memory_peak_mib = Some(60_000.0)))
        .holds(ReasonCode::MemoryGuard, "");
    most(large()).holds(ReasonCode::ConfidenceTooLow, "90 % of m5.xlarge");
    most(quiet().seen(|seen| seen.cpu_peak_last_hour_percent = Some(50.0))).holds(
        ReasonCode::PresentTooHigh,
        "which would be 90 % of m5.xlarge",
    );
    most(quiet().seen(|seen| seen.cpu_evidence = Evidence::default()))
        .holds(ReasonCode::EvidenceTooShort, "");
}

#[test]
fn an_exact_type_needs_no_confidence_and_no_evidence_but_memory_and_the_present() {
    let exact = |scene: Scene| {
        scheduled(
            scene.seen(|seen| {
                (seen.cpu_evidence, seen.memory_evidence) =
                    (Evidence::default(), Evidence::default());
            }),
            [period("08:00", "18:00", exactly("m5.2xlarge"))],
        )
    };
    goes(&exact(sized(16, 4.0, 13.0)), "m5.2xlarge");
    // A forecast of 60 % is more than 90 % of half of it.
    goes(
        &exact(sized(16, 4.0, 13.0)).with(|scene| {
            scene.input.forecast.as_mut().unwrap().horizons = vec![horizon(900, 60.0)];
        }),
        "m5.2xlarge",
    );
    exact(sized(16, 8.0, 13.0)).holds(ReasonCode::PresentTooHigh, "");
    exact(sized(16, 4.0, 13.0))
        .seen(|seen| seen.memory_peak_mib = None)
        .holds(ReasonCode::MemoryGuard, "");
    // And keeps the strategy from every other.
    exact(sized(8, 7.9, 7.9)).holds(
        ReasonCode::AtBound,
        "the schedule (m5.2xlarge, fri 08:00 to 18:00",
    );
    exact(sized(8, 0.1, 0.1)).holds(ReasonCode::AtBound, "leaves m5.2xlarge no type down");
}

#[test]
fn where_periods_contradict_each_other_the_larger_size_wins() {
    let both = |scene| {
        scheduled(
            scene,
            [
                period("08:00", "18:00", exactly("m5.large")),
                period("08:30", "12:00", exactly("m5.2xlarge")),
            ],
        )
    };
    goes(&both(small()), "m5.2xlarge");
    goes(
        &both(large().with(|scene| {
            scene.input.forecast.as_mut().unwrap().horizons = vec![horizon(900, 5.0)]
        })),
        "m5.2xlarge",
    );
    // The one that is to come counts on the way up already.
    let night_and_day = scheduled(
        small(),
        [
            period("00:00", "09:05", exactly("m5.large")),
            period("09:05", "18:00", LEAST),
        ],
    );
    goes(&night_and_day, "m5.2xlarge");
}

#[test]
fn a_period_moves_the_bounds_of_the_policy() {
    let bounded = |scene: Scene| {
        scene.with(|scene| {
            scene.policy.min_type = Some("m5.xlarge".into());
            scene.policy.max_type = Some("m5.xlarge".into());
        })
    };
    goes(
        &bounded(scheduled(small(), [period("08:00", "18:00", LEAST)])),
        "m5.2xlarge",
    );
    goes(
        &bounded(scheduled(
            sized(4, 0.5, 3.9),
            [period("08:00", "18:00", exactly("m5.large"))],
        )),
        "m5.large",
    );
    bounded(scheduled(
        sized(4, 3.9, 3.9),
        [period("00:00", "01:00", LEAST)],
    ))
    .holds(ReasonCode::AtBound, "policy.max_type (m5.xlarge)");
}

#[test]
fn who_needs_more_than_the_schedule_says_goes_further_at_once() {
    let busy = scheduled(
        sized(2, 3.0, 13.0),
        [period("08:00", "18:00", [Some("m5.xlarge"), None, None])],
    );
    let verdict = busy.decide();
    assert_eq!(
        (verdict.to_instance_type.as_str(), verdict.reason_code),
        ("m5.4xlarge", ReasonCode::NeedAboveTarget),
        "{verdict:#?}"
    );
    let bounded = scheduled(
        sized(2, 3.0, 13.0),
        [period(
            "08:00",
            "18:00",
            [Some("m5.xlarge"), Some("m5.2xlarge"), None],
        )],
    );
    assert_eq!(bounded.decide().to_instance_type, "m5.2xlarge");
}
