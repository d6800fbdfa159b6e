//! The calibration state that travels with the caller: used, refused with a reason, and worth its bytes.

use forecasting::{
    artifact::{Artifact, Location},
    forecast::{Forecast, Forecaster, Source},
    series::Series,
};

const STEP: i64 = 300;
const TWO_DAYS: usize = 576;

fn forecaster() -> Forecaster {
    Forecaster::new(Artifact::open(&Location::Embedded, 1).unwrap()).unwrap()
}

/// An hourly job on a daily curve, with noise.
fn value(index: usize) -> f64 {
    let mixed = (index as u32 ^ 0x5bd1).wrapping_mul(0x85eb_ca6b);
    let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
    let noise = f64::from((mixed ^ (mixed >> 16)) & 0xfff) / 4096.0;
    let daily = (index as f64 / 288.0 * std::f64::consts::TAU).sin();
    let job = if index % 12 < 2 { 25.0 } else { 0.0 };
    30.0 + 10.0 * daily + job + 6.0 * noise
}

/// The `points` samples up to `last`, and a state.
fn window(last: usize, points: usize, calibration_state: Vec<u8>) -> Series {
    let indices = (last + 1).saturating_sub(points)..=last;
    Series {
        id: "web".into(),
        timestamps_seconds: indices
            .clone()
            .map(|index| 1_700_000_000 + index as i64 * STEP)
            .collect(),
        cpu: indices.map(value).collect(),
        capacity: 100.0,
        calibration_state,
    }
}

fn ask(forecaster: &Forecaster, series: Series) -> Forecast {
    let manifest = &forecaster.artifact().manifest;
    let (horizons, quantiles) = (&manifest.horizons_seconds, &manifest.quantiles);
    let mut answers = forecaster.forecast(&[series], horizons, quantiles).unwrap();
    answers.remove(0)
}

#[test]
fn a_state_is_used_and_grows_with_each_outcome() {
    let forecaster = forecaster();
    let mut answer = ask(&forecaster, window(2_500, 2_016, Vec::new()));
    assert_eq!(answer.calibration_source, Source::Rebuilt);
    assert_eq!(
        answer.calibration_reason,
        "the request carries no calibration state"
    );
    let mut outcomes = 0.0;
    for last in 2_501..2_560 {
        assert!(answer.calibration_state.len() < 16_000);
        answer = ask(
            &forecaster,
            window(last, TWO_DAYS, answer.calibration_state),
        );
        assert_eq!(answer.calibration_source, Source::Carried);
        assert_eq!(answer.calibration_reason, "");
        outcomes = answer.horizons[0].trailing.unwrap().outcomes;
    }
    // Two days of memory at one outcome every five minutes; 59 of them on top of the faded rebuilt ones.
    assert!((70.0..110.0).contains(&outcomes), "{outcomes}");
    let hour = answer.horizons[3].trailing.unwrap();
    assert!(
        hour.mae < hour.naive_mae,
        "an hourly job is known: {hour:?}"
    );
}

#[test]
fn a_carried_state_says_what_a_rebuilt_one_says() {
    let forecaster = forecaster();
    let mut state = ask(&forecaster, window(2_500, 2_016, Vec::new())).calibration_state;
    let mut apart = [[0.0; 2]; 4];
    for last in 2_501..2_540 {
        let carried = ask(&forecaster, window(last, 2_016, state));
        state = carried.calibration_state.clone();
        // Every phase of the hourly job once: where two candidates are as good, one forecast may differ by all of its height.
        if last < 2_540 - 12 {
            continue;
        }
        let rebuilt = ask(&forecaster, window(last, 2_016, Vec::new()));
        assert_eq!(rebuilt.calibration_source, Source::Rebuilt);
        let horizons = carried.horizons.iter().zip(&rebuilt.horizons);
        for (sums, (carried, rebuilt)) in apart.iter_mut().zip(horizons) {
            sums[0] += (carried.point - rebuilt.point).abs() / 12.0;
            sums[1] += (carried.peak[5] - rebuilt.peak[5]).abs() / 12.0;
        }
    }
    for [point, peak] in apart {
        assert!(point < 1.0 && peak < 1.2, "{apart:?}");
    }
}

#[test]
fn asking_twice_changes_nothing() {
    let forecaster = forecaster();
    let first = ask(&forecaster, window(2_000, TWO_DAYS, Vec::new()));
    let again = ask(
        &forecaster,
        window(2_000, TWO_DAYS, first.calibration_state.clone()),
    );
    assert_eq!(again.calibration_source, Source::Carried);
    assert!(again.calibration_state == first.calibration_state);
    for (first, again) in first.horizons.iter().zip(&again.horizons) {
        assert!((first.point - again.point).abs() < 1e-3);
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused_with_a_reason() {
    let forecaster = forecaster();
    let state = ask(&forecaster, window(2_000, TWO_DAYS, Vec::new())).calibration_state;
    let mut flipped = state.clone();
    flipped[100] ^= 1;
    let mut other_model = state.clone();
    other_model[4] ^= 1;
    let mut fine = window(2_001, TWO_DAYS, state.clone());
    for time in &mut fine.timestamps_seconds {
        *time = 1_700_000_000 + 2_000 * STEP + (*time - 1_700_000_000 - 2_000 * STEP) / 5;
    }
    for (series, expected) in [
        (window(2_001, TWO_DAYS, flipped), "is damaged"),
        // The checksum notices first what a real other model would have written itself.
        (window(2_001, TWO_DAYS, other_model), "is damaged"),
        (window(2_001, TWO_DAYS, b"nonsense".to_vec()), "is damaged"),
        (window(2_100, TWO_DAYS, state.clone()), "30000 s old"),
        (window(1_990, TWO_DAYS, state.clone()), "3000 s more than"),
        (fine, "is for a step of 300 s"),
    ] {
        let answer = ask(&forecaster, series);
        assert_eq!(answer.calibration_source, Source::Rebuilt, "{expected}");
        let reason = answer.calibration_reason;
        assert!(reason.contains(expected), "{reason}");
        assert!(!answer.calibration_state.is_empty());
    }
    let young = ask(&forecaster, window(2_001, 5, state));
    assert_eq!(young.calibration_source, Source::None);
    assert!(
        young.calibration_state.is_empty(),
        "{}",
        young.calibration_reason
    );
}
