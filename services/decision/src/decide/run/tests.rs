use super::*;
use crate::{
    decide::{
        input::{Forecast, Horizon, Observation, Quantile, State},
        verdict::{Check, ReasonCode, Verdict},
    },
    policy::document::Policy,
};

const ID: &str = "01980000-0000-7abc-8def-0123456789ab";

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
}

/// A hold with a CPU of so many percent, so many milliseconds later.
fn hold(milliseconds: i64, cpu_percent: f64) -> Stored {
    let observation = Observation {
        observed_at: at(milliseconds),
        cpu_percent,
        memory_percent: (cpu_percent > 20.0).then_some(50.0),
        memory_peak_mib: None,
        disk_bytes_per_second: None,
        samples: 9,
        saturated_seconds: 0,
        memory_pressed_seconds: 0,
        cpu_evidence: crate::decide::input::Evidence::default(),
        memory_evidence: crate::decide::input::Evidence::default(),
        cpu_peak_last_hour_percent: None,
        steal_percent: None,
        sample_age_limit_seconds: 0,
        past: None,
    };
    let peak = |value| {
        [0.1, 0.5, 0.9]
            .map(|quantile| Quantile {
                quantile,
                value: value + quantile,
            })
            .to_vec()
    };
    let forecast = Forecast {
        series_id: String::new(),
        basis: crate::decide::input::Basis::Naive,
        basis_reason: String::new(),
        origin: None,
        last_cpu: cpu_percent,
        horizons: [300, 900]
            .map(|horizon_seconds| Horizon {
                horizon_seconds,
                at_horizon: Vec::new(),
                peak: peak(cpu_percent + f64::from(horizon_seconds)),
                point: cpu_percent,
            })
            .to_vec(),
        history: None,
    };
    let input = Input {
        tick_id: format!("tick-{milliseconds}"),
        target_id: "web-1".to_owned(),
        instance_id: "i-1".to_owned(),
        instance_type: "t2.small".to_owned(),
        observation: Some(observation),
        forecast: Some(forecast),
        unknown: None,
        dry_run: false,
        lease_epoch: 7,
        instance_types: Vec::new(),
        ladder: Vec::new(),
        notes: Vec::new(),
    };
    Stored {
        decision: Decision {
            decision_id: ID.to_owned(),
            tick_id: input.tick_id.clone(),
            target_id: input.target_id.clone(),
            instance_id: input.instance_id.clone(),
            decided_at: at(milliseconds),
            from_instance_type: input.instance_type.clone(),
            verdict: Verdict {
                action: Action::Hold,
                to_instance_type: "t2.small".to_owned(),
                reason_code: ReasonCode::SizeFits,
                reason: format!("CPU {cpu_percent} %"),
                confidence: 0.9,
                predicted_cpu_percent: Some(cpu_percent),
                horizon_seconds: 900,
                checks: vec![Check {
                    name: "forecast".to_owned(),
                    verdict: CheckVerdict::Block,
                    detail: format!("CPU {cpu_percent} %"),
                }],
            },
            dry_run: false,
            policy_version: "v".to_owned(),
            input_digest: "digest".to_owned(),
            lease_epoch: 7,
            pending: false,
            end: None,
        },
        input,
        state: State::default(),
        policy: Policy::default(),
    }
}

/// A run of holds at these milliseconds, and the holds.
fn run(all: &[i64]) -> (Run, Vec<Stored>) {
    let mut holds: Vec<Stored> = all
        .iter()
        .map(|milliseconds| hold(*milliseconds, *milliseconds as f64 / 10_000.0))
        .collect();
    let mut run = Run::begin(&mut holds[0]).unwrap();
    for place in 1..holds.len() {
        assert!(run.admits(&holds[place - 1].decision, &holds[place].decision));
        run = run.joined(&mut holds[place]);
    }
    (run, holds)
}

#[test]
fn an_id_of_a_run_says_which_hold_it_is() {
    let (run, holds) = run(&[0, 300_000, 600_500, 900_000]);
    for stored in &holds {
        let decision = &stored.decision;
        let id = Uuid::try_parse(&decision.decision_id).unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(tail_of(&decision.decision_id), Some(run.tail));
        assert_eq!(run.at_id(&decision.decision_id), Some(decision.decided_at));
        assert_eq!(
            run.of_tick(&decision.tick_id).as_ref(),
            Some(&decision.decision_id)
        );
        assert_eq!(
            run.at(decision.decided_at).as_ref(),
            Some(&decision.decision_id)
        );
        assert_eq!(
            run.at(decision.decided_at + jiff::SignedDuration::from_millis(1))
                .as_ref(),
            Some(&decision.decision_id)
        );
    }
    let ids: Vec<&String> = holds
        .iter()
        .map(|stored| &stored.decision.decision_id)
        .collect();
    assert!(ids.is_sorted());
    assert_eq!((&run.first_id(), &run.newest_id()), (ids[0], ids[3]));
    assert_eq!(
        (run.count(), run.since(), run.until()),
        (4, at(0), at(900_000))
    );
    // No hold was then, in no such tick, and under no such id.
    assert_eq!(run.at(at(-1)), None);
    assert_eq!(run.of_tick("tick-1"), None);
    assert_eq!(run.at_id(ID), None);
    assert_eq!(run.at_id("x"), None);
}

