//! Recorded CPU series: from files of CSV or Parquet, and from a Prometheus by way of such files.
//!
//! `folder` reads what is there, source by source; `prometheus` fetches what is missing. `csv` is there for those who
//! read a single file by rules of their own.

mod args;
pub mod csv;
mod error;
mod folder;
mod parquet;
mod prometheus;
mod samples;

pub use args::DataArgs;
pub use error::{BadValue, Fault, TraceError};
pub use folder::{Source, read_folder};
pub use prometheus::{CollectError, Progress, PrometheusArgs, collect};
pub use samples::Series;
