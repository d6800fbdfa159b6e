//! Recorded CPU series: from files of CSV or Parquet, and from a Prometheus by way of such files.
//!
//! `folder` reads what is there, source by source; `prometheus` fetches what is missing. Whoever reads recordings reads
//! them here: what one command takes for percent, another must not take for shares.

mod args;
mod cell;
mod columns;
mod csv;
mod error;
mod folder;
mod parquet;
mod plausible;
mod prometheus;
mod samples;
mod units;

pub use args::DataArgs;
pub use error::{BadValue, Fault, TraceError};
pub use folder::{Source, read_file, read_folder};
pub use prometheus::{CollectError, Progress, PrometheusArgs, collect};
pub use samples::Series;
pub use units::CpuUnit;
