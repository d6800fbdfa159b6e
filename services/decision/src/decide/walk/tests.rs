mod bounds;
mod guarding;
mod limits;
mod pressure;
mod properties;
mod rules;
mod schedule;
mod times;

use super::*;
use crate::{
    decide::{
        input::{
            Basis, Evidence, Forecast, Horizon, InstanceType, Observation, PendingAction, Quantile,
            Unknown,
        },
        record::{Decision, Stored},
    },
    fleet::{
        cooldown::Cooldowns,
        direction::Direction,
        outcome::Outcome,
        pause::{Pause, PauseDirection},
    },
    policy::document::Strategy,
};

const NOW: i64 = 1_800_000_000;
const TWO_DAYS: Evidence = Evidence {
    spanned_seconds: 172_800,
    observed_seconds: 172_000,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Quantiles around `median`, ten percent of CPU from the first to the ninth decile.
fn horizon(seconds: u32, median: f64) -> Horizon {
    let around = [
        (0.05, -8.0),
        (0.1, -5.0),
        (0.5, 0.0),
        (0.9, 5.0),
        (0.99, 12.0),
    ];
    let quantiles: Vec<Quantile> = around
        .iter()
        .map(|&(quantile, offset)| Quantile {
            quantile,
            value: f64::max(median + offset, 0.0),
        })
        .collect();
    Horizon {
        horizon_seconds: seconds,
        peak: quantiles.clone(),
        at_horizon: quantiles,
        point: median,
    }
}

/// One case: a t2.medium at rest in the middle, everything known; each test changes what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) policy: Policy,
    pub(crate) input: Input,
    pub(crate) state: State,
    now: Timestamp,
}

pub(crate) fn scene(forecast_cpu: f64) -> Scene {
    let sizes = [
        ("t2.small", 1, 2_048),
        ("t2.medium", 2, 4_096),
        ("t2.large", 2, 8_192),
    ];
    Scene {
        policy: Policy {
            strategy: Strategy::Threshold,
            ..Policy::default()
        },
        input: Input {
            tick_id: "tick-1".into(),
            target_id: "web-1".into(),
            instance_id: "i-0abc".into(),
            instance_type: "t2.medium".into(),
            observation: Some(Observation {
                observed_at: at(NOW - 12),
                cpu_percent: 20.0,
                memory_percent: Some(20.0),
                memory_peak_mib: Some(900.0),
                disk_bytes_per_second: Some(1_000.0),
                samples: 60,
                saturated_seconds: 0,
                memory_pressed_seconds: 0,
                cpu_evidence: TWO_DAYS,
                memory_evidence: TWO_DAYS,
                cpu_peak_last_hour_percent: Some(25.0),
                sample_age_limit_seconds: 0,
                steal_percent: None,
                past: None,
            }),
            forecast: Some(Forecast {
                series_id: "web-1".into(),
                basis: Basis::Model,
                basis_reason: String::new(),
                origin: Some(at(NOW - 12)),
                last_cpu: 50.0,
                horizons: vec![
                    horizon(300, 50.0),
                    horizon(900, forecast_cpu),
                    horizon(1_800, 50.0),
                ],
                history: None,
            }),
            unknown: None,
            dry_run: false,
            lease_epoch: 1,
            instance_types: sizes
                .iter()
                .map(|&(name, vcpus, memory_mib)| InstanceType {
                    instance_type: name.into(),
                    vcpus,
                    memory_mib,
                })
                .collect(),
            ladder: Vec::new(),
            notes: Vec::new(),
        },
        state: State::default(),
        now: at(NOW),
    }
}

impl Scene {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn on(self, instance_type: &str) -> Self {
        self.with(|scene| scene.input.instance_type = instance_type.into())
    }

    fn seen(self, change: impl FnOnce(&mut Observation)) -> Self {
        self.with(|scene| change(scene.input.observation.as_mut().unwrap()))
    }

