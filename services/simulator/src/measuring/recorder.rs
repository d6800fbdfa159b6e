//! Asks the real forecaster at every step of each series, as the scheduler would: the last eight days go with each request, and
//! the calibration state of the answer before.

use forecasting::{artifact::booster::BoosterError, forecast::Forecaster, series::Series};

use crate::closed_loop::{
    cells::Cells,
    forecasts::{Forecasts, Shape},
};

/// What goes with a request.
const WINDOW_SECONDS: i64 = 8 * 86_400;

/// What answers of `forecaster` look like.
pub fn shape(forecaster: &Forecaster) -> Shape {
    let manifest = &forecaster.artifact().manifest;
    Shape {
        horizons_seconds: manifest.horizons_seconds.clone(),
        quantiles: manifest.quantiles.clone(),
    }
}

/// One series on the way.
struct Recording<'a> {
    cells: &'a Cells,
    /// What goes with the next request; empty while one is under way.
    known: Series,
    /// The last answer: at a step without a sample nobody asks, and it stands.
    last: Vec<f32>,
    values: Vec<f32>,
}

impl<'a> Recording<'a> {
    fn new(cells: &'a Cells, width: usize) -> Self {
        Self {
            cells,
            known: nothing(),
            last: vec![f32::NAN; width],
            values: Vec::with_capacity(cells.len() * width),
        }
    }

    /// The request at a step; `None` where there is no sample.
    fn request(&mut self, step: usize) -> Option<Series> {
        if !self
            .cells
            .observed
            .get(step)
            .is_some_and(|observed| *observed)
        {
            return None;
        }
        let now = self.cells.seconds[step];
        let mut known = std::mem::replace(&mut self.known, nothing());
        known.timestamps_seconds.push(now);
        known.cpu.push(self.cells.percent[step]);
        let times = &mut known.timestamps_seconds;
        let old = times.partition_point(|second| *second < now - WINDOW_SECONDS);
        times.drain(..old);
        known.cpu.drain(..old);
        Some(known)
    }
}

fn nothing() -> Series {
    Series {
        id: "recorded".to_owned(),
        timestamps_seconds: Vec::new(),
        cpu: Vec::new(),
        capacity: 100.0,
        calibration_state: Vec::new(),
    }
}

/// The answers at each step of each of `all`, in percent, in their order. All series are asked about at once: one alone costs
/// the model eight times as much.
///
/// # Errors
/// When the model fails.
pub fn record(
    forecaster: &Forecaster,
    all: &[&Cells],
    mut progress: impl FnMut(usize),
) -> Result<Vec<Forecasts>, BoosterError> {
    let shape = shape(forecaster);
    let (horizons, quantiles) = (&shape.horizons_seconds, &shape.quantiles);
    let mut recordings: Vec<Recording<'_>> = all
        .iter()
        .map(|cells| Recording::new(cells, shape.width()))
        .collect();
    let steps = all.iter().map(|cells| cells.len()).max().unwrap_or(0);
    for step in 0..steps {
        let (places, asked): (Vec<usize>, Vec<Series>) = recordings
            .iter_mut()
            .enumerate()
            .filter_map(|(place, recording)| Some((place, recording.request(step)?)))
            .unzip();
        let answers = forecaster.forecast(&asked, horizons, quantiles)?;
        for ((place, known), answer) in places.into_iter().zip(asked).zip(answers) {
            let recording = &mut recordings[place];
            recording.known = Series {
                calibration_state: answer.calibration_state,
                ..known
            };
            recording.last.clear();
            for horizon in &answer.horizons {
                let values = horizon.level.iter().chain(&horizon.peak);
                recording.last.extend(values.map(|value| *value as f32));
            }
        }
        for recording in &mut recordings {
            if step < recording.cells.len() {
                recording.values.extend_from_slice(&recording.last);
            }
        }
        progress(step);
    }
    let forecasts = recordings.into_iter().map(|recording| Forecasts {
        shape: shape.clone(),
        values: recording.values,
    });
    Ok(forecasts.collect())
}
