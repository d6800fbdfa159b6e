//! What can be wrong with a recording.

use std::{fmt, io, path::PathBuf};

use common::text::chain;
use parquet::errors::ParquetError;

use crate::units::TimeUnit;

/// Why recorded series can't be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: {fault}")]
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
    Csv(csv::Error),
    #[error("{}", chain(.0))]
    Parquet(#[from] ParquetError),
    #[error("is UTF-16; save it as UTF-8")]
    Utf16,
    #[error("no column `{0}`; the columns must be called series, timestamp and cpu")]
    NoColumn(&'static str),
    #[error("column `{0}` is nested")]
    Nested(&'static str),
    #[error(
        "line {line}: {found} fields where the header has {expected}; a decimal comma needs `;` between the fields, or quotes"
    )]
    Fields {
        line: u64,
        expected: u64,
        found: u64,
    },
    #[error("{place}: {what}")]
    Value { place: Place, what: BadValue },
}

impl From<csv::Error> for Fault {
    fn from(error: csv::Error) -> Self {
        match *error.kind() {
            csv::ErrorKind::UnequalLengths {
                ref pos,
                expected_len: expected,
                len: found,
            } => Self::Fields {
                line: pos.as_ref().map_or(0, csv::Position::line),
                expected,
                found,
            },
            _ => Self::Csv(error),
        }
    }
}

/// A place within a file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Line(u64),
    Row(usize),
}

/// The number of a file, from 0, and the place within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    pub file: usize,
    pub place: Place,
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
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadValue {
    #[error("{column} is no {kind}")]
    Kind {
        column: &'static str,
        kind: &'static str,
    },
    #[error("{column} {text:?} is no number; write one like 12.5")]
    NoNumber { column: &'static str, text: String },
    #[error(
        "timestamp {text:?} is no time; write seconds since 1970, or a date and time like 2026-01-05T14:30:00Z"
    )]
    NoTime { text: String },
    #[error(
        "timestamp {number} is too large for {}; is it {}? Write seconds, or call the column {}",
        .unit.words(), .likely.words(), .likely.column()
    )]
    OtherTimeUnit {
        number: f64,
        unit: TimeUnit,
        likely: TimeUnit,
    },
    #[error(
        "timestamp {text:?} is written otherwise than those before it; write all as numbers, all with a zone, or all without one"
    )]
    MixedTimes { text: String },
    #[error(
        "{} has {now} here and {before} at the same time {there}; leave one out, or give each machine its own series",
        named(.series)
    )]
    Contradiction {
        series: String,
        now: f64,
        before: f64,
        there: String,
    },
    #[error(
        "{many} of {all} values of {} lie {side}, this one at {value}; cpu must be percent of the whole machine: {}",
        named(.series), .side.remedy()
    )]
    Impossible {
        series: String,
        many: u64,
        all: u64,
        value: f64,
        side: Side,
    },
    #[error(
        "no value is above {most}, so this may be a share of 1 as well as the percentage of an idle machine; call the column cpu_ratio or cpu_percent (trainer: or say --cpu-unit)"
    )]
    MaybeRatio { most: f64 },
    #[error(
        "samples of {} are {seconds} s apart or more; are the times milliseconds? Write seconds, or call the column timestamp_ms",
        named(.series)
    )]
    TooSparse { series: String, seconds: i64 },
    #[error(
        "{many} of {all} samples of {} share their second with another; is `timestamp` in seconds?",
        named(.series)
    )]
    TooDense { series: String, many: u64, all: u64 },
}

fn named(series: &str) -> String {
    match series {
        "" => "the series".to_owned(),
        name => format!("series {name:?}"),
    }
}

/// Where values are that no percentage has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Above,
    Below,
}

impl Side {
    fn remedy(self) -> &'static str {
        match self {
            Self::Above => "if it is a sum over cores, divide by their number",
            Self::Below => "is it a difference?",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Above => "above 100",
            Self::Below => "below 0",
        })
    }
}
