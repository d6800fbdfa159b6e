//! Samples from Parquet: columns `series` (text or integer), `timestamp` (a number, a date and time as text, or a Parquet
//! timestamp of any unit), `cpu`, and others that are not read.

use std::{fs::File, path::Path, sync::Arc};

use parquet::{
    basic::{LogicalType, TimeUnit as TimeUnits},
    file::reader::{FileReader as _, SerializedFileReader},
    record::Field,
    schema::types::Type,
};

use crate::{
    cell::{self, Number},
    columns::{Columns, Layout},
    error::{BadValue, Fault, Place},
    samples::{Sample, Samples},
    units::TimeUnit,
};

/// Adds the rows of the file at `path`.
pub fn read(path: &Path, columns: Columns, samples: &mut Samples) -> Result<(), Fault> {
    let file = File::open(path).map_err(Fault::Open)?;
    let reader = SerializedFileReader::new(file)?;
    let schema = reader.metadata().file_metadata().schema();
    let fields = schema.get_fields();
    let layout = Layout::find(fields.iter().map(|field| field.name()), columns)?;
    let mut wanted = Vec::new();
    for (column, name) in [
        (layout.series, "series"),
        (Some(layout.time), "timestamp"),
        (Some(layout.cpu), "cpu"),
    ] {
        let Some(column) = column else { continue };
        if !fields[column].is_primitive() {
            return Err(Fault::Nested(name));
        }
        wanted.push(Arc::clone(&fields[column]));
    }
    let named = |column: usize| fields[column].name().to_owned();
    let (series_name, time_name) = (layout.series.map(named), named(layout.time));
    // The format's older annotation has no nanoseconds, so the row reader gives bare integers for them.
    let time_unit = match fields[layout.time].get_basic_info().logical_type_ref() {
        Some(LogicalType::Timestamp(timestamp)) if timestamp.unit == TimeUnits::NANOS => {
            TimeUnit::Nanoseconds
        }
        _ => layout.time_unit,
    };
    let projection = Type::group_type_builder(schema.name())
        .with_fields(wanted)
        .build()?;
    let rows = reader.get_row_iter(Some(projection))?;
    for (number, row) in rows.enumerate() {
        let row = row?;
        let place = Place::Row(number + 1);
        let bad = |what| place.fault(what);
        let kind = |column, kind| place.fault(BadValue::Kind { column, kind });
        let (mut series, mut seconds, mut cpu) = (String::new(), None, None);
        for (name, field) in row.get_column_iter() {
            if Some(name) == series_name.as_ref() {
                series = text(field).ok_or_else(|| kind("series", "text"))?;
            } else if *name == time_name {
                seconds = time(field, time_unit).map_err(bad)?;
            } else {
                cpu = value(field).map_err(bad)?;
            }
        }
        let sample = Sample {
            series: &series,
            seconds: seconds.ok_or_else(|| kind("timestamp", "time"))?,
            cpu: cpu.ok_or_else(|| kind("cpu", "number"))?,
            unit: layout.cpu_unit,
        };
        samples.add(sample, place).map_err(bad)?;
    }
    Ok(())
}

fn text(field: &Field) -> Option<String> {
    match field {
        Field::Str(text) => Some(text.clone()),
        Field::Bytes(bytes) => Some(String::from_utf8_lossy(bytes.data()).into_owned()),
        Field::Null => None,
        other => number(other).map(|number| number.to_string()),
    }
}

fn time(field: &Field, unit: TimeUnit) -> Result<Option<f64>, BadValue> {
    Ok(match field {
        Field::TimestampMillis(time) => Some(*time as f64 / 1e3),
        Field::TimestampMicros(time) => Some(*time as f64 / 1e6),
        Field::Str(text) => Some(cell::time(text, unit)?.0),
        other => match number(other) {
            Some(number) => Some(cell::seconds(number, unit)?),
            None => None,
        },
    })
}

