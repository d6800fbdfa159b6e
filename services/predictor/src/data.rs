//! Where recorded series come from: folders, or a Prometheus by way of a folder.

use std::path::{Path, PathBuf};

use common::clock::Clock;

use crate::traces::{self, PrometheusArgs, Source};

/// Which series to read. At least one of the two must be given.
#[derive(Clone, Debug, clap::Args)]
pub struct DataArgs {
    /// Folder with <source>.csv, .csv.gz or .parquet files of columns series,timestamp,cpu, or <source> folders of such
    /// files; may be given several times
    #[arg(long, value_name = "DIR", required_unless_present = "prometheus")]
    pub data: Vec<PathBuf>,
    #[command(flatten)]
    pub prometheus: PrometheusArgs,
}

impl DataArgs {
    /// The folders to read, after what is missing from them was fetched. `samples` is where that goes when the
    /// arguments don't say.
    ///
    /// # Errors
    /// One line from the Prometheus reader.
    pub async fn folders(&self, samples: &Path, clock: &dyn Clock) -> anyhow::Result<Vec<PathBuf>> {
        let mut folders = self.data.clone();
        if self.prometheus.prometheus.is_some() {
            let samples = self.prometheus.samples.as_deref().unwrap_or(samples);
            let now = clock.now().as_second();
            traces::collect(&self.prometheus, samples, now).await?;
            folders.push(samples.to_owned());
        }
        Ok(folders)
    }
}

/// The sources of all `folders`.
///
/// # Errors
/// Names the file; or there is no series at all.
pub fn read(folders: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for folder in folders {
        sources.extend(traces::read_folder(folder)?);
    }
    anyhow::ensure!(
        sources.iter().any(|source| !source.series.is_empty()),
        "the data holds no series"
    );
    Ok(sources)
}
