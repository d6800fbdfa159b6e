//! How answers look: tables for people, canonical protobuf JSON for scripts, colours only on a terminal.

use std::{fmt::Display, io, sync::OnceLock};

use owo_colors::OwoColorize as _;
use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage};

/// Why an answer did not reach its reader.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints a line to stdout; `anstream` drops colours where there is no terminal. A closed pipe is no error: its reader has
/// seen enough. Whatever else goes wrong is kept for [`lost`].
pub fn line(text: impl Display) {
    use io::Write as _;
    let written = writeln!(anstream::stdout(), "{text}");
    if let Some(error) = written
        .err()
        .filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    {
        let _ = LOST.set(error);
    }
}

/// Why part of what was printed is lost, such as a disk without room; `None` when it was all taken.
pub fn lost() -> Option<&'static io::Error> {
    LOST.get()
}

/// Prints a table without borders: columns that `awk` can split, too. Colours take no room.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    for row in aligned(header, rows) {
        line(row);
    }
}

fn aligned<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Vec<String> {
    let width = |cell: &str| {
        anstream::adapter::strip_str(cell)
            .to_string()
            .chars()
            .count()
    };
    let mut all = vec![header.map(str::to_owned)];
    all.extend(rows);
    let widths: [usize; N] = std::array::from_fn(|column| {
        all.iter()
            .map(|row| width(&row[column]))
            .max()
            .unwrap_or_default()
    });
    all.iter()
        .map(|row| {
            let mut text = String::new();
            for (cell, widest) in row.iter().zip(widths) {
                let padding = widest - width(cell) + 2;
                text.push_str(cell);
                text.extend(std::iter::repeat_n(' ', padding));
            }
            text.trim_end().to_owned()
        })
        .collect()
}

/// A message in protobuf's canonical JSON, the same that grpcurl prints.
///
/// # Errors
/// When the message is not in the descriptor set: a bug.
pub fn json<M: prost::Message + Name>(message: &M) -> anyhow::Result<serde_json::Value> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS)?;
    let descriptor = pool
        .get_message_by_name(&M::full_name())
        .ok_or_else(|| anyhow::anyhow!("{} is not in the contract", M::full_name()))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    let options = prost_reflect::SerializeOptions::new().skip_default_fields(false);
    Ok(dynamic.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// Prints what [`json`] makes.
///
/// # Errors
/// Those of [`json`].
pub fn print_json<M: prost::Message + Name>(message: &M) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(&json(message)?)?);
    Ok(())
}

/// An enum value's protobuf name without its prefix, in lower case: `ACTION_SCALE_UP` is `scale_up`.
pub fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .unwrap_or(name)
        .to_lowercase()
}

/// A time as people write it, UTC, to the second; `-` when there is none.
pub fn time(time: Option<&prost_types::Timestamp>) -> String {
    match time.and_then(common::time::from_proto) {
        Some(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        None => "-".to_owned(),
    }
}

/// One decimal and a percent sign; `-` when unknown.
pub fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}%"))
}

/// Says on stderr what is not as it should be, and is no failure.
pub fn warn(text: &str) {
    anstream::eprintln!("autoscaler: {} {text}", "warning:".yellow());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_with_colours_too() {
        let rows = [["a", "\u{1b}[32mok\u{1b}[39m", "x"], ["bcd", "no", "y"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        let lines = aligned(["NAME", "IS", ""], rows);
        let plain: Vec<String> = lines
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        assert_eq!(plain, ["NAME  IS", "a     ok  x", "bcd   no  y"]);
    }
}
