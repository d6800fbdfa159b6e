//! Forecasts of all series: out of the cache, and recorded where they are not there.

use std::{io::Write as _, path::PathBuf};

use anyhow::Context as _;
use forecasting::{
    artifact::{Artifact, Location},
    forecast::Forecaster,
};

use super::{cache::Cache, recorder};
use crate::closed_loop::{cells::STEPS_A_DAY, demand::Demand, forecasts::Forecasts};

/// How forecasts are come by.
#[derive(Clone, Debug, clap::Args)]
pub struct ForecastArgs {
    /// Leaves out what rests on forecasts: recording them takes milliseconds a step
    #[arg(long)]
    without_forecasts: bool,
    /// Folder of the model; the embedded one without it
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Folder where recorded forecasts are kept
    #[arg(long, value_name = "DIR", default_value = "target/closed-loop")]
    cache: PathBuf,
}

/// What was forecast, series by series, and by which model.
#[derive(Debug)]
pub struct Recorded {
    pub model_sha256: String,
    pub forecasts: Vec<Forecasts>,
}

impl ForecastArgs {
    /// The forecasts of all of `demands`; `None` where none are wanted.
    ///
    /// # Errors
    /// A model that can't be used, a cache that can't be written.
    pub fn forecasts(&self, demands: &[Demand]) -> anyhow::Result<Option<Recorded>> {
        if self.without_forecasts {
            return Ok(None);
        }
        let location = match &self.model {
            Some(folder) => Location::Folder(folder.clone()),
            None => Location::Embedded,
        };
        let forecaster = Forecaster::new(Artifact::open(&location, 1)?)?;
        let model_sha256 = forecaster.artifact().sha256.clone();
        let cache = Cache::new(&self.cache, &model_sha256);
        let shape = recorder::shape(&forecaster);
        let known = demands
            .iter()
            .map(|demand| cache.get(&demand.cells, &shape));
        let mut known: Vec<Option<Forecasts>> = known.collect();
        let missing: Vec<_> = demands
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none())
            .map(|(demand, _)| &demand.cells)
            .collect();
        if !missing.is_empty() {
            say(&format!(
                "recording the forecasts of {} series",
                missing.len()
            ));
        }
        let recorded = recorder::record(&forecaster, &missing, |step| {
            if step > 0 && step % (5 * STEPS_A_DAY) == 0 {
                say(&format!("recorded {} days", step / STEPS_A_DAY));
            }
        })?;
        for (cells, forecasts) in missing.into_iter().zip(&recorded) {
            cache
                .put(cells, forecasts)
                .with_context(|| format!("{} can't be written", self.cache.display()))?;
        }
        let mut recorded = recorded.into_iter();
        for slot in &mut known {
            if slot.is_none() {
                *slot = recorded.next();
            }
        }
        Ok(Some(Recorded {
            model_sha256,
            forecasts: known.into_iter().flatten().collect(),
        }))
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