    fn saturated(self, seconds: u32) -> Self {
        self.seen(|observation| {
            observation.cpu_percent = 99.0;
            observation.saturated_seconds = seconds;
        })
    }

    fn unknown(self, code: ReasonCode) -> Self {
        self.with(|scene| {
            scene.input.unknown = Some(Unknown {
                code,
                reason: "prometheus did not answer".into(),
            });
        })
    }

    fn paused(self, direction: PauseDirection) -> Self {
        self.with(|scene| {
            scene.state.pauses.push(Pause {
                target_id: String::new(),
                direction,
                reason: "release week".into(),
                since: at(NOW - 60),
                until: None,
                by: String::new(),
            });
        })
    }

    fn ended(self, direction: Direction, outcome: Outcome, seconds_ago: i64) -> Self {
        self.with(|scene| {
            scene.state.cooldowns =
                scene
                    .state
                    .cooldowns
                    .after(direction, outcome, at(NOW - seconds_ago));
        })
    }

    fn decide(&self) -> Verdict {
        decide(&self.policy, &self.input, &self.state, self.now)
    }

    /// As the store keeps it.
    pub(crate) fn stored(&self) -> Stored {
        Stored {
            decision: Decision {
                decision_id: "019ac000-0000-7000-8000-000000000001".into(),
                tick_id: self.input.tick_id.clone(),
                target_id: self.input.target_id.clone(),
                instance_id: self.input.instance_id.clone(),
                decided_at: self.now,
                from_instance_type: self.input.instance_type.clone(),
                verdict: self.decide(),
                dry_run: self.input.dry_run,
                policy_version: self.policy.version(),
                input_digest: self.input.digest(),
                lease_epoch: self.input.lease_epoch,
                pending: false,
                end: None,
            },
            input: self.input.clone(),
            state: self.state.clone(),
            policy: self.policy.clone(),
        }
    }

    /// Decides and compares action, type, code and a part of the sentence.
    #[track_caller]
    fn check(&self, action: Action, to: &str, code: ReasonCode, sentence: &str) {
        let verdict = self.decide();
        assert_eq!(
            (
                verdict.action,
                verdict.to_instance_type.as_str(),
                verdict.reason_code
            ),
            (action, to, code),
            "{verdict:#?}"
        );
        assert!(
            verdict.reason.contains(sentence),
            "{:?} lacks {sentence:?}",
            verdict.reason
        );
        let names: Vec<&str> = verdict
            .checks
            .iter()
            .map(|check| check.name.as_str())
            .collect();
        assert_eq!(names, guards::names().collect::<Vec<_>>());
        let blocks = verdict
            .checks
            .iter()
            .filter(|check| check.verdict == CheckVerdict::Block)
            .count();
        assert_eq!(
            blocks,
            usize::from(action == Action::Hold),
            "{:#?}",
            verdict.checks
        );
        assert!(!verdict.reason.contains('\n') && !verdict.reason.ends_with('.'));
    }

    #[track_caller]
    fn holds(&self, code: ReasonCode, sentence: &str) {
        self.check(Action::Hold, &self.input.instance_type, code, sentence);
    }
}

#[test]
fn the_forecast_moves_one_rung() {
    scene(82.4).on("t2.small").check(
        Action::ScaleUp,
        "t2.medium",
        ReasonCode::ForecastAboveUpThreshold,
        "forecast 82.4 % in 15 min is above 75 %, with probability 0.94; t2.small to t2.medium",
    );
    scene(12.0).check(
        Action::ScaleDown,
        "t2.small",
        ReasonCode::ForecastBelowDownThreshold,
        "forecast 12.0 % in 15 min is below 30 %, with probability 1.00; t2.medium to t2.small",
    );
    scene(50.0).holds(
        ReasonCode::ForecastInRange,
        "forecast 50.0 % in 15 min lies between 30 % and 75 %",
    );
}

