//! Rows from CSV, packed with gzip or not, with columns in any order, parted by commas, semicolons or tabs.

use std::{
    fs::File,
    io::{Cursor, Read},
    path::Path,
};

use csv::{Position, Reader, ReaderBuilder, StringRecord};
use flate2::read::MultiGzDecoder;

use crate::{
    cell,
    columns::{Columns, Layout},
    error::{BadValue, Fault, Place},
    samples::{Sample, Samples},
};

/// As long as a header may be, to find out what parts it.
const MOST_HEADER: usize = 1 << 16;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Adds the rows of the file at `path`.
pub fn read(path: &Path, columns: Columns, samples: &mut Samples) -> Result<(), Fault> {
    let file = File::open(path).map_err(Fault::Open)?;
    match path.extension().is_some_and(|ending| ending == "gz") {
        true => parse(MultiGzDecoder::new(file), columns, samples),
        false => parse(file, columns, samples),
    }
}

fn parse(text: impl Read, columns: Columns, samples: &mut Samples) -> Result<(), Fault> {
    let mut reader = reader(text)?;
    let layout = Layout::find(reader.headers()?, columns)?;
    let mut record = StringRecord::new();
    let mut form = None;
    while reader.read_record(&mut record)? {
        let place = Place::Line(record.position().map_or(0, Position::line));
        let (time, this) =
            cell::time(&record[layout.time], layout.time_unit).map_err(|what| place.fault(what))?;
        if *form.get_or_insert(this) != this {
            let text = record[layout.time].to_owned();
            return Err(place.fault(BadValue::MixedTimes { text }));
        }
        let cpu = cell::number(&record[layout.cpu], "cpu").map_err(|what| place.fault(what))?;
        let sample = Sample {
            series: layout.series.map_or("", |column| &record[column]),
            seconds: time,
            cpu,
            unit: layout.cpu_unit,
        };
        samples
            .add(sample, place)
            .map_err(|what| place.fault(what))?;
    }
    Ok(())
}

