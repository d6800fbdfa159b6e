//! What can be wrong with a recording.

use std::{fmt, io, path::PathBuf};

use common::text::chain;
use parquet::errors::ParquetError;

/// Why recorded series can't be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} does not give series, timestamp and cpu: {fault}")]
    Format { path: PathBuf, fault: Fault },
    #[error("{0} holds no .csv, .csv.gz or .parquet file, nor folders of them")]
    Empty(PathBuf),
}

/// What is wrong within a file; it doesn't say which, the caller knows.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{}", chain(.0))]
    Open(io::Error),
    #[error("{}", chain(.0))]
    Csv(#[from] csv::Error),
    #[error("{}", chain(.0))]
    Parquet(#[from] ParquetError),
    #[error("no column `{0}`")]
    NoColumn(&'static str),
    #[error("column `{0}` is nested")]
    Nested(&'static str),
    #[error("{place}: {what}")]
    Value { place: Place, what: BadValue },
}

/// A place within a file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Line(u64),
    Row(usize),
}

impl Place {
    /// `what` is wrong here.
    pub fn fault(self, what: BadValue) -> Fault {
        Fault::Value { place: self, what }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(formatter, "line {number}"),
            Self::Row(number) => write!(formatter, "row {number}"),
        }
    }
}

/// A value that is not what its column promises.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BadValue {
    #[error("{column} is no {kind}")]
    Kind {
        column: &'static str,
        kind: &'static str,
    },
    #[error("timestamp {0} is too large for seconds; is it milliseconds?")]
    Milliseconds(f64),
}