#[test]
fn thresholds_themselves_are_in_range() {
    scene(75.0).holds(ReasonCode::ForecastInRange, "forecast 75.0 %");
    scene(30.0).holds(ReasonCode::ForecastInRange, "forecast 30.0 %");
}

#[test]
fn the_nearest_horizon_at_or_above_the_policys_decides() {
    let verdict = scene(90.0).decide();
    assert_eq!(
        (verdict.horizon_seconds, verdict.predicted_cpu_percent),
        (900, Some(90.0))
    );
    let verdict = scene(90.0)
        .with(|scene| scene.policy.horizon_seconds = 901)
        .decide();
    assert_eq!(
        (verdict.horizon_seconds, verdict.predicted_cpu_percent),
        (1_800, Some(50.0))
    );
    scene(90.0)
        .with(|scene| scene.policy.horizon_seconds = 3_600)
        .holds(
            ReasonCode::ForecastUnavailable,
            "the forecast reaches 30 min ahead; policy.horizon_seconds asks for 1 h",
        );
}

#[test]
fn the_ends_of_the_ladder_hold() {
    scene(90.0).on("t2.large").holds(
        ReasonCode::AtMaxRung,
        "forecast 90.0 % in 15 min is above 75 %, but t2.large is the largest type of the ladder",
    );
    scene(5.0).on("t2.small").holds(
        ReasonCode::AtMinRung,
        "t2.small is the smallest type of the ladder",
    );
    scene(90.0).on("m5.large").holds(
        ReasonCode::TypeOutsideLadder,
        "m5.large is not on the ladder (t2.small, t2.medium, t2.large); put it into policy.ladder",
    );
}

#[test]
fn a_target_may_have_its_own_ladder() {
    scene(90.0)
        .on("m5.large")
        .with(|scene| scene.input.ladder = vec!["m5.large".into(), "m5.xlarge".into()])
        .check(
            Action::ScaleUp,
            "m5.xlarge",
            ReasonCode::ForecastAboveUpThreshold,
            "m5.large to m5.xlarge",
        );
}

#[test]
fn an_unsure_forecast_holds() {
    scene(75.5).holds(
        ReasonCode::ConfidenceTooLow,
        "forecast 75.5 % in 15 min is above 75 %, but only with probability 0.54; 0.60 is asked",
    );
    scene(29.5).holds(
        ReasonCode::ConfidenceTooLow,
        "is below 30 %, but only with probability 0.54",
    );
}

#[test]
fn the_unknown_holds_and_says_why() {
    for code in [
        ReasonCode::MetricsUnknown,
        ReasonCode::InstanceUnavailable,
        ReasonCode::ForecastUnavailable,
    ] {
        for cpu in [5.0, 90.0] {
            scene(cpu)
                .unknown(code)
                .holds(code, "prometheus did not answer");
        }
    }
    scene(5.0)
        .with(|scene| scene.input.observation = None)
        .holds(ReasonCode::MetricsUnknown, "the request has no observation");
    scene(5.0).with(|scene| scene.input.forecast = None).holds(
        ReasonCode::ForecastUnavailable,
        "the request has no forecast",
    );
}

#[test]
fn old_and_future_samples_are_unknown() {
    scene(90.0)
        .seen(|seen| seen.observed_at = at(NOW - 301))
        .holds(
            ReasonCode::MetricsUnknown,
            "the last CPU sample is 5 min 1 s old; samples older than 5 min are unknown",
        );
    scene(90.0)
        .seen(|seen| seen.observed_at = at(NOW + 7_200))
        .holds(
            ReasonCode::MetricsUnknown,
            "the last CPU sample lies 2 h ahead of this machine's clock",
        );
    scene(90.0)
        .with(|scene| scene.input.forecast.as_mut().unwrap().origin = Some(at(NOW - 900)))
        .holds(
            ReasonCode::ForecastUnavailable,
            "the forecast starts from a sample that is 15 min old",
        );
}

