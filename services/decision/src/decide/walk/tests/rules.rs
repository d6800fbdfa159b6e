//! Strategies that are made of sizing rules.

use proptest::prelude::*;
use sizing::{
    past::Past,
    pool,
    rule::{Fit, Need, Quiet, Rule},
};

use super::*;
use crate::{
    decide::{alternatives, explain::explain, guide::Guide},
    policy::{document::Strategy, times::Period},
};

const RULE: Fit = Fit {
    up: Need::Now,
    up_target: 0.9,
    down: Quiet::Past6h,
    down_target: 0.75,
    hold_steps: 36,
};

/// A machine of `vcpus` on a ladder of 2, 4, 8 and 16 that needs `now` and needed `quiet` in six hours; its forecast's peak
/// stays where it is.
pub fn sized(vcpus: u32, now: f32, quiet: f32) -> Scene {
    let types: Vec<InstanceType> = [("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16)]
        .map(|(size, vcpus)| InstanceType {
            instance_type: format!("m5.{size}"),
            vcpus,
            memory_mib: u64::from(vcpus) * 4_096,
        })
        .to_vec();
    let name = types.iter().find(|known| known.vcpus == vcpus).unwrap();
    let percent = f64::from(now) / f64::from(vcpus) * 100.0;
    let mut scene = scene(percent.min(100.0))
        .on(&name.instance_type)
        .seen(|seen| {
            seen.cpu_percent = percent.min(100.0);
            seen.cpu_peak_last_hour_percent = Some(percent);
            seen.past = Some(Past {
                now: Some(now),
                peak_1h: Some(now),
                peak_3h: Some(now.max(quiet)),
                peak_6h: Some(now.max(quiet)),
                ..Past::default()
            });
        });
    scene.policy.strategy = Strategy::Headroom;
    scene.policy.headroom = RULE;
    scene.policy.ladder = types
        .iter()
        .map(|known| known.instance_type.clone())
        .collect();
    scene.input.instance_types = types;
    scene
}

fn guided(scene: Scene, rule: Rule) -> Scene {
    scene.with(|scene| {
        scene.policy.strategy = Strategy::Adaptive;
        scene.state.guide = Some(Guide {
            reviewed_at: at(NOW - 3_600),
            rule,
            why: "it cost least".into(),
        });
    })
}

#[test]
fn headroom_jumps_to_the_rung_that_fits_both_ways() {
    sized(16, 0.5, 1.2).check(
        Action::ScaleDown,
        "m5.large",
        ReasonCode::QuietFitsSmaller,
        "the past 6 h's peak of 1.20 vCPU (the past hour counted in) fits 1.50, 75 % of m5.large, with probability",
    );
    sized(16, 0.5, 1.6).check(
        Action::ScaleDown,
        "m5.xlarge",
        ReasonCode::QuietFitsSmaller,
        "",
    );
    sized(2, 3.0, 6.5).check(
        Action::ScaleUp,
        "m5.4xlarge",
        ReasonCode::NeedAboveTarget,
        "the demand of 3.00 vCPU is above 1.80, 90 % of m5.large; m5.large to m5.4xlarge",
    );
    sized(4, 2.0, 3.9).holds(
        ReasonCode::SizeFits,
        "the demand is 2.00 vCPU, the past 6 h's peak is 3.90 vCPU",
    );
}

#[test]
fn a_rule_goes_down_only_after_its_hold_and_the_cooldown_counts_for_both_ways() {
    let quiet = sized(16, 0.5, 1.2);
    quiet
        .clone()
        .ended(Direction::Up, Outcome::Succeeded, 10_700)
        .holds(ReasonCode::SizeFits, "the last resize is 2 h 55 min ago");
    quiet
        .ended(Direction::Up, Outcome::Succeeded, 10_800)
        .check(
            Action::ScaleDown,
            "m5.large",
            ReasonCode::QuietFitsSmaller,
            "",
        );
    sized(2, 3.0, 3.0)
        .ended(Direction::Down, Outcome::Succeeded, 500)
        .holds(ReasonCode::Cooldown, "the demand of 3.00 vCPU");
}

#[test]
fn guards_hold_what_a_rule_wants() {
    let quiet = sized(16, 0.5, 1.2);
    // Its memory fits 16 GiB, not 8: the jump ends one rung earlier.
    quiet
        .clone()
        .seen(|seen| seen.memory_peak_mib = Some(8_000.0))
        .check(
            Action::ScaleDown,
            "m5.xlarge",
            ReasonCode::QuietFitsSmaller,
            "",
        );
    quiet
        .clone()
        .seen(|seen| seen.memory_peak_mib = Some(60_000.0))
        .holds(ReasonCode::MemoryGuard, "");
    quiet
        .clone()
        .seen(|seen| seen.cpu_evidence.spanned_seconds = 3_600)
        .holds(ReasonCode::EvidenceTooShort, "");
    // The forecast does not believe in it: 1.8 of 16 vCPU are 11.25 %, 3.6 are 22.5.
    let expecting = |cpu: f64| {
        quiet.clone().with(|scene| {
            scene.input.forecast.as_mut().unwrap().horizons = vec![horizon(900, cpu)];
        })
    };
    expecting(20.0).check(
        Action::ScaleDown,
        "m5.xlarge",
        ReasonCode::QuietFitsSmaller,
        "fits 3.00, 75 % of m5.xlarge, with probability 0.70",
    );
    expecting(60.0).holds(ReasonCode::ConfidenceTooLow, "90 % of m5.large");
    // What the past said and what was measured disagree.
    quiet
        .clone()
        .seen(|seen| seen.cpu_peak_last_hour_percent = Some(50.0))
        .holds(
            ReasonCode::PresentTooHigh,
            "which would be 75 % of m5.large",
        );
    quiet
        .paused(PauseDirection::Down)
        .holds(ReasonCode::Paused, "");
}

#[test]
fn a_rule_without_a_past_or_sizes_asks_for_nothing_but_goes_up_on_saturation() {
    for blind in [
        sized(2, 3.0, 3.0).seen(|seen| seen.past = None),
        sized(2, 3.0, 3.0).with(|scene| {
            scene.input.instance_types.pop();
        }),
    ] {
        blind.holds(ReasonCode::MetricsUnknown, "no rule can size the machine");
        blind
            .saturated(300)
            .check(Action::ScaleUp, "m5.xlarge", ReasonCode::Saturated, "");
    }
    // It has another need than the rule sees, and goes where the quiet fits.
    sized(2, 1.7, 4.0).saturated(300).check(
        Action::ScaleUp,
        "m5.2xlarge",
        ReasonCode::Saturated,
        "",
    );
}

#[test]
fn the_forecast_median_of_the_coming_hour_is_a_need() {
    let rule = Fit {
        up: Need::Served60m,
        up_target: 1.0,
        ..RULE
    };
    let scene = sized(2, 1.0, 1.0).with(|scene| {
        scene.policy.headroom = rule;
        let forecast = scene.input.forecast.as_mut().unwrap();
        forecast.horizons = vec![horizon(900, 60.0), horizon(3_600, 104.0)];
    });
    let verdict = scene.decide();
    assert_eq!(
        verdict.reason_code,
        ReasonCode::NeedAboveTarget,
        "{verdict:#?}"
    );
    // Between the first decile, 99, and the median: four fifths of the way down.
    assert!((verdict.confidence - 0.82).abs() < 1e-9, "{verdict:#?}");
    assert!(
        verdict.reason.contains("of 2.08 vCPU is above 2.00"),
        "{verdict:#?}"
    );
    // Likely, but not as likely as the policy asks.
    let unsure = scene.with(|scene| scene.policy.min_confidence = 0.9);
    unsure.holds(ReasonCode::ConfidenceTooLow, "");
}

#[test]
fn adaptive_runs_the_reviewed_rule_and_without_a_review_never_goes_down() {
    let quiet = sized(16, 0.5, 1.2);
    guided(quiet.clone(), Rule::Fit(RULE)).check(
        Action::ScaleDown,
        "m5.large",
        ReasonCode::QuietFitsSmaller,
        "",
    );
    guided(quiet.clone(), Rule::Largest)
        .holds(ReasonCode::SizeFits, "the largest size all the time");
    guided(sized(8, 0.5, 1.2), Rule::Largest).check(
        Action::ScaleUp,
        "m5.4xlarge",
        ReasonCode::NeedAboveTarget,
        "the largest size all the time",
    );
    let profile = |scene: Scene| {
        scene
            .with(|scene| scene.policy.strategy = Strategy::Adaptive)
            .seen(|seen| seen.past.as_mut().unwrap().profile_6h = Some(1.0))
    };
    profile(quiet).holds(ReasonCode::EvidenceTooShort, "has not been reviewed yet");
    profile(sized(2, 3.0, 3.0)).check(
        Action::ScaleUp,
        "m5.xlarge",
        ReasonCode::NeedAboveTarget,
        "",
    );
}

#[test]
fn by_default_a_saturated_machine_goes_up_before_anything_is_known_of_its_past() {
    let fresh = || {
        scene(99.0)
            .on("t2.small")
            .saturated(300)
            .with(|scene| scene.policy = Policy::default())
            .seen(|seen| {
                (seen.cpu_evidence, seen.memory_evidence) =
                    (Evidence::default(), Evidence::default());
                seen.cpu_peak_last_hour_percent = None;
            })
    };
    let blind = |scene: Scene| {
        scene
            .with(|scene| scene.input.forecast = None)
            .unknown(ReasonCode::ForecastUnavailable)
    };
    let full = |seen: &mut Observation| {
        seen.past = Some(Past {
            now: Some(1.0),
            peak_1h: Some(1.0),
            ..Past::default()
        });
    };
    let unsized_types = |scene: &mut Scene| scene.input.instance_types.clear();
    for scene in [
        fresh(),
        blind(fresh()),
        blind(fresh()).with(unsized_types),
        fresh().seen(full),
        blind(fresh()).seen(full),
    ] {
        let verdict = scene.decide();
        assert_eq!(
            (verdict.action, verdict.reason_code),
            (Action::ScaleUp, ReasonCode::Saturated),
            "{verdict:#?}"
        );
    }
    // Not for so long yet, but the demand is seen.
    let verdict = fresh().saturated(0).seen(full).decide();
    assert_eq!(verdict.action, Action::ScaleUp, "{verdict:#?}");
}

#[test]
fn the_rule_and_its_review_are_explained() {
    let scene = guided(sized(16, 0.5, 1.2), Rule::Fit(RULE));
    let reviewed = scene.state.guide.as_ref().map(|guide| guide.reviewed_at);
    let stored = scene.stored();
    let others = alternatives::of(&stored);
    let text = explain(&stored, &others, None, reviewed);
    assert!(
        text.contains("Rule      up when the demand is above 90 %"),
        "{text}"
    );
    assert!(
        text.contains("Review    2027-01-15T07:00:00Z: it cost least"),
        "{text}"
    );
    assert!(text.contains("gives the same decision again"), "{text}");
    assert!(text.contains("\nOtherwise "), "{text}");
    assert!(text.contains(" times this load, or more\n"), "{text}");
    let gone = "\n          its other candidates are not kept any more\n";
    assert!(!text.contains(gone), "{text}");
    for other in [None, Some(at(NOW))] {
        let text = explain(&stored, &others, None, other);
        assert!(text.contains(gone), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// At a fixed state and review.
    #[test]
    fn more_demand_never_gets_less_capacity(
        rule in prop::sample::select(pool::measured()),
        vcpus in prop::sample::select(vec![2_u32, 4, 8, 16]),
        demand in prop::collection::vec(0.0..20.0_f32, 8),
        forecast in 0.0..100.0_f64,
        (add, add_forecast) in (0.0..8.0_f32, 0.0..30.0_f64),
        (saturated, more_saturated) in (0..400_u32, 0..400_u32),
        ended in prop::option::of(0..50_000_i64),
        (lowest, highest, step) in (0..4_usize, 0..4_usize, 0..3_u32),
        period in prop::option::of((0..4_usize, 0..3_u8)),
    ) {
        let to = |add: f32, forecast: f64, saturated: u32| {
            let mut scene = guided(sized(vcpus, demand[0] + add, 0.0), rule).seen(|seen| {
                seen.saturated_seconds = saturated;
                let all = |place: usize| Some(demand[place] + add);
                seen.past = Some(Past {
                    now: all(0), peak_1h: all(1), peak_3h: all(2), peak_6h: all(3), peak_24h: all(4),
                    peak_168h: all(5), profile_6h: all(6), profile_12h: all(7),
                    ..Past::default()
                });
            });
            scene.input.forecast.as_mut().unwrap().horizons = vec![horizon(900, forecast)];
            let name = |rung: usize| Some(scene.policy.ladder[rung].clone());
            let (min_type, max_type) = (name(lowest.min(highest)), name(lowest.max(highest)));
            if let Some((rung, kind)) = period {
                let of_kind = |wanted: u8| name(rung).filter(|_| kind == wanted);
                scene.policy.schedule = vec![Period {
                    days: Vec::new(),
                    from: "00:00".into(),
                    to: "24:00".into(),
                    min_type: of_kind(0),
                    max_type: of_kind(1),
                    exact: of_kind(2),
                }];
            }
            (scene.policy.min_type, scene.policy.max_type) = (min_type, max_type);
            scene.policy.max_step = step;
            if let Some(ago) = ended {
                scene = scene.ended(Direction::Down, Outcome::Succeeded, ago);
            }
            let verdict = scene.decide();
            scene.input.size_of(&verdict.to_instance_type).unwrap().vcpus
        };
        let before = to(0.0, forecast, saturated);
        let after = to(add, forecast + add_forecast, saturated + more_saturated);
        prop_assert!(after >= before, "{after} after {before}");
    }
}
