//! Memory stays where it is, however many forecasts are made.

use std::time::Instant;

use forecasting::{
    artifact::{Artifact, Location},
    forecast::Forecaster,
    series::Series,
};
use testkit::process::resident_mib;

use crate::support::machine;

const BATCH: usize = 100;

/// Makes `count` forecasts on two threads and asserts that the last nine tenths leave memory as the first left it.
fn flat(count: usize) {
    let forecaster = Forecaster::new(Artifact::open(&Location::Embedded, 1).unwrap()).unwrap();
    let manifest = &forecaster.artifact().manifest;
    // Histories of many lengths, so that buffers of many sizes are asked for.
    let mut batches: Vec<Vec<Series>> = (0..20)
        .map(|batch| {
            (0..BATCH)
                .map(|index| {
                    let points = 8 + (batch * 7 + index) % 20;
                    machine("m", points, 300, (batch * BATCH + index) as u32)
                })
                .collect()
        })
        .collect();
    // As in service: what an answer says of a series travels with the next question. Each third starts anew.
    for batch in &mut batches {
        let answers = forecaster
            .forecast(batch, &manifest.horizons_seconds, &manifest.quantiles)
            .unwrap();
        for (index, (series, answer)) in batch.iter_mut().zip(answers).enumerate() {
            if index % 3 > 0 {
                series.calibration_state = answer.calibration_state;
            }
        }
    }
    let forecast = |rounds: usize| {
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let (batches, forecaster) = (&batches, &forecaster);
                scope.spawn(move || {
                    for round in 0..rounds / 2 {
                        let batch = &batches[(round * 2 + thread) % batches.len()];
                        forecaster
                            .forecast(batch, &manifest.horizons_seconds, &manifest.quantiles)
                            .unwrap();
                    }
                });
            }
        });
    };
    let begin = Instant::now();
    let rounds = count / BATCH;
    let mut seen = Vec::new();
    let mut done = 0;
    for percent in [10, 50, 100] {
        // New threads each time: what the library keeps for a thread must go with it.
        while done < rounds * percent / 100 {
            forecast(rounds / 10);
            done += rounds / 10;
        }
        seen.push(resident_mib("self"));
    }
    eprintln!(
        "{count} forecasts in {:.1} s: resident {:.1} MiB after 10 %, {:.1} after 50 %, {:.1} at the end",
        begin.elapsed().as_secs_f64(),
        seen[0],
        seen[1],
        seen[2]
    );
    assert!(seen[2] <= seen[0] * 1.05 + 4.0, "memory grew: {seen:?}");
}

#[test]
fn twenty_thousand_forecasts_leave_memory_as_it_was() {
    flat(20_000);
}

/// `make measure` runs it.
#[test]
#[ignore = "takes minutes"]
fn print_the_figures() {
    flat(1_000_000);
}
