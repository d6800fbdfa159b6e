//! Recorded CPU series as demand: a `.csv` or `.csv.gz` file.

use std::{collections::BTreeMap, io::Read, path::Path};

use anyhow::{Context as _, bail, ensure};
use traces::csv::{self, Columns, Rows};

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

/// Reads at most `most` series from a CSV file with the columns `timestamp`, `cpu` (percent) and, for more than one
/// series, `series`.
///
/// # Errors
/// An unreadable file, missing columns, no usable series.
pub fn read(path: &Path, most: usize) -> anyhow::Result<Vec<Trace>> {
    let reader =
        csv::open(path).with_context(|| format!("cannot open trace {}", path.display()))?;
    parse(reader, most).with_context(|| format!("trace {}", path.display()))
}

fn parse(reader: impl Read, most: usize) -> anyhow::Result<Vec<Trace>> {
    let mut series: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
    let mut rows = Rows::new(reader, Columns::OneOrMore)
        .context("expected the columns timestamp, cpu and optionally series")?;
    while let Some(row) = rows.next_row()? {
        ensure!(
            row.cpu.is_finite() && row.timestamp.is_finite(),
            "row {}: timestamp and cpu must be finite numbers",
            row.line
        );
        if series.contains_key(row.series) || series.len() < most {
            series
                .entry(row.series.to_owned())
                .or_default()
                .insert(row.timestamp as i64, row.cpu.clamp(0.0, 100.0));
        }
    }
    let traces: Vec<Trace> = series
        .into_iter()
        .filter_map(|(name, samples)| {
            let first = *samples.keys().next()?;
            let trace = Trace {
                name: if name.is_empty() {
                    "trace".to_owned()
                } else {
                    name
                },
                seconds: samples.keys().map(|second| second - first).collect(),
                cpu_percent: samples.into_values().collect(),
            };
            (trace.span_seconds() > 0).then_some(trace)
        })
        .collect();
    if traces.is_empty() {
        bail!("no series with two samples or more");
    }
    Ok(traces)
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

    #[test]
    fn a_series_is_held_between_samples_and_begins_again_at_its_end() {
        let csv = "series,timestamp,cpu\na,1000,10\na,1300,20\nb,0,50\nb,300,140\nc,0,1\nc,1,2\n";
        let traces = parse(csv.as_bytes(), 2).unwrap();
        assert_eq!(traces.len(), 2);
        for (elapsed, expected) in [(0, 10.0), (299, 10.0), (300, 20.0), (301, 10.0), (-1, 20.0)] {
            assert_eq!(traces[0].cpu_percent(elapsed), expected, "{elapsed}");
        }
        assert_eq!(traces[1].cpu_percent(300), 100.0);
    }

    #[test]
    fn unusable_files_say_why() {
        for (csv, expected) in [
            ("timestamp,cpu\n1,NaN\n", "row 2"),
            (
                "timestamp,cpu\n1764000000000,20\n",
                "line 2: timestamp 1764000000000 is too large for seconds; is it milliseconds?",
            ),
            ("a,b\n1,2\n", "columns"),
            ("timestamp,cpu\n", "no series"),
            ("timestamp,value\n5,1\n", "no series"),
        ] {
            let message = format!("{:#}", parse(csv.as_bytes(), 3).unwrap_err());
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
    }
}
