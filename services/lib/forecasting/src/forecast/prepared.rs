//! What is done to a series before the model is asked: the grid, and what is already known of its forecasts.

use super::answer::Source;
use crate::{
    artifact::{Artifact, manifest::Manifest},
    calibration::{self, Calibration, Outcome, Targets, Track},
    series::{Series, grid::Grid, history::History},
};

/// A calibration that saw nothing for longer is built anew.
const STALE_SECONDS: i64 = 6 * 3600;

/// The model is asked where at least one grid point in so many has a sample; what lies within gaps doesn't count.
const LEAST_OBSERVED: usize = 3;

/// A series on the grid.
pub struct Prepared {
    pub history: History,
    pub step_seconds: u32,
    /// Time of the last grid point.
    pub last_seconds: i64,
    pub span_seconds: u64,
    /// The usual distance between samples.
    pub spacing_seconds: i64,
    pub observed: usize,
    /// Why the model can't be asked.
    pub unsupported: Option<String>,
    /// What is known, or nothing yet.
    pub calibration: Calibration,
    /// Where that comes from, and why not from the request.
    pub source: Source,
    pub source_reason: String,
}

impl Prepared {
    /// Grids `series`, and reads the calibration that came with it.
    pub fn new(series: &Series, artifact: &Artifact, targets: &Targets) -> Self {
        let manifest = &artifact.manifest;
        let carried = decoded(series, artifact, targets);
        let before = carried.as_ref().ok().map(|carried| carried.step_seconds);
        let grid = Grid::resample(series, before);
        let unsupported = unsupported(&grid, manifest);
        let observed = grid.observed();
        let Grid {
            step_seconds,
            last_seconds,
            span_seconds,
            spacing_seconds,
            ..
        } = grid;
        let history = History::by_rhythm(step_seconds, grid.values);
        let nothing = || Calibration {
            step_seconds,
            last_seconds,
            tracks: vec![Track::new(targets); manifest.horizons_seconds.len()],
        };
        let (calibration, source, source_reason) = match &unsupported {
            Some(why) => (nothing(), Source::None, why.clone()),
            None => match carried.and_then(|carried| fitting(carried, &history, last_seconds)) {
                Ok(carried) => (carried, Source::Carried, String::new()),
                Err(why) => (nothing(), Source::Rebuilt, why.to_string()),
            },
        };
        Self {
            history,
            step_seconds,
            last_seconds,
            span_seconds,
            spacing_seconds,
            observed,
            unsupported,
            calibration,
            source,
            source_reason,
        }
    }

    /// The index of the last grid point.
    pub fn last(&self) -> usize {
        self.history.len().saturating_sub(1)
    }

    /// The time of a grid point.
    pub fn seconds(&self, index: usize) -> i64 {
        let back = (self.last() - index.min(self.last())) as i64;
        self.last_seconds
            .saturating_sub(back * i64::from(self.step_seconds))
    }

    /// The grid point nearest to a time; `None` when it lies before the first or after the last.
    pub fn index(&self, seconds: i64) -> Option<usize> {
        let step = i64::from(self.step_seconds);
        let back = self.last_seconds.checked_sub(seconds)?;
        let back = usize::try_from(back.checked_add(step / 2)?.div_euclid(step)).ok()?;
        self.last().checked_sub(back)
    }

    /// The grid point nearest to a time that may lie after the last one; the first, when it lies before that.
    pub fn index_of_next(&self, seconds: i64) -> usize {
        let step = i64::from(self.step_seconds);
        let ahead = seconds.saturating_sub(self.last_seconds);
        let steps = ahead.saturating_add(step / 2).div_euclid(step);
        usize::try_from((self.last() as i64).saturating_add(steps)).unwrap_or(0)
    }

    /// What came after the origin at `seconds`.
    pub fn came(&self, seconds: i64, steps: usize) -> Outcome {
        match self.index(seconds) {
            Some(origin) => outcome(&self.history, origin, steps),
            None => Outcome {
                level: f64::NAN,
                peak: f64::NAN,
            },
        }
    }
}

/// What came within `steps` of `origin`.
pub fn outcome(history: &History, origin: usize, steps: usize) -> Outcome {
    Outcome {
        level: history.observed(origin + steps),
        peak: history.observed_peak(origin + 1, origin + steps),
    }
}

/// Why the model can't be asked about a series.
fn unsupported(grid: &Grid, manifest: &Manifest) -> Option<String> {
    let (expected, observed) = (grid.expected, grid.observed());
    if grid.too_coarse() {
        Some(format!(
            "samples are {} s apart, the model needs 600 s or less",
            grid.spacing_seconds
        ))
    } else if !manifest.steps_seconds.contains(&grid.step_seconds) {
        Some(format!(
            "the model was not trained on a step of {} s",
            grid.step_seconds
        ))
    } else if grid.span_seconds < u64::from(manifest.least_history_seconds) {
        Some(format!(
            "the history spans {} s, the model needs {} s",
            grid.span_seconds, manifest.least_history_seconds
        ))
    } else if observed * LEAST_OBSERVED < expected {
        Some(format!(
            "{} of {expected} grid points have no sample",
            expected - observed
        ))
    } else {
        None
    }
}

/// Why the calibration that came with a request can't be used.
#[derive(Debug, thiserror::Error)]
enum NotCarried {
    #[error("the request carries no calibration state")]
    Absent,
    #[error(transparent)]
    Unusable(#[from] calibration::Unusable),
    #[error("the calibration state is for a step of {state} s, the samples are on {samples} s")]
    OtherStep { state: u32, samples: u32 },
    #[error("the calibration state has seen {seconds} s more than the samples reach")]
    Ahead { seconds: i64 },
    #[error("the calibration state is {age} s old")]
    Old { age: i64 },
}

/// The calibration that came with the request.
fn decoded(
    series: &Series,
    artifact: &Artifact,
    targets: &Targets,
) -> Result<Calibration, NotCarried> {
    if series.calibration_state.is_empty() {
        return Err(NotCarried::Absent);
    }
    let horizons = artifact.manifest.horizons_seconds.len();
    let state = &series.calibration_state;
    Ok(calibration::decode(
        state,
        artifact.fingerprint(),
        horizons,
        targets,
    )?)
}

/// The same, if it fits the samples, or why it can't be used.
fn fitting(
    carried: Calibration,
    history: &History,
    last_seconds: i64,
) -> Result<Calibration, NotCarried> {
    let age = last_seconds.saturating_sub(carried.last_seconds);
    let step_seconds = history.step_seconds();
    let reach = history.len() as i64 * i64::from(step_seconds);
    if carried.step_seconds != step_seconds {
        Err(NotCarried::OtherStep {
            state: carried.step_seconds,
            samples: step_seconds,
        })
    } else if age < 0 {
        Err(NotCarried::Ahead { seconds: -age })
    } else if age > STALE_SECONDS || age >= reach {
        Err(NotCarried::Old { age })
    } else {
        Ok(carried)
    }
}
