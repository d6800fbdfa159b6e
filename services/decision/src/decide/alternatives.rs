//! What would have to be otherwise for another size: how much more or less load, or what stands against it at any.

use crate::{
    decide::{
        case::Case,
        input::{Input, Observation},
        record::Stored,
        verdict::Action,
        walk,
    },
    policy::document::Policy,
};

/// So much of the load is asked about, downwards and upwards.
const LEAST_LOAD: f64 = 0.01;
const MOST_LOAD: f64 = 100.0;
/// At or above this CPU is saturated, percent, as the scheduler counts `saturated_seconds`.
const SATURATED_PERCENT: f64 = 95.0;
/// Halvings of a range of loads: to less than a thousandth.
const HALVINGS: u32 = 24;

/// Another type of the ladder.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// The type.
    pub instance_type: String,
    /// What leads there.
    pub way: Way,
}

/// What leads to a type.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// As many times the load, now, past, and forecast alike, or less.
    LoadAtMost(f64),
    /// As many times that load, or more.
    LoadAtLeast(f64),
    /// No load does; what is said at the least, or the most.
    Never(String),
}

/// Each type of the ladder but the one that was decided for, smallest first; none where CPU is unknown, or where the
/// type is not on its ladder.
///
/// More load never gets less capacity, so that each type has one load from which on it, or one beyond it, is decided for.
pub fn of(stored: &Stored) -> Vec<Alternative> {
    let Stored {
        decision,
        input,
        state,
        policy,
    } = stored;
    let case = Case::new(policy, input, state, decision.decided_at);
    let place = |name: &str| case.ladder.iter().position(|rung| rung == name);
    let decided = place(&decision.verdict.to_instance_type);
    let (Some(_), Some(decided)) = (&input.observation, decided) else {
        return Vec::new();
    };
    let at_load = |load: f64| {
        let input = under_load(policy, input, load);
        walk::decide(policy, &input, state, decision.decided_at)
    };
    let leads_to = |load: f64| place(&at_load(load).to_instance_type).unwrap_or(decided);
    let way = |rung: usize| {
        let is_up = rung > decided;
        let reached = |load: f64| match is_up {
            true => leads_to(load) >= rung,
            false => leads_to(load) <= rung,
        };
        let farthest = if is_up { MOST_LOAD } else { LEAST_LOAD };
        if !reached(farthest) {
            let said = at_load(farthest);
            return Way::Never(match said.action {
                Action::Hold => said.reason,
                _ => format!("not at once: {} first", said.to_instance_type),
            });
        }
        let (mut without, mut with) = (1.0_f64, farthest);
        for _ in 0..HALVINGS {
            let between = (without * with).sqrt();
            match reached(between) {
                true => with = between,
                false => without = between,
            }
        }
        match is_up {
            true => Way::LoadAtLeast(with),
            false => Way::LoadAtMost(with),
        }
    };
    let others = case.ladder.iter().enumerate();
    others
        .filter(|(rung, _)| *rung != decided)
        .map(|(rung, name)| Alternative {
            instance_type: name.clone(),
            way: way(rung),
        })
        .collect()
}