/// By the header, what parts the fields.
fn reader(mut text: impl Read) -> Result<Reader<impl Read>, Fault> {
    let mut head = Vec::new();
    text.by_ref()
        .take(MOST_HEADER as u64)
        .read_to_end(&mut head)
        .map_err(Fault::Open)?;
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(Fault::Utf16);
    }
    if head.starts_with(BYTE_ORDER_MARK) {
        head.drain(..BYTE_ORDER_MARK.len());
    }
    let header = head.split(|byte| b"\r\n".contains(byte)).next();
    let header = header.unwrap_or_default();
    // A header has no numbers, so no commas but those between its names.
    let delimiter = [b',', b';', b'\t']
        .into_iter()
        .find(|delimiter| header.contains(delimiter));
    Ok(ReaderBuilder::new()
        .delimiter(delimiter.unwrap_or(b','))
        .from_reader(Cursor::new(head).chain(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;

    type Parsed = (String, Vec<i64>, Vec<f64>);

    fn parsed(text: &str) -> Result<Vec<Parsed>, String> {
        let mut samples = Samples::default();
        samples.begin("f.csv".into());
        parse(text.as_bytes(), Columns::OneOrMore, &mut samples)
            .map_err(|fault| fault.to_string())?;
        let series = samples.into_series().map_err(|error| error.to_string())?;
        Ok(series
            .into_iter()
            .map(|series| (series.name, series.timestamps_seconds, series.cpu_percent))
            .collect())
    }

    #[test]
    fn one_recording_is_read_alike_in_every_form() {
        let expected = [(
            "a".to_owned(),
            vec![1_764_000_000, 1_764_000_300],
            vec![7.5, 80.0],
        )];
        for text in [
            "series,timestamp,cpu\na,1764000000,7.5\na,1764000300,80\n",
            "\u{feff}series,timestamp,cpu\r\na,1764000000,7.5\r\na,1764000300,80\r\n",
            "Series; Timestamp; CPU\na;1764000000;7,5\na;1764000300;80,0\n",
            "series\ttimestamp\tcpu\na\t1764000000\t7,5\na\t1764000300\t80\n",
            "series,timestamp,cpu\na,1764000000,\"7,5\"\na,1764000300,80\n",
            "series,timestamp,cpu\na,1764000000,7.5%\na,1764000300,80 %\n",
            "series,timestamp_ms,cpu\na,1764000000000,7.5\na,1764000300000,80\n",
            "series,timestamp_us,cpu\na,1764000000000000,7.5\na,1764000300000000,80\n",
            "series,timestamp_ns,cpu\na,1764000000000000000,7.5\na,1764000300000000000,80\n",
            "cpu_ratio,series,timestamp\n0.075,a,1764000000\n0.8,a,1764000300\n",
            "cpu_percent,series,timestamp\n7.5,a,1764000000\n80,a,1764000300\n",
            "series,timestamp,cpu\na,2025-11-24T16:00:00Z,7.5\na,2025-11-24T17:05:00+01:00,80\n",
            "series,timestamp,cpu\na,2025-11-24 16:00:00,7.5\na,2025-11-24 16:05:00,80\n",
            // Unsorted, doubled, unknown.
            "series,timestamp,cpu\na,1764000300,80\na,1764000000,7.5\na,1764000300,80.0\n",
            "series,timestamp,cpu\na,1764000000,7.5\na,1764000100,NaN\na,1764000200,\na,1764000300,80\n",
        ] {
            assert_eq!(parsed(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused_with_its_line() {
        for (rows, expected) in [
            (
                "a,1,5\na,1764000000000,5",
                "line 3: timestamp 1764000000000 is too large for seconds; is it milliseconds?",
            ),
            ("a,1,5\na,2,x", "line 3: cpu \"x\" is no number"),
            ("a,1,5\na,,6", "line 3: timestamp \"\" is no time"),
            ("a,NaN,6", "line 2: timestamp \"NaN\" is no time"),
            ("a,24.11.2025,6", "like 2026-01-05T14:30:00Z"),
            (
                "a,1764000000,5\na,2025-11-24T16:05:00Z,5",
                "line 3: timestamp \"2025-11-24T16:05:00Z\" is written otherwise",
            ),
            ("a,2025-11-24 16:00,5\na,2025-11-24T16:05:00Z,5", "line 3"),
            (
                "a,1,5\na,2,12,5",
                "line 3: 4 fields where the header has 3; a decimal comma",
            ),
            (
                "a,0,5\na,300,60\na,0,7",
                "line 4: series \"a\" has 7 here and 5 at the same time on line 2",
            ),
            (
                "a,0,0.05\na,300,0.61\nb,0,0.3",
                "line 2: no value is above 0.61",
            ),
            (
                "a,0,10\na,300,250\na,600,310",
                "line 3: 2 of 3 values of series \"a\" lie above 100, this one at 250",
            ),
            (
                "a,0,-10\na,300,-7\na,600,31",
                "line 2: 2 of 3 values of series \"a\" lie below 0",
            ),
            // Milliseconds from the start, and days.
            (
                "a,0,5\na,300000,6\na,600000,7",
                "line 2: samples of series \"a\" are 300000 s apart or more; are the times milliseconds?",
            ),
            (
                "a,45000.0000,5\na,45000.0035,6\na,45000.0070,7\na,45000.0105,8",
                "3 of 4 samples of series \"a\" share their second",
            ),
        ] {
            let error = parsed(&format!("series,timestamp,cpu\n{rows}\n")).unwrap_err();
            assert!(error.contains(expected), "{error:?} lacks {expected:?}");
        }
        for (text, expected) in [
            ("1764000000,20\n", "no column `timestamp`"),
            ("\u{feff}a,b\n1,2\n", "no column `timestamp`"),
            ("timestamp\n1\n", "no column `cpu`"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let mut samples = Samples::default();
        let utf_16 = b"\xff\xfet\0i\0".as_slice();
        let error = parse(utf_16, Columns::OneOrMore, &mut samples).unwrap_err();
        assert_eq!(error.to_string(), "is UTF-16; save it as UTF-8");
    }

    #[test]
    fn what_real_recordings_hold_is_read() {
        // An idle machine in percent beside one that works; noise above 100; one wild value; a machine that does nothing.
        let busy: String = (0..300)
            .map(|step| {
                let value = [99.0, 101.5, 105.9, 40.0][step % 4];
                format!("busy,{},{value}\n", step * 300)
            })
            .collect();
        let text =
            format!("series,timestamp,cpu\n{busy}busy,90000,248.2\nidle,0,0.2\nidle,300,0.9\n");
        let series = parsed(&text).unwrap();
        assert_eq!(series[0].2[..4], [99.0, 100.0, 100.0, 40.0]);
        assert_eq!(series[0].2.last(), Some(&100.0));
        assert_eq!(series[1].2, [0.2, 0.9]);
        for text in [
            "timestamp,cpu\n0,0\n300,0\n",
            "timestamp,cpu_percent\n0,0.1\n300,0.4\n",
            "timestamp,cpu\n0,0.1%\n300,0.4%\n",
            // A mark above 1 settles it, wherever it is.
            "timestamp,cpu\n0,0.1\n300,1.4\n",
            "timestamp,value\n0,0.1\n300,22\n",
        ] {
            assert_eq!(parsed(text).unwrap().len(), 1, "{text}");
        }
    }
}
