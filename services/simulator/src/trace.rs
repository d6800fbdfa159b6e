//! Recorded CPU series as demand: a `.csv`, `.csv.gz` or `.parquet` file.

use std::path::Path;

use anyhow::{Context as _, ensure};

/// One recorded series on its own times. Asked beyond its end, it begins again.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Name of the series.
    pub name: String,
    /// Seconds from the first sample, ascending, beginning with 0.
    seconds: Vec<i64>,
    cpu_percent: Vec<f64>,
}

impl Trace {
    /// CPU in percent at `elapsed` seconds after the start of the series: the last sample at or before it.
    pub fn cpu_percent(&self, elapsed: i64) -> f64 {
        let span = self.span_seconds() + 1;
        let elapsed = elapsed.rem_euclid(span);
        let after = self.seconds.partition_point(|second| *second <= elapsed);
        self.cpu_percent
            .get(after.saturating_sub(1))
            .copied()
            .unwrap_or(0.0)
    }

    /// From the first sample to the last.
    pub fn span_seconds(&self) -> i64 {
        self.seconds.last().copied().unwrap_or(0)
    }
}

/// Reads at most `most` series from a file with the columns `timestamp`, `cpu` and, for more than one series, `series`: as
/// they are read for training.
///
/// # Errors
/// What the reader says, with file and line; no usable series.
pub fn read(path: &Path, most: usize) -> anyhow::Result<Vec<Trace>> {
    let series = traces::read_file(path, most).context("trace")?;
    let traces: Vec<Trace> = series.into_iter().filter_map(trace).collect();
    ensure!(
        !traces.is_empty(),
        "trace {}: no series with two samples or more",
        path.display()
    );
    Ok(traces)
}

fn trace(series: traces::Series) -> Option<Trace> {
    let first = *series.timestamps_seconds.first()?;
    let trace = Trace {
        name: match series.name.is_empty() {
            true => "trace".to_owned(),
            false => series.name,
        },
        seconds: series
            .timestamps_seconds
            .iter()
            .map(|second| second - first)
            .collect(),
        cpu_percent: series.cpu_percent,
    };
    (trace.span_seconds() > 0).then_some(trace)
}

#[cfg(test)]
pub(crate) fn constant(cpu_percent: f64) -> Trace {
    Trace {
        name: "constant".to_owned(),
        seconds: vec![0, 300],
        cpu_percent: vec![cpu_percent; 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(csv: &str, most: usize) -> anyhow::Result<Vec<Trace>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.csv");
        std::fs::write(&path, csv).unwrap();
        read(&path, most)
    }

    #[test]
    fn a_series_is_held_between_samples_and_begins_again_at_its_end() {
        let csv = "series,timestamp,cpu\na,1000,10\na,1300,20\nb,0,50\nb,300,104\nc,0,1\nc,1,2\n";
        let traces = parse(csv, 2).unwrap();
        assert_eq!(traces.len(), 2);
        for (elapsed, expected) in [(0, 10.0), (299, 10.0), (300, 20.0), (301, 10.0), (-1, 20.0)] {
            assert_eq!(traces[0].cpu_percent(elapsed), expected, "{elapsed}");
        }
        assert_eq!(traces[1].cpu_percent(300), 100.0);
        // What isn't known is as before.
        let gap = parse("timestamp,cpu\n0,10\n300,NaN\n600,\n900,20\n", 2).unwrap();
        assert_eq!(gap[0].name, "trace");
        assert_eq!(gap[0].cpu_percent(700), 10.0);
    }

    #[test]
    fn unusable_files_say_why() {
        for (csv, expected) in [
            (
                "timestamp,cpu\n1764000000000,20\n",
                "my.csv: line 2: timestamp 1764000000000 is too large for seconds; is it milliseconds?",
            ),
            ("a,b\n1,2\n", "columns"),
            ("timestamp,cpu\n", "no series"),
            ("timestamp,cpu\n1,NaN\n", "no series"),
            ("timestamp,value\n5,1\n", "no series"),
            (
                "timestamp,cpu\n0,0.2\n300,0.9\n",
                "line 2: no value is above 0.9",
            ),
            (
                "timestamp,cpu\n0,20\n300,230\n600,410\n",
                "line 3: 2 of 3 values",
            ),
            (
                "timestamp,cpu\n0,20\n0,70\n",
                "line 3: the series has 70 here and 20",
            ),
        ] {
            let message = format!("{:#}", parse(csv, 3).unwrap_err());
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
    }
}
