//! Arguments of commands that read recorded series: folders, or a Prometheus by way of a folder.

use std::path::{Path, PathBuf};

use common::clock::Clock;

use crate::{
    prometheus::{self, CollectError, Progress, PrometheusArgs},
    units::CpuUnit,
};

/// Which series to read. At least one of the two must be given.
#[derive(Clone, Debug, clap::Args)]
pub struct DataArgs {
    /// Folder with <source>.csv, .csv.gz or .parquet files of columns series,timestamp,cpu, or <source> folders of such
    /// files; may be given several times. Times are seconds (timestamp_ms, _us, _ns: what they say) or ISO 8601, without a
    /// zone in UTC; CPU is percent of the machine (cpu_ratio: 0 to 1)
    #[arg(long, value_name = "DIR", required_unless_present = "prometheus")]
    pub data: Vec<PathBuf>,
    /// What a column `cpu` holds, where its values leave that open
    #[arg(long, value_name = "UNIT")]
    pub cpu_unit: Option<CpuUnit>,
    #[command(flatten)]
    pub prometheus: PrometheusArgs,
}

impl DataArgs {
    /// The folders to read, after what is missing from them was fetched. `samples` is where that goes when the
    /// arguments don't say; `progress` hears of each part that was fetched.
    ///
    /// # Errors
    /// What the reader of the Prometheus says, in one line.
    pub async fn folders(
        &self,
        samples: &Path,
        clock: &dyn Clock,
        progress: impl FnMut(Progress),
    ) -> Result<Vec<PathBuf>, CollectError> {
        let mut folders = self.data.clone();
        if self.prometheus.prometheus.is_some() {
            let samples = self.prometheus.samples.as_deref().unwrap_or(samples);
            let now = clock.now().as_second();
            prometheus::collect(&self.prometheus, samples, now, progress).await?;
            folders.push(samples.to_owned());
        }
        Ok(folders)
    }
}
