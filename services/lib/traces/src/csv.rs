//! Rows from CSV, packed with gzip or not, with columns in any order.

use std::{fs::File, io::Read, path::Path};

use csv::{Position, Reader, StringRecord};
use flate2::read::MultiGzDecoder;

use crate::{
    error::{BadValue, Fault, Place},
    samples::{Samples, believable},
};

/// Which columns a file has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// `series`, `timestamp`, `cpu`: without the first, machines would be mixed up.
    Fleet,
    /// `timestamp`, `cpu` (or `value`), and `series` where there is more than one.
    OneOrMore,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// Line within the file, from 1.
    pub line: u64,
    /// Name of the series; empty in a file of one.
    pub series: &'a str,
    /// Seconds since the Unix epoch, as it is written.
    pub timestamp: f64,
    /// CPU in percent, as it is written.
    pub cpu: f64,
}

/// The rows of a file, one at a time.
pub struct Rows<R> {
    reader: Reader<R>,
    record: StringRecord,
    series: Option<usize>,
    timestamp: usize,
    cpu: usize,
}

/// The text of the file at `path`, unpacked when its name ends in `.gz`.
///
/// # Errors
/// When there is none.
pub fn open(path: &Path) -> std::io::Result<Box<dyn Read>> {
    let file = File::open(path)?;
    Ok(
        match path.extension().is_some_and(|ending| ending == "gz") {
            true => Box::new(MultiGzDecoder::new(file)),
            false => Box::new(file),
        },
    )
}

impl<R: Read> Rows<R> {
    /// Those of the text in `reader`.
    ///
    /// # Errors
    /// When it can't be read or lacks a column.
    pub fn new(reader: R, columns: Columns) -> Result<Self, Fault> {
        let mut reader = Reader::from_reader(reader);
        let headers = reader.headers()?;
        let find = |name: &str| headers.iter().position(|header| header == name);
        let column = |name: &'static str| find(name).ok_or(Fault::NoColumn(name));
        let (series, other_cpu) = match columns {
            Columns::Fleet => (Some(column("series")?), None),
            Columns::OneOrMore => (find("series"), find("value")),
        };
        let timestamp = column("timestamp")?;
        let cpu = column("cpu").or_else(|missing| other_cpu.ok_or(missing))?;
        Ok(Self {
            reader,
            record: StringRecord::new(),
            series,
            timestamp,
            cpu,
        })
    }

    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// When it can't be read or holds no numbers.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, Fault> {
        if !self.reader.read_record(&mut self.record)? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, Position::line);
        let number = |column: usize, name: &'static str| {
            let no_number = |_| {
                Place::Line(line).fault(BadValue::Kind {
                    column: name,
                    kind: "number",
                })
            };
            self.record[column].parse().map_err(no_number)
        };
        let timestamp = believable(number(self.timestamp, "timestamp")?);
        Ok(Some(Row {
            line,
            series: self.series.map_or("", |column| &self.record[column]),
            timestamp: timestamp.map_err(|what| Place::Line(line).fault(what))?,
            cpu: number(self.cpu, "cpu")?,
        }))
    }
}

/// Adds the rows of the file at `path`.
pub(crate) fn read(path: &Path, samples: &mut Samples) -> Result<(), Fault> {
    let mut rows = Rows::new(open(path).map_err(Fault::Open)?, Columns::Fleet)?;
    while let Some(row) = rows.next_row()? {
        samples
            .add(row.series, row.timestamp, row.cpu)
            .map_err(|what| Place::Line(row.line).fault(what))?;
    }
    Ok(())
}