/// The same as if there were, had been, and were forecast to be as many times the load; above what the machine can do
/// it has been saturated for as long as the policy asks.
fn under_load(policy: &Policy, input: &Input, load: f64) -> Input {
    let mut input = input.clone();
    if let Some(seen) = &mut input.observation {
        let Observation {
            cpu_percent,
            saturated_seconds,
            cpu_peak_last_hour_percent,
            past,
            ..
        } = seen;
        *cpu_percent *= load;
        if let Some(peak) = cpu_peak_last_hour_percent {
            *peak *= load;
        }
        if let Some(past) = past {
            *past = past.scaled(load);
        }
        *saturated_seconds = match *cpu_percent >= SATURATED_PERCENT {
            true => (*saturated_seconds).max(policy.saturation_seconds),
            false => 0,
        };
    }
    if let Some(forecast) = &mut input.forecast {
        forecast.last_cpu *= load;
        for horizon in &mut forecast.horizons {
            horizon.point *= load;
            for quantile in horizon.at_horizon.iter_mut().chain(&mut horizon.peak) {
                quantile.value *= load;
            }
        }
    }
    input
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        decide::{
            replay,
            walk::tests::{Scene, scene},
        },
        fleet::{
            direction::Direction,
            pause::{Pause, PauseDirection},
        },
    };

    fn ways(scene: &Scene) -> Vec<(String, Way)> {
        let alternatives = of(&scene.stored()).into_iter();
        let pairs = alternatives.map(|other| (other.instance_type, other.way));
        pairs.collect()
    }

    #[test]
    fn the_load_that_leads_to_each_size_is_told() {
        let scene = scene(50.0);
        let found = ways(&scene);
        let [(small, down), (large, up)] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!((small.as_str(), large.as_str()), ("t2.small", "t2.large"));
        let (&Way::LoadAtMost(down), &Way::LoadAtLeast(up)) = (down, up) else {
            panic!("{found:?}");
        };
        assert!(down < 1.0 && up > 1.0, "{found:?}");
        for (load, to) in [
            (down * 0.99, "t2.small"),
            (down * 1.01, "t2.medium"),
            (up * 0.99, "t2.medium"),
            (up * 1.01, "t2.large"),
        ] {
            let mut scene = scene.clone();
            scene.input = under_load(&scene.policy, &scene.input, load);
            let decided = scene.stored().decision.verdict.to_instance_type;
            assert_eq!(decided, to, "{load}");
        }
    }

    #[test]
    fn what_stands_against_a_size_at_any_load_is_told() {
        let paused = scene(50.0).with(|scene| {
            scene.state.pauses.push(Pause {
                target_id: String::new(),
                direction: PauseDirection::Down,
                reason: "release week".into(),
                since: scene.input.observation.as_ref().unwrap().observed_at,
                until: None,
                by: String::new(),
            });
        });
        let found = ways(&paused);
        let Way::Never(why) = &found[0].1 else {
            panic!("{found:?}");
        };
        assert!(why.contains("release week"), "{why}");
        assert!(matches!(found[1].1, Way::LoadAtLeast(_)), "{found:?}");
        // One rung at a time is what thresholds do.
        let small = scene(50.0).with(|scene| scene.input.instance_type = "t2.small".into());
        let found = ways(&small);
        assert_eq!(found[1].0, "t2.large");
        assert_eq!(
            found[1].1,
            Way::Never("not at once: t2.medium first".into())
        );
    }

    #[test]
    fn of_the_unknown_nothing_is_told() {
        let blind = scene(50.0).with(|scene| scene.input.observation = None);
        assert_eq!(ways(&blind), []);
        let elsewhere = scene(50.0).with(|scene| scene.input.instance_type = "m5.large".into());
        assert_eq!(ways(&elsewhere), []);
    }

    #[test]
    fn another_policy_is_asked_what_it_would_have_done() {
        let stored = scene(50.0).stored();
        assert_eq!(replay::again(&stored), stored.decision);
        let eager = Policy {
            scale_up_cpu: 40.0,
            ..stored.policy.clone()
        };
        let again = replay::by(&stored, &eager);
        assert_eq!(again.verdict.action.direction(), Some(Direction::Up));
        assert_eq!(again.policy_version, eager.version());
        assert_eq!(again.decision_id, stored.decision.decision_id);
    }

    proptest! {
        #[test]
        fn loads_are_in_the_order_of_the_sizes(cpu in 0.0..100.0_f64, rung in 0..3_usize) {
            let types = ["t2.small", "t2.medium", "t2.large"];
            let scene = scene(cpu).with(|scene| scene.input.instance_type = types[rung].into());
            let decided = scene.stored().decision.verdict.to_instance_type;
            for (instance_type, way) in ways(&scene) {
                let is_larger = types.iter().position(|name| *name == instance_type)
                    > types.iter().position(|name| *name == decided);
                match way {
                    Way::LoadAtLeast(load) => prop_assert!(is_larger && load >= 1.0),
                    Way::LoadAtMost(load) => prop_assert!(!is_larger && load <= 1.0),
                    Way::Never(why) => prop_assert!(!why.is_empty()),
                }
            }
        }
    }
}
