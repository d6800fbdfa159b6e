//! The rungs of every step as a file, so that somebody else can score them again.

use serde::{Deserialize, Serialize};

use crate::closed_loop::{
    account::Account,
    entries::{Entry, Machine},
    ladder::VCPUS,
};

/// The file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RungsFile {
    pub series: Vec<SeriesRungs>,
    pub settings: Settings,
}

/// One machine's.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SeriesRungs {
    pub source: String,
    pub name: String,
    /// The step that `rungs` begins with, counted from 0; steps are cells of 300 s, without those that were dropped.
    pub first_step: usize,
    /// The place on the ladder, from 0.
    pub rungs: Vec<usize>,
}

/// What they are the rungs of.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Settings {
    /// The row of the table.
    pub row: String,
    /// vCPU of each rung.
    pub ladder_vcpus: Vec<f64>,
    /// SHA-256 of the model that forecasts are from; `None` without forecasts.
    pub model: Option<String>,
    /// Means over the series, as the table shows them: cost, share of the time saturated, resizes a day.
    pub cost: f64,
    pub saturated: f64,
    pub resizes_a_day: f64,
}

impl RungsFile {
    /// That of one row.
    pub fn of(entry: &Entry, machines: &[Machine], model: Option<String>) -> Self {
        let Account {
            cost,
            saturated,
            resizes_a_day,
        } = entry.mean();
        let series = machines.iter().zip(&entry.rungs);
        Self {
            series: series
                .map(|(machine, rungs)| SeriesRungs {
                    source: machine.demand.source.clone(),
                    name: machine.demand.name.clone(),
                    first_step: machine.demand.first_scored,
                    rungs: rungs.clone(),
                })
                .collect(),
            settings: Settings {
                row: entry.name.clone(),
                ladder_vcpus: VCPUS.to_vec(),
                model,
                cost,
                saturated,
                resizes_a_day,
            },
        }
    }
}
