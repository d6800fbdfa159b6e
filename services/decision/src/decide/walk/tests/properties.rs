//! What holds for any input.

use proptest::prelude::*;

use super::*;

prop_compose! {
    fn any_scene()(
        cpu in 0.0..130.0_f64,
        rung in 0..4_usize,
        (saturated, pressed) in (prop_oneof![Just(0_u32), 0..1_000_u32], prop_oneof![Just(0_u32), 0..2_000_u32]),
        memory_counts in any::<bool>(),
        sample_age in -400..700_i64,
        unknown in prop::option::weighted(0.3, prop_oneof![
            Just(ReasonCode::MetricsUnknown),
            Just(ReasonCode::InstanceUnavailable),
            Just(ReasonCode::ForecastUnavailable),
        ]),
        has_observation in prop::bool::weighted(0.8),
        has_forecast in prop::bool::weighted(0.8),
        peak in prop::option::of(0.0..9_000.0_f64),
        pause in prop::option::weighted(0.2, prop_oneof![
            Just(PauseDirection::Both),
            Just(PauseDirection::Up),
            Just(PauseDirection::Down),
        ]),
        ended in prop::option::of((any::<bool>(), 0..2_000_i64)),
        (spanned, observed) in (0..200_000_u32, 0..100_000_u32),
        now_cpu in 0.0..100.0_f64,
        last_hour in prop::option::of(0.0..200.0_f64),
        turned in prop::bool::weighted(0.1),
    ) -> Scene {
        let types = ["t2.small", "t2.medium", "t2.large", "m5.large"];
        let mut scene = scene(cpu).on(types[rung]).seen(|seen| {
            seen.saturated_seconds = saturated;
            seen.memory_pressed_seconds = pressed;
            seen.observed_at = at(NOW - sample_age);
            seen.memory_peak_mib = peak;
            seen.cpu_evidence.spanned_seconds = spanned;
            seen.memory_evidence.observed_seconds = observed;
            seen.cpu_percent = now_cpu;
            seen.cpu_peak_last_hour_percent = last_hour;
        });
        scene.policy.memory_pressure_seconds = memory_counts.then_some(900);
        if turned {
            scene.policy.ladder.reverse();
        }
        if let Some(code) = unknown {
            scene = scene.unknown(code);
        }
        if !has_observation {
            scene.input.observation = None;
        }
        if !has_forecast {
            scene.input.forecast = None;
        }
        if let Some(direction) = pause {
            scene = scene.paused(direction);
        }
        if let Some((failed, ago)) = ended {
            let outcome = if failed { Outcome::RolledBack } else { Outcome::Succeeded };
            scene = scene.ended(Direction::Up, outcome, ago);
        }
        scene
    }
}