/// Null is unknown, never zero.
fn value(field: &Field) -> Result<Option<Number>, BadValue> {
    Ok(match field {
        Field::Null => Some(Number::Unknown),
        Field::Str(text) => Some(cell::number(text, "cpu")?),
        other => number(other).map(cell::plain),
    })
}

fn number(field: &Field) -> Option<f64> {
    Some(match field {
        Field::Byte(number) => f64::from(*number),
        Field::Short(number) => f64::from(*number),
        Field::Int(number) => f64::from(*number),
        Field::Long(number) => *number as f64,
        Field::UByte(number) => f64::from(*number),
        Field::UShort(number) => f64::from(*number),
        Field::UInt(number) => f64::from(*number),
        Field::ULong(number) => *number as f64,
        Field::Float(number) => f64::from(*number),
        Field::Double(number) => *number,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use parquet::{
        data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type},
        file::{properties::WriterProperties, writer::SerializedFileWriter},
        schema::parser::parse_message_type,
    };

    use super::*;

    /// Writes two rows of series `a` at `times` with CPU 5 and unknown; `timestamp` declares that column.
    fn write(path: &Path, timestamp: &str, times: [i64; 2]) {
        let schema = format!(
            "message m {{ OPTIONAL DOUBLE cpu; OPTIONAL DOUBLE ram; REQUIRED INT64 {timestamp}; REQUIRED BYTE_ARRAY series (STRING); }}"
        );
        let schema = Arc::new(parse_message_type(&schema).unwrap());
        let codec = parquet::basic::Compression::SNAPPY;
        let properties = WriterProperties::builder().set_compression(codec).build();
        let file = File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        for _ in 0..2 {
            let mut column = group.next_column().unwrap().unwrap();
            column
                .typed::<DoubleType>()
                .write_batch(&[5.0], Some(&[1, 0]), None)
                .unwrap();
            column.close().unwrap();
        }
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<Int64Type>()
            .write_batch(&times, None, None)
            .unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let names = [ByteArray::from("a"), ByteArray::from("a")];
        column
            .typed::<ByteArrayType>()
            .write_batch(&names, None, None)
            .unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn times_of_every_unit_are_seconds_and_null_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        for (column, unit) in [
            ("timestamp", 1),
            ("timestamp (TIMESTAMP(MILLIS,true))", 1_000),
            ("timestamp (TIMESTAMP(MICROS,false))", 1_000_000),
            ("timestamp (TIMESTAMP(NANOS,true))", 1_000_000_000),
            ("timestamp (TIMESTAMP_MILLIS)", 1_000),
            ("timestamp_ms", 1_000),
            ("timestamp_us", 1_000_000),
            ("timestamp_ns", 1_000_000_000),
        ] {
            write(&path, column, [1_700_000_000 * unit, 1_700_000_300 * unit]);
            let mut samples = Samples::default();
            read(&path, Columns::Fleet, &mut samples).unwrap();
            let series = samples.into_series().unwrap();
            assert_eq!(series.len(), 1, "{column}");
            assert_eq!(series[0].name, "a", "{column}");
            assert_eq!(series[0].timestamps_seconds, [1_700_000_000], "{column}");
            assert_eq!(series[0].cpu_percent, [5.0]);
        }
        // Read right or refused: these would lie in the year 55,000.
        write(&path, "timestamp", [1_700_000_000_000, 1_700_000_300_000]);
        let error = read(&path, Columns::Fleet, &mut Samples::default()).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("row 1: timestamp") && error.contains("milliseconds"),
            "{error}"
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write(&path, "time", [0, 300]);
        let error = read(&path, Columns::Fleet, &mut Samples::default()).unwrap_err();
        assert!(
            error.to_string().contains("no column `timestamp`"),
            "{error}"
        );
        std::fs::write(&path, "series,timestamp,cpu\n").unwrap();
        assert!(read(&path, Columns::Fleet, &mut Samples::default()).is_err());
    }
}