#[test]
fn a_sample_as_old_as_its_step_makes_usual_is_the_present() {
    let aged = |seconds: i64| {
        scene(90.0)
            .with(move |scene| {
                scene.input.forecast.as_mut().unwrap().origin = Some(at(NOW - seconds));
            })
            .seen(move |seen| {
                seen.observed_at = at(NOW - seconds);
                seen.sample_age_limit_seconds = 780;
            })
    };
    for seconds in [301, 780] {
        aged(seconds).check(
            Action::ScaleUp,
            "t2.large",
            ReasonCode::ForecastAboveUpThreshold,
            "forecast 90.0 %",
        );
    }
    aged(781).holds(
        ReasonCode::MetricsUnknown,
        "the last CPU sample is 13 min 1 s old; samples older than 13 min are unknown",
    );
    // It is no way to be stricter than the policy.
    scene(90.0)
        .seen(|seen| seen.sample_age_limit_seconds = 1)
        .check(
            Action::ScaleUp,
            "t2.large",
            ReasonCode::ForecastAboveUpThreshold,
            "forecast 90.0 %",
        );
}

#[test]
fn sustained_saturation_scales_up_whatever_the_forecast() {
    let up = |scene: Scene, sentence| {
        scene.check(Action::ScaleUp, "t2.large", ReasonCode::Saturated, sentence);
    };
    up(
        scene(20.0).saturated(420),
        "CPU has been at 95 % or above for 7 min, 5 min are enough whatever the forecast (forecast 20.0 % in 15 min)",
    );
    // Neither a doubtful forecast nor none at all takes the floor away.
    up(scene(75.5).saturated(300), "forecast 75.5 %");
    up(
        scene(20.0)
            .saturated(300)
            .unknown(ReasonCode::ForecastUnavailable),
        "there is no forecast",
    );
    up(
        scene(20.0)
            .saturated(300)
            .with(|scene| scene.input.forecast = None),
        "there is no forecast",
    );
    // A sure forecast is the better reason.
    scene(90.0).saturated(300).check(
        Action::ScaleUp,
        "t2.large",
        ReasonCode::ForecastAboveUpThreshold,
        "forecast 90.0 %",
    );
    scene(50.0)
        .saturated(299)
        .holds(ReasonCode::ForecastInRange, "");
    scene(50.0)
        .saturated(9_000)
        .with(|scene| scene.policy.saturation_seconds = 0)
        .holds(ReasonCode::ForecastInRange, "");
    scene(50.0)
        .saturated(300)
        .unknown(ReasonCode::MetricsUnknown)
        .holds(ReasonCode::MetricsUnknown, "");
    scene(50.0)
        .saturated(300)
        .on("t2.large")
        .holds(ReasonCode::AtMaxRung, "at 95 % or above for 5 min");
    scene(50.0)
        .saturated(300)
        .seen(|seen| seen.observed_at = at(NOW - 400))
        .holds(ReasonCode::MetricsUnknown, "old");
}

#[test]
fn pauses_forbid_what_they_name() {
    scene(50.0).paused(PauseDirection::Both).holds(
        ReasonCode::Paused,
        "scaling of the whole fleet is paused since 2027-01-15T07:59:00Z until it is resumed (release week)",
    );
    scene(90.0).paused(PauseDirection::Up).holds(
        ReasonCode::Paused,
        "it holds back scaling up: forecast 90.0 % in 15 min is above 75 %",
    );
    scene(5.0).paused(PauseDirection::Up).check(
        Action::ScaleDown,
        "t2.small",
        ReasonCode::ForecastBelowDownThreshold,
        "",
    );
    scene(5.0)
        .paused(PauseDirection::Down)
        .holds(ReasonCode::Paused, "scaling down");
    scene(50.0)
        .paused(PauseDirection::Down)
        .holds(ReasonCode::ForecastInRange, "");
}

