//! Recorded CPU series from CSV files: `<folder>/<source>.csv[.gz]` with columns `series,timestamp,cpu[,…]`.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use crate::{grid::Grid, history::History, series::Series};

/// The series of one file.
#[derive(Debug)]
pub struct Source {
    /// The file's name without its ending.
    pub name: String,
    /// By name of the series, ascending.
    pub series: Vec<(String, History)>,
}

/// Why traces can't be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("{path} cannot be read: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is not CSV with the columns series, timestamp and cpu: {what}")]
    Format { path: PathBuf, what: String },
    #[error("{0} holds no .csv or .csv.gz file")]
    Empty(PathBuf),
}

/// Reads every CSV file of `folder`, in the order of their names. Rows may come in any order; CPU is percent, values
/// outside 0 to 100 are clipped, duplicates of a time dropped.
///
/// # Errors
/// Names the file.
pub fn read_folder(folder: &Path) -> Result<Vec<Source>, TraceError> {
    let failed = |source| TraceError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let Some(name) = name else { continue };
        if let Some(stem) = name.strip_suffix(".csv.gz").or(name.strip_suffix(".csv")) {
            files.push((stem.to_owned(), path.clone()));
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(TraceError::Empty(folder.to_owned()));
    }
    files
        .into_iter()
        .map(|(name, path)| {
            let series = read_file(&path)?;
            Ok(Source { name, series })
        })
        .collect()
}

fn read_file(path: &Path) -> Result<Vec<(String, History)>, TraceError> {
    let file = File::open(path).map_err(|source| TraceError::Read {
        path: path.to_owned(),
        source,
    })?;
    let reader: Box<dyn Read> = match path.extension().is_some_and(|ending| ending == "gz") {
        true => Box::new(MultiGzDecoder::new(file)),
        false => Box::new(file),
    };
    let format = |what: String| TraceError::Format {
        path: path.to_owned(),
        what,
    };
    let mut rows = csv::Reader::from_reader(reader);
    let headers = rows.headers().map_err(|error| format(error.to_string()))?;
    let column = |name: &str| {
        headers
            .iter()
            .position(|header| header == name)
            .ok_or_else(|| format(format!("no column `{name}`")))
    };
    let (series, timestamp, cpu) = (column("series")?, column("timestamp")?, column("cpu")?);
    let mut samples: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
    for (line, row) in rows.records().enumerate() {
        let row = row.map_err(|error| format(error.to_string()))?;
        let bad = |column: &str| format(format!("line {}: {column} is no number", line + 2));
        let time: f64 = row[timestamp].parse().map_err(|_| bad("timestamp"))?;
        let value: f64 = row[cpu].parse().map_err(|_| bad("cpu"))?;
        if value.is_finite() && time.is_finite() {
            samples
                .entry(row[series].to_owned())
                .or_default()
                .entry(time as i64)
                .or_insert(value.clamp(0.0, 100.0));
        }
    }
    Ok(samples
        .into_iter()
        .map(|(id, samples)| {
            let series = Series {
                id: id.clone(),
                timestamps_seconds: samples.keys().copied().collect(),
                cpu: samples.values().copied().collect(),
                capacity: 100.0,
            };
            let grid = Grid::resample_all(&series);
            (id, History::new(grid.step_seconds, grid.values))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_by_column_name_and_what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.csv");
        std::fs::write(&path, "cpu,series,timestamp\n5,b,300\n7,b,0\n120,a,0\n").unwrap();
        let sources = read_folder(folder.path()).unwrap();
        assert_eq!(sources[0].name, "one");
        let names: Vec<&str> = sources[0]
            .series
            .iter()
            .map(|(id, _)| id.as_str())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(sources[0].series[0].1.value(0), 100.0);
        assert_eq!(sources[0].series[1].1.value(1), 5.0);
        for (text, expected) in [
            ("series,timestamp\na,1\n", "no column `cpu`"),
            ("series,timestamp,cpu\na,1,x\n", "line 2: cpu is no number"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read_folder(folder.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        std::fs::remove_file(path).unwrap();
        assert!(matches!(
            read_folder(folder.path()),
            Err(TraceError::Empty(_))
        ));
    }
}
