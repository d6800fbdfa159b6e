//! Samples from CSV, packed with gzip or not: columns `series,timestamp,cpu[,…]` in any order.

use std::{fs::File, io::Read, path::Path};

use common::text::chain;
use flate2::read::MultiGzDecoder;

use super::Samples;

/// Adds the rows of the file at `path`. Errors say what is wrong, not where: the caller knows.
pub fn read(path: &Path, samples: &mut Samples) -> Result<(), String> {
    let file = File::open(path).map_err(|error| chain(&error))?;
    let reader: Box<dyn Read> = match path.extension().is_some_and(|ending| ending == "gz") {
        true => Box::new(MultiGzDecoder::new(file)),
        false => Box::new(file),
    };
    let mut rows = csv::Reader::from_reader(reader);
    let headers = rows.headers().map_err(|error| chain(&error))?;
    let column = |name: &str| {
        headers
            .iter()
            .position(|header| header == name)
            .ok_or_else(|| format!("no column `{name}`"))
    };
    let (series, timestamp, cpu) = (column("series")?, column("timestamp")?, column("cpu")?);
    let mut row = csv::StringRecord::new();
    while rows.read_record(&mut row).map_err(|error| chain(&error))? {
        let line = row.position().map_or(0, csv::Position::line);
        let number = |column: usize, name: &str| -> Result<f64, String> {
            row[column]
                .parse()
                .map_err(|_| format!("line {line}: {name} is no number"))
        };
        samples
            .add(
                &row[series],
                number(timestamp, "timestamp")?,
                number(cpu, "cpu")?,
            )
            .map_err(|what| format!("line {line}: {what}"))?;
    }
    Ok(())
}