#[test]
fn an_action_under_way_is_waited_for() {
    let pending = |target: &str| {
        let target_id = target.to_owned();
        scene(90.0).with(|scene| {
            scene.state.pending = Some(PendingAction {
                decision_id: "0190".into(),
                target_id,
                action: Action::ScaleUp,
                from_instance_type: "t2.small".into(),
                to_instance_type: "t2.medium".into(),
                decided_at: at(NOW - 300),
            });
        })
    };
    pending("web-1").holds(
        ReasonCode::ActionPending,
        "t2.small to t2.medium has not ended; decided 5 min ago as 0190",
    );
    pending("web-2").holds(
        ReasonCode::ActionPending,
        "of target web-2, which names the same instance,",
    );
}

#[test]
fn cooldown_counts_from_the_end_of_a_resize() {
    for direction in Direction::ALL {
        scene(90.0).ended(direction, Outcome::Succeeded, 599).holds(
            ReasonCode::Cooldown,
            "is above 75 %, but the last resize ended 9 min 59 s ago; cooldown 10 min, 1 s left",
        );
        scene(90.0).ended(direction, Outcome::Succeeded, 600).check(
            Action::ScaleUp,
            "t2.large",
            ReasonCode::ForecastAboveUpThreshold,
            "",
        );
        scene(90.0).ended(direction, Outcome::DryRun, 1).check(
            Action::ScaleUp,
            "t2.large",
            ReasonCode::ForecastAboveUpThreshold,
            "",
        );
    }
}

#[test]
fn memory_guards_the_way_down() {
    let down = |scene: Scene| {
        scene.check(
            Action::ScaleDown,
            "t2.small",
            ReasonCode::ForecastBelowDownThreshold,
            "",
        );
    };
    // 2,048 MiB hold 1,706 MiB and 20 percent, but not 1,707.
    down(scene(5.0).seen(|seen| seen.memory_peak_mib = Some(1_706.0)));
    scene(5.0)
        .seen(|seen| seen.memory_peak_mib = Some(1_707.0))
        .holds(
            ReasonCode::MemoryGuard,
            "but t2.small has 2048 MiB; the peak of 1707 MiB plus 20 % is 2048 MiB",
        );
    scene(5.0)
        .seen(|seen| seen.memory_peak_mib = None)
        .holds(ReasonCode::MemoryGuard, "but the memory in use is unknown");
    for forget in [
        (|scene: &mut Scene| scene.input.instance_types.clear()) as fn(&mut Scene),
        |scene| scene.input.instance_types[0].memory_mib = 0,
    ] {
        scene(5.0).with(forget).holds(
            ReasonCode::MemoryGuard,
            "but the memory of t2.small is unknown",
        );
        // The way up needs no proof.
        scene(90.0).with(forget).check(
            Action::ScaleUp,
            "t2.large",
            ReasonCode::ForecastAboveUpThreshold,
            "",
        );
    }
    // A rung with less memory is no way up, whatever is used.
    let lean = |peak| {
        scene(90.0).on("t2.large").with(|scene| {
            scene.input.ladder = vec!["t2.large".into(), "c5.large".into()];
            scene.input.instance_types.push(InstanceType {
                instance_type: "c5.large".into(),
                vcpus: 2,
                memory_mib: 4_096,
            });
            scene.input.observation.as_mut().unwrap().memory_peak_mib = peak;
        })
    };
    for peak in [Some(1_000.0), Some(6_000.0), None] {
        lean(peak).holds(
            ReasonCode::AtMaxRung,
            "no step up in vCPU and memory: c5.large",
        );
    }
}

