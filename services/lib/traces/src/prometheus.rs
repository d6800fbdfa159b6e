//! Samples from a Prometheus, saved in chunks as `prometheus/<start>-<end>.csv.gz` beside the query they answer: a run
//! that was interrupted goes on with what is missing.

mod chunks;
mod client;

#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder};
use prometheus_api::{Access, LabelledSeries};
use serde::{Deserialize, Serialize};

use chunks::Chunk;
use client::{Client, PrometheusError};

/// The folder within the samples, and so the source's name.
const SOURCE: &str = "prometheus";
/// A query that gives other things than percent mostly gives values outside 0 to 100: more of them than this are no
/// jitter.
const MOST_OUTSIDE: f64 = 0.01;

/// Which Prometheus to read, and what.
#[derive(Clone, Debug, clap::Args)]
pub struct PrometheusArgs {
    /// Base URL of a Prometheus to read, or of Thanos, Mimir, VictoriaMetrics; may hold user:password@
    #[arg(long, value_name = "URL")]
    pub prometheus: Option<String>,
    /// PromQL that gives CPU in percent, one series for each machine
    #[arg(
        long,
        value_name = "PROMQL",
        requires = "prometheus",
        default_value = r#"100 - (avg by(instance)(sum without (mode)(rate(node_cpu_seconds_total{mode=~"idle|iowait|steal"}[5m]))) * 100)"#
    )]
    pub query: String,
    /// Days to read
    #[arg(long, requires = "prometheus", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub days: u32,
    /// Seconds between samples
    #[arg(long, value_name = "SECONDS", requires = "prometheus", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub step: u32,
    /// Folder for what was read; a later run asks only for what is not in it
    #[arg(long, value_name = "DIR", requires = "prometheus")]
    pub samples: Option<PathBuf>,
    /// Token for `Authorization: Bearer`
    #[arg(
        long,
        value_name = "TOKEN",
        env = "PROMETHEUS_BEARER_TOKEN",
        hide_env_values = true
    )]
    pub bearer_token: Option<String>,
    /// Value of `X-Scope-OrgID`, for Mimir and Cortex
    #[arg(long, value_name = "NAME", requires = "prometheus")]
    pub tenant: Option<String>,
}

/// Why there are no samples. One line each, without secrets.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error(transparent)]
    Prometheus(#[from] PrometheusError),
    #[error("cannot {what} {path}")]
    Folder {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{path} is not understood")]
    NotUnderstood {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "{folder} holds samples of another query: {query} at {url} every {step_seconds} s; name another folder with --samples, or remove it"
    )]
    OtherQuery {
        folder: PathBuf,
        query: String,
        url: String,
        step_seconds: u32,
    },
    #[error(
        "{outside} of {all} values lie outside 0 to 100; the query must give CPU in percent of the machine"
    )]
    NotPercent { outside: u64, all: u64 },
    #[error(
        "Prometheus at {url} gives no series for {query} over {days} days; try the expression in its own console"
    )]
    NoSeries {
        url: String,
        query: String,
        days: u32,
    },
}

impl CollectError {
    fn folder(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Folder {
            what,
            path: path.to_owned(),
            source,
        }
    }
}

/// How far it is: chunks fetched, of those that were missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub fetched: usize,
    pub missing: usize,
}

/// What the chunks of a folder answer. Those of another query must not be mixed in.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Asked {
    url: String,
    query: String,
    step_seconds: u32,
}

/// Makes `samples` hold the days before `now_seconds`; chunks that are there are not asked for again, and `progress` hears
/// of each that was. Does nothing when no Prometheus is named.
///
/// # Errors
/// One line: what the server or the folder says, or that the query gives no series of percent.
pub async fn collect(
    args: &PrometheusArgs,
    samples: &Path,
    now_seconds: i64,
    mut progress: impl FnMut(Progress),
) -> Result<(), CollectError> {
    let Some(url) = &args.prometheus else {
        return Ok(());
    };
    let access = Access {
        bearer_token: args.bearer_token.as_deref(),
        tenant: args.tenant.as_deref(),
        ..Access::default()
    };
    let client = Client::new(url, access)?;
    let folder = samples.join(SOURCE);
    claim(
        &folder,
        &Asked {
            url: client.shown(),
            query: args.query.clone(),
            step_seconds: args.step,
        },
    )?;
    let chunks = chunks::chunks(now_seconds, args.days, args.step);
    let missing: Vec<&Chunk> = chunks
        .iter()
        .filter(|chunk| !folder.join(chunk.file()).exists())
        .collect();
    tracing::info!(
        url = client.shown(),
        chunks = chunks.len(),
        missing = missing.len(),
        folder = %folder.display(),
        "reading Prometheus"
    );
    for (number, chunk) in missing.iter().enumerate() {
        let series = client.query_range(&args.query, chunk, args.step).await?;
        check_percent(&series)?;
        save(&folder, chunk, &series)?;
        progress(Progress {
            fetched: number + 1,
            missing: missing.len(),
        });
    }
    if !holds_series(&folder, &chunks)? {
        // Nothing worth keeping, and the next attempt will have another query.
        fs::remove_dir_all(&folder).map_err(CollectError::folder("remove", &folder))?;
        return Err(CollectError::NoSeries {
            url: client.shown(),
            query: args.query.clone(),
            days: args.days,
        });
    }
    Ok(())
}