#[test]
fn what_is_known_of_a_merged_hold_is_what_all_have_in_common() {
    let (run, holds) = run(&[0, 300_000, 600_000]);
    let [first, merged, newest] = &holds[..] else {
        panic!()
    };
    let known = run
        .merged(&merged.decision.decision_id, &newest.decision)
        .unwrap();
    assert_eq!(known.decided_at, merged.decision.decided_at);
    assert_eq!(
        known.verdict.reason_code,
        merged.decision.verdict.reason_code
    );
    assert_eq!(
        known.verdict.reason,
        "one of 3 holds in a row for one reason; the newest of them: CPU 60 %"
    );
    assert!(
        known.verdict.checks.is_empty()
            && known.tick_id.is_empty()
            && known.input_digest.is_empty()
    );
    assert_eq!(known.verdict.predicted_cpu_percent, None);
    assert!(run.merged(ID, &first.decision).is_none());
}

#[test]
fn extremes_are_of_all_holds() {
    let (run, _) = run(&[300_000, 600_000, 900_000]);
    let range = |min, max| Some(Range { min, max });
    assert_eq!(run.extremes.cpu_percent, range(30.0, 90.0));
    assert_eq!(run.extremes.memory_percent, range(50.0, 50.0));
    assert_eq!(run.extremes.forecast_peak_percent, range(930.5, 990.5));
    let low = self::run(&[0, 100_000]).0;
    assert_eq!(low.extremes.memory_percent, None);
}

#[test]
fn another_reason_another_machine_and_another_clock_end_a_run() {
    let (run, holds) = run(&[0, 300_000]);
    let newest = &holds[1].decision;
    let next = hold(600_000, 5.0).decision;
    assert!(run.admits(newest, &next));
    let changes: [fn(&mut Decision); 11] = [
        |next| next.verdict.action = Action::ScaleUp,
        |next| next.verdict.reason_code = ReasonCode::Cooldown,
        |next| next.verdict.checks[0].name = "rung".to_owned(),
        |next| next.verdict.checks[0].verdict = CheckVerdict::Pass,
        |next| next.verdict.to_instance_type = "t2.medium".to_owned(),
        |next| next.from_instance_type = "t2.medium".to_owned(),
        |next| next.instance_id = "i-2".to_owned(),
        |next| next.policy_version = "w".to_owned(),
        |next| next.dry_run = true,
        |next| next.decided_at = at(300_000),
        |next| next.decided_at = at(300_001 + LONGEST_GAP),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = next.clone();
        change(&mut other);
        assert!(!run.admits(newest, &other), "{number}");
    }
    let long: Vec<i64> = (0..MOST as i64).map(|number| number * 300_000).collect();
    let (long, holds) = self::run(&long);
    let next = hold(MOST as i64 * 300_000, 5.0).decision;
    assert!(!long.admits(&holds[MOST - 1].decision, &next));
    let mut action = hold(0, 5.0);
    action.decision.verdict.action = Action::ScaleDown;
    assert_eq!(Run::begin(&mut action), None);
}

#[test]
fn packed_runs_unpack_and_nothing_else_does() {
    for times in [&[0][..], &[0, 1], &[0, 300_000, 300_001, 3_900_001]] {
        let (run, _) = run(times);
        let bytes = run.packed();
        assert_eq!(
            Run::unpacked(run.tail, run.extremes, &bytes),
            Some(run.clone())
        );
        for end in 1..bytes.len() {
            let part = Run::unpacked(run.tail, run.extremes, &bytes[..end]);
            assert!(part.is_none_or(|part| part.count() < run.count()), "{end}");
        }
    }
    let (run, _) = run(&[0]);
    assert_eq!(Run::unpacked(run.tail, run.extremes, &[0; 8]), None);
    assert_eq!(Run::unpacked(run.tail, run.extremes, &[0xff; 40]), None);
}
