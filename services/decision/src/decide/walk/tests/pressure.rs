//! Memory that is nearly used up.

use super::*;
use crate::policy::document::Strategy;

/// A t2.medium at ease with its CPU, of whose 4,096 MiB so many were in use, for so long nearly all.
fn pressed(peak_mib: f64, seconds: u32) -> Scene {
    scene(50.0)
        .with(|scene| scene.policy.memory_pressure_seconds = Some(900))
        .seen(|seen| {
            seen.memory_percent = Some(96.0);
            seen.memory_peak_mib = Some(peak_mib);
            seen.memory_pressed_seconds = seconds;
        })
}

#[test]
fn memory_that_is_nearly_used_up_sends_up_whatever_the_cpu() {
    pressed(3_950.0, 900).check(
        Action::ScaleUp,
        "t2.large",
        ReasonCode::MemoryPressure,
        "memory has been at 95 % or above for 15 min",
    );
    let hold = (Action::Hold, "t2.medium", ReasonCode::ForecastInRange);
    pressed(3_950.0, 899).check(hold.0, hold.1, hold.2, "");
    let off = pressed(3_950.0, 9_000).with(|scene| scene.policy.memory_pressure_seconds = Some(0));
    off.check(hold.0, hold.1, hold.2, "");
    // Thresholds are on the CPU alone unless the policy says more; sizing rules are not.
    let unset = pressed(3_950.0, 9_000).with(|scene| scene.policy.memory_pressure_seconds = None);
    unset.check(hold.0, hold.1, hold.2, "");
    let rules = unset.with(|scene| scene.policy.strategy = Strategy::Headroom);
    assert_eq!(rules.decide().reason_code, ReasonCode::MemoryPressure);
}

#[test]
fn it_needs_no_forecast_and_jumps_to_what_holds_it() {
    let blind = pressed(3_950.0, 900).with(|scene| {
        scene.input.forecast = None;
        scene.input.unknown = Some(Unknown {
            code: ReasonCode::ForecastUnavailable,
            reason: "the predictor does not answer".into(),
        });
    });
    assert_eq!(blind.decide().to_instance_type, "t2.large");
    // On a t2.small 1,900 MiB and a fifth of that fit 4,096; what was 3,900 on a larger type does not.
    for (peak_mib, to) in [(1_900.0, "t2.medium"), (3_900.0, "t2.large")] {
        let small = pressed(peak_mib, 900).on("t2.small");
        assert_eq!(small.decide().to_instance_type, to);
    }
}

#[test]
fn it_waits_for_pauses_cooldowns_and_goes_nowhere_from_the_largest() {
    let paused = pressed(3_950.0, 900).paused(PauseDirection::Up);
    assert_eq!(paused.decide().reason_code, ReasonCode::Paused);
    let cooling = pressed(3_950.0, 900).ended(Direction::Up, Outcome::Succeeded, 60);
    assert_eq!(cooling.decide().reason_code, ReasonCode::Cooldown);
    let largest = pressed(8_000.0, 900).on("t2.large");
    assert_eq!(largest.decide().action, Action::Hold);
    // Nothing larger is known to have more.
    let unknown = pressed(3_950.0, 900).with(|scene| {
        let types = &mut scene.input.instance_types;
        types.retain(|known| known.instance_type != "t2.large");
    });
    assert_eq!(unknown.decide().action, Action::Hold);
}

#[test]
fn of_what_cpu_and_memory_ask_for_the_larger_is_taken() {
    let both = pressed(1_900.0, 900)
        .on("t2.small")
        .with(|scene| scene.input.forecast.as_mut().unwrap().horizons = vec![horizon(900, 99.0)]);
    // CPU asks for the next rung, as memory does.
    assert_eq!(both.decide().to_instance_type, "t2.medium");
    let more = both.seen(|seen| seen.memory_peak_mib = Some(3_900.0));
    assert_eq!(more.decide().to_instance_type, "t2.large");
    // Quiet CPU asks for less: memory wins.
    let quiet = pressed(3_950.0, 900)
        .with(|scene| scene.input.forecast.as_mut().unwrap().horizons = vec![horizon(900, 5.0)])
        .seen(|seen| {
            seen.cpu_percent = 5.0;
            seen.cpu_peak_last_hour_percent = Some(5.0);
        });
    assert_eq!(quiet.decide().action, Action::ScaleUp);
}