/// Writes down what `folder` is for, or checks that it is for that.
fn claim(folder: &Path, asked: &Asked) -> Result<(), CollectError> {
    let file = folder.join("query.json");
    fs::create_dir_all(folder).map_err(CollectError::folder("make", folder))?;
    let not_understood = |source| CollectError::NotUnderstood {
        path: file.clone(),
        source,
    };
    // A query that never gave anything claims nothing.
    if !file.exists() || chunk_files(folder)?.is_empty() {
        let text = serde_json::to_string_pretty(asked).map_err(not_understood)?;
        return write(&file, text.as_bytes());
    }
    let text = fs::read(&file).map_err(CollectError::folder("read", &file))?;
    let known: Asked = serde_json::from_slice(&text).map_err(not_understood)?;
    match known == *asked {
        true => Ok(()),
        false => Err(CollectError::OtherQuery {
            folder: folder.to_owned(),
            query: known.query,
            url: known.url,
            step_seconds: known.step_seconds,
        }),
    }
}

/// Percent are percent: shares of one, or cores, would train a model that is wrong everywhere.
fn check_percent(series: &[LabelledSeries]) -> Result<(), CollectError> {
    let (mut outside, mut all, mut highest) = (0_u64, 0_u64, f64::NEG_INFINITY);
    let samples = series.iter().flat_map(|series| &series.samples);
    for sample in samples.filter(|sample| sample.value.is_finite()) {
        all += 1;
        outside += u64::from(!(-0.5..=100.5).contains(&sample.value));
        highest = highest.max(sample.value);
    }
    if outside as f64 > MOST_OUTSIDE * all as f64 {
        return Err(CollectError::NotPercent { outside, all });
    }
    if all > 0 && highest <= 1.0 {
        tracing::warn!("no value is above 1; if these are shares, multiply the query by 100");
    }
    Ok(())
}

/// Writes a chunk, whole or not at all, in place of a shorter one with the same start.
fn save(folder: &Path, chunk: &Chunk, series: &[LabelledSeries]) -> Result<(), CollectError> {
    let path = folder.join(chunk.file());
    let bytes = packed(series).map_err(CollectError::folder("write", &path))?;
    write(&path, &bytes)?;
    for file in chunk_files(folder)? {
        if file.start == chunk.start && file.end < chunk.end {
            let shorter = folder.join(file.file());
            fs::remove_file(&shorter).map_err(CollectError::folder("remove", &shorter))?;
        }
    }
    Ok(())
}

fn packed(series: &[LabelledSeries]) -> io::Result<Vec<u8>> {
    // No name and no time in the header: same samples, same bytes.
    let packer = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::default());
    let mut rows = csv::Writer::from_writer(packer);
    rows.write_record(["series", "timestamp", "cpu"])?;
    for series in series {
        let name = series.name();
        for sample in series
            .samples
            .iter()
            .filter(|sample| sample.value.is_finite())
        {
            rows.write_record([&name, &sample.at.to_string(), &sample.value.to_string()])?;
        }
    }
    let packer = rows.into_inner().map_err(|error| error.into_error())?;
    packer.finish()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CollectError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = path.with_file_name(format!(".{name}"));
    fs::write(&unfinished, bytes)
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(CollectError::folder("write", path))
}

/// The chunks that `folder` holds.
fn chunk_files(folder: &Path) -> Result<Vec<Chunk>, CollectError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(CollectError::folder("read", folder))? {
        let entry = entry.map_err(CollectError::folder("read", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let times = name
            .strip_suffix(".csv.gz")
            .and_then(|times| times.split_once('-'));
        if let Some((start, end)) = times
            && let (Ok(start), Ok(end)) = (start.parse(), end.parse())
        {
            found.push(Chunk { start, end });
        }
    }
    Ok(found)
}

fn holds_series(folder: &Path, chunks: &[Chunk]) -> Result<bool, CollectError> {
    for chunk in chunks {
        let path = folder.join(chunk.file());
        let file = fs::File::open(&path).map_err(CollectError::folder("read", &path))?;
        let mut rows = csv::Reader::from_reader(flate2::read::GzDecoder::new(file));
        if rows.records().next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