proptest! {
    #[test]
    fn the_same_input_gives_the_same_decision(scene in any_scene()) {
        // Also after a trip through the store, which keeps JSON.
        let input: Input = serde_json::from_str(&serde_json::to_string(&scene.input).unwrap()).unwrap();
        let state: State = serde_json::from_str(&serde_json::to_string(&scene.state).unwrap()).unwrap();
        let replayed = decide(&scene.policy, &input, &state, scene.now);
        prop_assert_eq!(scene.decide(), replayed);
        prop_assert_eq!(scene.input.digest(), input.digest());
    }

    #[test]
    fn the_unknown_never_scales(scene in any_scene()) {
        let verdict = scene.decide();
        let fresh = scene.input.observation.as_ref().is_some_and(|seen| {
            (-60..=300).contains(&(NOW - seen.observed_at.as_second()))
        });
        let forecast = scene.input.forecast.is_some() && scene.input.unknown.is_none();
        if verdict.action == Action::ScaleDown {
            prop_assert!(fresh && forecast);
        }
        if verdict.action == Action::ScaleUp {
            prop_assert!(fresh);
            let measured = [ReasonCode::Saturated, ReasonCode::MemoryPressure];
            prop_assert!(forecast || measured.contains(&verdict.reason_code));
        }
        prop_assert!((0.0..=1.0).contains(&verdict.confidence));
        prop_assert_eq!(verdict.checks.len(), guards::names().count());
    }

    #[test]
    fn memory_is_never_given_up(scene in any_scene()) {
        let verdict = scene.decide();
        if verdict.action == Action::ScaleDown {
            let peak = scene.input.observation.as_ref().unwrap().memory_peak_mib.unwrap();
            let next = scene.input.size_of(&verdict.to_instance_type).unwrap().memory_mib;
            prop_assert!(next as f64 >= peak * 1.2);
        }
    }

    #[test]
    fn nothing_becomes_smaller_without_evidence_or_against_the_present(scene in any_scene()) {
        let verdict = scene.decide();
        if verdict.action == Action::ScaleDown {
            let seen = scene.input.observation.as_ref().unwrap();
            for evidence in [seen.cpu_evidence, seen.memory_evidence] {
                prop_assert!(evidence.spanned_seconds >= 86_400 && evidence.observed_seconds >= 43_200);
            }
            let vcpus = |name: &str| f64::from(scene.input.size_of(name).unwrap().vcpus);
            let share = vcpus(&verdict.to_instance_type) / vcpus(&scene.input.instance_type);
            let most = seen.cpu_percent.max(seen.cpu_peak_last_hour_percent.unwrap());
            prop_assert!(most <= 75.0 * share + 1e-9);
        }
    }

    #[test]
    fn up_is_never_less_down_is_never_more_and_disorder_never_acts(scene in any_scene()) {
        let verdict = scene.decide();
        let sizes = |name: &str| scene.input.size_of(name).map(|size| (size.vcpus, size.memory_mib));
        let (from, to) = (sizes(&scene.input.instance_type), sizes(&verdict.to_instance_type));
        if let (Some(from), Some(to)) = (from, to) {
            let (less, more) = (to.0 < from.0 || to.1 < from.1, to.0 > from.0 || to.1 > from.1);
            prop_assert!(verdict.action != Action::ScaleUp || !less);
            prop_assert!(verdict.action != Action::ScaleDown || !more);
        }
        if crate::decide::ladder::disorder(&scene.policy.ladder, &scene.input.instance_types).is_some() {
            prop_assert_eq!(verdict.action, Action::Hold);
        }
    }

    /// Whatever the load does, two actions are never closer than the cooldown.
    #[test]
    fn fault_49_oscillating_load_flaps_no_faster_than_the_cooldown(
        loads in prop::collection::vec(0.0..100.0_f64, 60),
        cooldown_seconds in 0..3_000_u32,
    ) {
        let ladder = Policy::default().ladder;
        let mut scene = scene(0.0).seen(|seen| seen.memory_peak_mib = Some(100.0));
        scene.policy.cooldown_seconds = cooldown_seconds;
        let mut acted_at: Vec<i64> = Vec::new();
        for (tick, load) in loads.iter().enumerate() {
            let now = NOW + 300 * tick as i64;
            scene.now = at(now);
            scene.input.observation.as_mut().unwrap().observed_at = at(now);
            let forecast = scene.input.forecast.as_mut().unwrap();
            forecast.origin = Some(at(now));
            forecast.horizons = vec![horizon(900, *load)];
            let verdict = scene.decide();
            if let Some(direction) = verdict.action.direction() {
                acted_at.push(now);
                scene.state.cooldowns = scene.state.cooldowns.after(direction, Outcome::Succeeded, at(now));
                scene.input.instance_type = verdict.to_instance_type;
            }
            prop_assert!(ladder.contains(&scene.input.instance_type));
        }
        for pair in acted_at.windows(2) {
            prop_assert!(pair[1] - pair[0] >= cooldown_seconds.into(), "{acted_at:?}");
        }
    }

    /// The same demand, in vCPU, never goes up and down again: whatever the thresholds and the steps of the ladder.
    #[test]
    fn fault_49_steady_demand_never_turns_around(
        demand_vcpu in 0.0..40.0_f64,
        start in 0..5_usize,
        vcpus in prop::collection::vec(1..16_u32, 5),
        up in 10.0..99.0_f64,
        down_share in 0.0..0.99_f64,
    ) {
        let mut sizes = vcpus;
        sizes.sort_unstable();
        let mut scene = scene(0.0);
        scene.policy.scale_up_cpu = up;
        scene.policy.scale_down_cpu = up * down_share;
        scene.policy.cooldown_seconds = 0;
        scene.policy.ladder = (0..5).map(|rung| format!("x{rung}.large")).collect();
        scene.input.instance_types = scene.policy.ladder.iter().zip(&sizes).map(|(name, vcpus)| InstanceType {
            instance_type: name.clone(),
            vcpus: *vcpus,
            memory_mib: 4_096,
        }).collect();
        scene.input.instance_type = scene.policy.ladder[start].clone();
        let mut directions = Vec::new();
        for _ in 0..20 {
            let vcpus = scene.input.size_of(&scene.input.instance_type).unwrap().vcpus;
            let cpu = (demand_vcpu / f64::from(vcpus) * 100.0).min(100.0);
            let seen = scene.input.observation.as_mut().unwrap();
            (seen.cpu_percent, seen.cpu_peak_last_hour_percent) = (cpu, Some(cpu));
            scene.input.forecast.as_mut().unwrap().horizons = vec![horizon(900, cpu)];
            let verdict = scene.decide();
            directions.extend(verdict.action.direction());
            scene.input.instance_type = verdict.to_instance_type;
        }
        directions.dedup();
        prop_assert!(directions.len() <= 1, "{directions:?}");
    }
}
