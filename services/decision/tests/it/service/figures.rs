//! What decisions cost on the disk.

use proto::{
    decision::v1::{DecideRequest, Observation, Past, ReasonCode},
    predictor::v1::{HorizonForecast, QuantileValue, SeriesForecast},
};

use super::harness::World;

const TARGETS: u32 = 2;
const TICKS_A_DAY: u32 = 288;
/// Holds of a target: enough to see what one costs.
const FEW: u32 = 50;
/// Three runs as long as they may be.
const MANY: u32 = 3 * 576;

/// A number between 0 and 1 with all its digits, another one for each place.
fn noise(place: u32) -> f64 {
    f64::from(place.wrapping_mul(2_654_435_761)) / f64::from(u32::MAX)
}

/// A request as the scheduler sends it under `adaptive`, with the served model's quantiles.
fn request(world: &World, tick: u32, target: u32) -> DecideRequest {
    let base = world.request(&uuid::Uuid::from_u128(tick.into()).to_string(), 20.0);
    let cpu = 15.0 + 5.0 * noise(tick + target);
    let quantiles = |place: u32| -> Vec<QuantileValue> {
        let of = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];
        let value = |quantile: f64| cpu + 4.0 * quantile + noise(place) / 10.0;
        of.map(|quantile| QuantileValue {
            quantile,
            value: value(quantile),
        })
        .to_vec()
    };
    let horizon = |horizon_seconds: u32| HorizonForecast {
        horizon_seconds,
        at_horizon: quantiles(tick + horizon_seconds),
        peak: quantiles(tick + horizon_seconds + 1),
        point: cpu + noise(tick),
        ..Default::default()
    };
    let need = |place: u32| Some((0.15 + noise(place) / 20.0) as f32);
    DecideRequest {
        target_id: format!("web-{target}"),
        instance_id: format!("i-0123456789abcde{target:02}"),
        observation: base.observation.map(|seen| Observation {
            cpu_percent: cpu,
            memory_percent: Some(30.0 + noise(tick)),
            memory_peak_mib: Some(700.0 + noise(tick)),
            cpu_peak_last_hour_percent: Some(cpu + 1.0),
            past: Some(Past {
                now: need(tick),
                peak_1h: need(tick + 1),
                peak_3h: need(tick + 2),
                peak_6h: need(tick + 3),
                peak_24h: need(tick + 4),
                peak_168h: need(tick + 5),
                profile_6h: need(tick + 6),
                profile_12h: need(tick + 7),
            }),
            ..seen
        }),
        forecast: base.forecast.map(|forecast| SeriesForecast {
            horizons: [300, 900, 1_800, 3_600, 10_800, 21_600]
                .map(horizon)
                .to_vec(),
            ..forecast
        }),
        ..base
    }
}

/// Bytes of a database with so many holds of each target, at so many seconds from tick to tick.
async fn bytes_of(holds: u32, seconds: u64) -> f64 {
    let mut world = World::new();
    world.policy.strategy = decision::Strategy::Adaptive;
    let server = world.start().await;
    for tick in 0..holds {
        for target in 0..TARGETS {
            let decided = server.decide(request(&world, tick, target)).await.unwrap();
            assert_eq!(decided.reason_code(), ReasonCode::SizeFits, "{decided:#?}");
        }
        world.pass(seconds);
    }
    server.stop_when_ready().await;
    std::fs::metadata(world.database()).unwrap().len() as f64
}

#[tokio::test]
#[ignore = "prints figures"]
async fn print_the_figures_of_holds() {
    let empty = bytes_of(0, 300).await;
    let a_hold = |bytes: f64, holds: u32| (bytes - empty) / f64::from(holds * TARGETS);
    // Further apart than a run allows.
    let alone = a_hold(bytes_of(FEW, 3_601).await, FEW);
    let in_a_row = a_hold(bytes_of(MANY, 300).await, MANY);
    let of_a_fleet = |bytes: f64| bytes * f64::from(TICKS_A_DAY) * 90.0 * 10_000.0 / 1e9;
    println!(
        "a hold of its own {alone:.0} bytes, in a row {in_a_row:.0}; 90 days of 10,000 targets at {TICKS_A_DAY} a day: {:.0} GB \
         and {:.1} GB",
        of_a_fleet(alone),
        of_a_fleet(in_a_row)
    );
    let room = 10.0 - of_a_fleet(in_a_row);
    println!(
        "10 GB have room for {:.2} decisions more per target and day: actions, and holds of other reasons",
        room * 1e9 / (90.0 * 10_000.0 * alone)
    );
    assert!(of_a_fleet(in_a_row) < 10.0);
}
