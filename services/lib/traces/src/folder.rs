//! Recorded CPU series from a folder: `<source>.csv`, `<source>.csv.gz`, `<source>.parquet`, or a folder `<source>` of
//! such files. Columns `series,timestamp,cpu[,…]`.

use std::path::{Path, PathBuf};

use crate::{
    columns::Columns,
    csv,
    error::TraceError,
    parquet,
    samples::{Samples, Series},
    units::CpuUnit,
};

/// The series of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The file's name without its ending, or the folder's.
    pub name: String,
    /// By name of the series, ascending.
    pub series: Vec<Series>,
}

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Csv,
    Parquet,
}

const ENDINGS: [(&str, Kind); 3] = [
    (".csv.gz", Kind::Csv),
    (".csv", Kind::Csv),
    (".parquet", Kind::Parquet),
];

/// The sources of `folder` in the order of their names, each read when it is asked for. Rows may come in any order; CPU is
/// percent unless `unit` or its column say otherwise, values a little outside 0 to 100 are clipped.
///
/// # Errors
/// Names the file, and the line where there is one.
pub fn read_folder(
    folder: &Path,
    unit: Option<CpuUnit>,
) -> Result<impl Iterator<Item = Result<Source, TraceError>>, TraceError> {
    let mut sources = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            let files: Vec<(Kind, PathBuf)> = entries(&path)?
                .into_iter()
                .filter_map(|path| Some((kind(&path)?.1, path)))
                .collect();
            if !files.is_empty() {
                sources.push((name(&path), files));
            }
        } else if let Some((stem, kind)) = kind(&path) {
            sources.push((stem, vec![(kind, path)]));
        }
    }
    sources.sort();
    if sources.is_empty() {
        return Err(TraceError::Empty(folder.to_owned()));
    }
    Ok(sources.into_iter().map(move |(name, files)| {
        let mut samples = Samples::new(unit, None);
        for (kind, path) in files {
            read(kind, &path, Columns::Fleet, &mut samples)?;
        }
        let series = samples.into_series()?;
        Ok(Source { name, series })
    }))
}

/// The series of one file; one alone needs no column `series`. Of more than `most`, the first that come.
///
/// # Errors
/// As [`read_folder`].
pub fn read_file(path: &Path, most: usize) -> Result<Vec<Series>, TraceError> {
    let mut samples = Samples::new(None, Some(most));
    let kind = kind(path).map_or(Kind::Csv, |(_, kind)| kind);
    read(kind, path, Columns::OneOrMore, &mut samples)?;
    samples.into_series()
}

fn read(
    kind: Kind,
    path: &Path,
    columns: Columns,
    samples: &mut Samples,
) -> Result<(), TraceError> {
    samples.begin(path.to_owned());
    match kind {
        Kind::Csv => csv::read(path, columns, samples),
        Kind::Parquet => parquet::read(path, columns, samples),
    }
    .map_err(|fault| TraceError::Format {
        path: path.to_owned(),
        fault,
    })
}

/// What is in `folder`, sorted, hidden files left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, TraceError> {
    let failed = |source| TraceError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The name without its ending, and what the ending says.
fn kind(path: &Path) -> Option<(String, Kind)> {
    let name = name(path);
    ENDINGS
        .iter()
        .find_map(|(ending, kind)| Some((name.strip_suffix(ending)?.to_owned(), *kind)))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Write as _};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn read(folder: &Path) -> Result<Vec<Source>, TraceError> {
        read_folder(folder, None)?.collect()
    }

    /// Sources with their series and the last value of each.
    fn shown(folder: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        for source in read(folder).unwrap() {
            for series in &source.series {
                let last = series.cpu_percent.last().unwrap();
                let samples = series.timestamps_seconds.len();
                lines.push(format!("{} {} {samples} {last}", source.name, series.name));
            }
        }
        lines
    }

    #[test]
    fn files_and_folders_of_files_are_sources() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(
            path("one.csv"),
            "cpu,series,timestamp\n5,b,300\n7,b,0\n105,a,0\n",
        )
        .unwrap();
        std::fs::create_dir(path("parts")).unwrap();
        std::fs::write(path("parts/0.csv"), "series,timestamp,cpu\nx,0,1\n").unwrap();
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed
            .write_all(b"series,timestamp,cpu\nx,300,2\n")
            .unwrap();
        std::fs::write(path("parts/1.csv.gz"), packed.finish().unwrap()).unwrap();
        std::fs::write(path("parts/query.json"), "{}").unwrap();
        std::fs::write(path("notes.txt"), "not a source").unwrap();
        std::fs::create_dir(path("empty")).unwrap();
        assert_eq!(
            shown(folder.path()),
            ["one a 1 100", "one b 2 5", "parts x 2 2"]
        );
    }

    /// As a reader that knows no other form would take it: the first of a time, clipped, what isn't finite left out.
    fn plainly(rows: &str) -> Vec<Series> {
        let mut series: BTreeMap<&str, BTreeMap<i64, f64>> = BTreeMap::new();
        for row in rows.lines().skip(1) {
            let mut fields = row.split(',');
            let name = fields.next().unwrap();
            let time: f64 = fields.next().unwrap().parse().unwrap();
            let cpu: f64 = fields.next().unwrap().parse().unwrap();
            if cpu.is_finite() {
                let samples = series.entry(name).or_default();
                let cpu = cpu.clamp(0.0, 100.0);
                samples.entry(time as i64).or_insert(cpu);
            }
        }
        series
            .into_iter()
            .map(|(name, samples)| Series {
                name: name.to_owned(),
                timestamps_seconds: samples.keys().copied().collect(),
                cpu_percent: samples.into_values().collect(),
            })
            .collect()
    }

    #[test]
    fn the_plain_form_is_read_plainly() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = "series,timestamp,cpu,cpu_max\n".to_owned();
        let mut state = 7_u64;
        for point in 0..5_000_i64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let noise = (state >> 40) as f64 / f64::from(1 << 24);
            // Virtual machines that overshoot, work, and idle; one that was a task before its limit grew.
            for (name, start, step, cpu) in [
                ("vm-over", 1_376_314_846, 300, 98.0 + 8.0 * noise),
                ("vm-work", 0, 60, 100.0 * noise),
                ("vm-idle", 1_376_314_846, 300, noise),
                (
                    "task",
                    300,
                    300,
                    if point % 500 == 0 { 248.17 } else { 60.0 },
                ),
            ] {
                let time = start + (point ^ 1) * step;
                rows += &format!("{name},{time},{cpu:.2},{}\n", cpu + 1.0);
            }
        }
        std::fs::write(folder.path().join("made.csv"), &rows).unwrap();
        let sources = read(folder.path()).unwrap();
        assert_eq!(sources[0].series, plainly(&rows));
        let first = read_file(&folder.path().join("made.csv"), 2).unwrap();
        assert_eq!(first, sources[0].series[2..]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.csv");
        for (text, expected) in [
            ("series,timestamp\na,1\n", "no column `cpu`"),
            (
                "series,timestamp,cpu\na,1,x\n",
                "one.csv: line 2: cpu \"x\" is no number",
            ),
            (
                "series,timestamp,cpu\na,1,2\na,17e11,2\n",
                "line 3: timestamp",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("one.csv"), "{error}");
        }
        std::fs::remove_file(path).unwrap();
        assert!(matches!(read(folder.path()), Err(TraceError::Empty(_))));
    }
}