#[test]
fn percent_is_worth_less_on_a_smaller_type() {
    let from_four_to_one = |cpu| {
        scene(cpu).with(|scene| {
            scene.input.instance_types[1].vcpus = 4;
            let seen = scene.input.observation.as_mut().unwrap();
            seen.memory_peak_mib = Some(100.0);
            seen.cpu_percent = 10.0;
            seen.cpu_peak_last_hour_percent = Some(12.0);
        })
    };
    from_four_to_one(25.0).holds(
        ReasonCode::ForecastInRange,
        "forecast 25.0 % in 15 min is below 30 %, but not below 18.8 %, which would be 75 % of t2.small (1 vCPU instead of 4)",
    );
    from_four_to_one(10.0).check(
        Action::ScaleDown,
        "t2.small",
        ReasonCode::ForecastBelowDownThreshold,
        "is below 18.8 %",
    );
}

#[test]
fn a_state_without_memory_is_the_empty_state() {
    // A row of an older version, before timers were kept, is still read.
    let old = r#"{"pending":null,"pauses":[],"cooldowns":{"up":{"ended_at":"2026-01-01T00:00:00Z","failures":0},"down":null}}"#;
    let state: State = serde_json::from_str(old).unwrap();
    assert!(!state.cooldowns.up.unwrap().timer_running);
    assert_eq!(State::default().cooldowns, Cooldowns::default());
}

#[test]
fn a_lull_before_a_peak_is_no_time_for_a_smaller_type() {
    let until = |peak| {
        scene(10.0).with(|scene| {
            scene.input.forecast.as_mut().unwrap().horizons[1].peak = horizon(900, peak).at_horizon;
        })
    };
    // t2.small at 75 % does what t2.medium does at 37.5 %.
    until(30.0).check(
        Action::ScaleDown,
        "t2.small",
        ReasonCode::ForecastBelowDownThreshold,
        "forecast 10.0 % in 15 min is below 30 %, with probability 0.93; t2.medium to t2.small",
    );
    until(40.0).holds(
        ReasonCode::ConfidenceTooLow,
        "forecast 10.0 % in 15 min is below 30 %, but the peak until then stays below 37.5 %, which would be 75 % of \
         t2.small (1 vCPU instead of 2) only with probability 0.30; 0.60 is asked",
    );
    // Who sends no peak is taken at the word of the horizon.
    let silent = scene(10.0).with(|scene| {
        scene.input.forecast.as_mut().unwrap().horizons[1]
            .peak
            .clear()
    });
    assert_eq!(silent.decide().action, Action::ScaleDown);
}

#[test]
fn a_machine_is_known_for_a_day_before_it_becomes_smaller() {
    let with = |change: fn(&mut Observation)| scene(10.0).seen(change);
    let day = ReasonCode::EvidenceTooShort;
    with(|seen| seen.cpu_evidence.spanned_seconds = 600).holds(
        day,
        "but CPU was observed for 47 h 46 min within 10 min; 12 h within 24 h are asked",
    );
    with(|seen| seen.cpu_evidence.observed_seconds = 43_199)
        .holds(day, "CPU was observed for 11 h");
    with(|seen| seen.memory_evidence = Evidence::default())
        .holds(day, "memory was observed for 0 s");
    // A caller of before, who doesn't say.
    with(|seen| seen.cpu_evidence = Evidence::default()).holds(day, "within 0 s");

    let less = with(|seen| seen.cpu_evidence.spanned_seconds = 3_600).with(|scene| {
        scene.policy.down_history_seconds = 3_600;
        scene.policy.down_observed_seconds = 0;
    });
    less.check(
        Action::ScaleDown,
        "t2.small",
        ReasonCode::ForecastBelowDownThreshold,
        "",
    );
    // The way up asks for none.
    scene(90.0)
        .seen(|seen| seen.cpu_evidence = Evidence::default())
        .check(
            Action::ScaleUp,
            "t2.large",
            ReasonCode::ForecastAboveUpThreshold,
            "",
        );
}

