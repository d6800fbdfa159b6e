//! A simulated day, run twice.

use std::fmt::Write as _;

use common::config::Settings;
use jiff::Timestamp;
use simulator::{
    scenario,
    services::{Configuration, Services},
    world::{STEP, World},
};

/// Monday 5 January 2026, midnight UTC.
const START: i64 = 1_767_571_200;
const TICK_SECONDS: u64 = 600;

fn configuration(world: &World) -> Configuration {
    let targets: Vec<_> = world
        .machines()
        .iter()
        .map(|machine| {
            let ladder: Vec<_> = machine.ladder.iter().map(|rung| rung.name).collect();
            serde_json::json!({"id": machine.name, "instance_id": machine.instance_id, "ladder": ladder})
        })
        .collect();
    let settings = serde_json::json!({
        // It resizes before there is a past to review.
        "policy": {"strategy": "threshold"},
        "actuator": {
            "dry_run": false,
            "database": ":memory:",
            "limits": {"instance_per_day": 0, "fleet_per_day": 0},
        },
        "scheduler": {
            "run_clock": false,
            "print_decisions": false,
            "tick_interval_seconds": TICK_SECONDS,
            "lease_seconds": 3_600,
            "prometheus": {"cpu_unit": "percent", "memory_unit": "percent", "window_seconds": 172_800},
            "targets": targets,
        },
    });
    let settings = Settings::from_yaml_text(&settings.to_string()).unwrap();
    Configuration {
        predictor: predictor::Config::read(&settings).unwrap(),
        policy: decision::Policy::read(&settings).unwrap(),
        actuator: actuator::Config::read(&settings).unwrap(),
        scheduler: scheduler::Config::read(&settings).unwrap(),
    }
}

/// Every decision and every end of a resize, a line each, and the account.
async fn a_day(seed: u64) -> String {
    let machines = scenario::generated(START, seed, None).unwrap();
    let start = Timestamp::from_second(START).unwrap();
    let mut world = World::new(start, machines).unwrap();
    let mut services = Services::start(configuration(&world), &world)
        .await
        .unwrap();
    let mut lines = String::new();
    for _ in 0..86_400 / TICK_SECONDS {
        for result in services.tick().await.unwrap() {
            writeln!(lines, "{result:?}").unwrap();
        }
        for _ in 0..TICK_SECONDS / STEP.as_secs() {
            world.advance();
            for result in services.settle().await {
                let succeeded = result.action_taken == "succeeded";
                world.note_resize(&result.target_id, result.action == "scale_up", succeeded);
                writeln!(lines, "{result:?}").unwrap();
            }
            world.account();
        }
    }
    services.end().await;
    writeln!(lines, "{:#?}", world.ledger()).unwrap();
    lines
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    let first = a_day(1).await;
    assert!(first.contains("action_taken: \"succeeded\""), "{first}");
    assert_eq!(first, a_day(1).await);
    assert_ne!(first, a_day(2).await);
}
