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
}
