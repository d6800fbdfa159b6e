//! How answers look: tables for people, canonical protobuf JSON for scripts, colours only on a terminal.

use std::fmt::Display;

use comfy_table::{Table, presets::NOTHING};
use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage};

/// Prints a line to stdout; `anstream` drops colours where there is no terminal. A closed pipe is no error.
pub fn line(text: impl Display) {
    use std::io::Write as _;
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Prints a table without borders: columns that `awk` can split, too.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for printed in table.lines() {
        line(printed.trim_end());
    }
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