#[test]
fn whatever_the_forecast_the_present_must_fit_the_smaller_type() {
    // t2.small at 75 % does what t2.medium does at 37.5 %.
    let with = |now, peak| {
        scene(10.0).seen(|seen| {
            seen.cpu_percent = now;
            seen.cpu_peak_last_hour_percent = peak;
        })
    };
    let high = ReasonCode::PresentTooHigh;
    with(38.0, Some(20.0)).holds(
        high,
        "CPU is 38.0 % and was at most 20.0 % in the past hour, above 37.5 %",
    );
    with(20.0, Some(38.0)).holds(high, "was at most 38.0 %");
    // Demand of a larger type of an hour ago.
    with(20.0, Some(180.0)).holds(high, "was at most 180.0 %");
    with(20.0, None).holds(high, "the past hour's peak is unknown");
    with(37.5, Some(37.5)).check(
        Action::ScaleDown,
        "t2.small",
        ReasonCode::ForecastBelowDownThreshold,
        "",
    );
    let unknown = with(1.0, Some(1.0)).with(|scene| scene.input.instance_types[0].vcpus = 0);
    unknown.holds(high, "the vCPUs of t2.medium or of t2.small are unknown");
}

#[test]
fn a_ladder_that_falls_is_refused_whichever_way_the_forecast_goes() {
    for forecast in [10.0, 50.0, 90.0] {
        let turned = scene(forecast).with(|scene| scene.policy.ladder.reverse());
        turned.holds(
            ReasonCode::LadderUnordered,
            "t2.large (2 vCPU, 8192 MiB) stands below t2.small (1 vCPU, 2048 MiB), which is smaller; write the smallest first",
        );
    }
    // A target's own.
    let own = scene(10.0).with(|scene| {
        scene.input.ladder = vec!["t2.medium".into(), "t2.small".into()];
    });
    own.holds(ReasonCode::LadderUnordered, "t2.medium (2 vCPU");
}

#[test]
fn a_rung_that_adds_no_cpu_is_skipped_on_the_way_up() {
    let ladder =
        |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.into()).collect() };
    let on = |current: &str, names: &[&str]| {
        let sizes = [
            ("c6i.large", 2, 4_096),
            ("m6i.large", 2, 8_192),
            ("r6i.large", 2, 16_384),
            ("m6i.xlarge", 4, 16_384),
        ];
        scene(90.0).on(current).with(|scene| {
            scene.input.ladder = ladder(names);
            scene.input.instance_types = sizes
                .map(|(name, vcpus, memory_mib)| InstanceType {
                    instance_type: name.into(),
                    vcpus,
                    memory_mib,
                })
                .to_vec();
        })
    };
    on("c6i.large", &["c6i.large", "m6i.large", "m6i.xlarge"]).check(
        Action::ScaleUp,
        "m6i.xlarge",
        ReasonCode::ForecastAboveUpThreshold,
        "",
    );
    on("m6i.large", &["m6i.large", "c6i.large", "m6i.xlarge"]).check(
        Action::ScaleUp,
        "m6i.xlarge",
        ReasonCode::ForecastAboveUpThreshold,
        "",
    );
    on("m6i.large", &["m6i.large", "r6i.large"]).holds(
        ReasonCode::AtMaxRung,
        "m6i.large is the largest type of the ladder; skipped, for it is no step up in vCPU and memory: r6i.large",
    );
    // What it would come to is not known: it could be less.
    on("c6i.large", &["c6i.large", "x9.large", "m6i.xlarge"]).check(
        Action::ScaleUp,
        "m6i.xlarge",
        ReasonCode::ForecastAboveUpThreshold,
        "",
    );
    on("m6i.large", &["c6i.large", "m6i.large", "x9.large"]).holds(
        ReasonCode::AtMaxRung,
        "m6i.large is the largest type of the ladder; skipped, for its size is not known: x9.large",
    );
    // Where no size is known the ladder's word is all there is.
    for current in ["x9.large", "m6i.large"] {
        on(current, &[current, "x9.xlarge"]).check(
            Action::ScaleUp,
            "x9.xlarge",
            ReasonCode::ForecastAboveUpThreshold,
            "",
        );
    }
}
