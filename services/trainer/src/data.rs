//! Recorded series on their grids.

use std::path::PathBuf;

use forecasting::series::{Series, grid::Grid, history::History};
use traces::CpuUnit;

/// The series of one source.
#[derive(Debug)]
pub struct Source {
    /// The file's name without its ending, or the folder's.
    pub name: String,
    /// By name of the series, ascending.
    pub series: Vec<(String, History)>,
}

/// The sources of all `folders`.
///
/// # Errors
/// Names the file and the line; or there is no series at all.
pub fn read(folders: &[PathBuf], unit: Option<CpuUnit>) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for folder in folders {
        for source in traces::read_folder(folder, unit)? {
            sources.push(gridded(source?));
        }
    }
    anyhow::ensure!(
        sources.iter().any(|source| !source.series.is_empty()),
        "the data holds no series"
    );
    Ok(sources)
}

/// What a source is called where it is averaged onto another grid than its own.
pub fn on_step(source: &str, step_seconds: u32) -> String {
    format!("{source} at {step_seconds} s")
}

impl Source {
    /// The same averaged onto a coarser grid, a multiple of each series' own: what is half unknown stays so.
    pub fn averaged(&self, step_seconds: u32) -> Self {
        let series = self.series.iter().map(|(name, history)| {
            let many = (step_seconds / history.step_seconds()).max(1) as usize;
            let points: Vec<f64> = (0..history.len())
                .map(|index| history.observed(index))
                .collect();
            let mean = |points: &[f64]| -> f32 {
                let known = || points.iter().filter(|value| !value.is_nan());
                match known().count() * 2 < points.len() {
                    true => f32::NAN,
                    false => (known().sum::<f64>() / known().count() as f64) as f32,
                }
            };
            let values = points.chunks(many).map(mean).collect();
            let step_seconds = history.step_seconds() * many as u32;
            (name.clone(), History::new(step_seconds, values))
        });
        Self {
            name: on_step(&self.name, step_seconds),
            series: series.collect(),
        }
    }
}

fn gridded(source: traces::Source) -> Source {
    let series = source.series.into_iter().map(|recorded| {
        let series = Series {
            id: recorded.name,
            timestamps_seconds: recorded.timestamps_seconds,
            cpu: recorded.cpu_percent,
            capacity: 100.0,
            calibration_state: Vec::new(),
        };
        let grid = Grid::resample_all(&series);
        (series.id, History::new(grid.step_seconds, grid.values))
    });
    Source {
        name: source.name,
        series: series.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_recorded_is_unknown_on_the_grid() {
        let recorded = traces::Series {
            name: "b".to_owned(),
            timestamps_seconds: vec![0, 600],
            cpu_percent: vec![0.0, 7.0],
        };
        let source = gridded(traces::Source {
            name: "s".to_owned(),
            series: vec![recorded],
        });
        let (name, b) = &source.series[0];
        assert_eq!((source.name.as_str(), name.as_str()), ("s", "b"));
        assert_eq!((b.observed(0), b.observed(2)), (0.0, 7.0));
        assert!(b.observed(1).is_nan());
    }

    #[test]
    fn a_coarser_grid_has_means_of_what_is_known() {
        let unknown = f32::NAN;
        let values = vec![
            1.0, 2.0, 3.0, 4.0, 5.0, 7.0, unknown, unknown, unknown, 9.0, 8.0,
        ];
        let source = Source {
            name: "s".to_owned(),
            series: vec![("a".to_owned(), History::new(60, values))],
        };
        let coarse = source.averaged(300);
        let (_, a) = &coarse.series[0];
        assert_eq!(
            (coarse.name.as_str(), a.step_seconds()),
            ("s at 300 s", 300)
        );
        assert_eq!((a.len(), a.observed(0), a.observed(2)), (3, 3.0, 8.0));
        assert!(a.observed(1).is_nan());
    }
}
