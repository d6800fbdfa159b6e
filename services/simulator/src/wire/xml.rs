//! As much of XML as EC2 writes.

use std::fmt::Display;

/// `<name>text</name>`.
pub fn leaf(name: &str, text: impl Display) -> String {
    let text = text
        .to_string()
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!("<{name}>{text}</{name}>")
}

/// [`leaf`], or nothing.
pub fn leaf_of(name: &str, text: Option<impl Display>) -> String {
    text.map(|text| leaf(name, text)).unwrap_or_default()
}

/// An element with elements in it.
pub fn node(name: &str, parts: impl IntoIterator<Item = String>) -> String {
    let inside: String = parts.into_iter().collect();
    format!("<{name}>{inside}</{name}>")
}

/// An element with an `<item>` for each part.
pub fn list(name: &str, parts: impl IntoIterator<Item = String>) -> String {
    node(name, parts.into_iter().map(|part| node("item", [part])))
}

/// [`list`] of texts.
pub fn texts(name: &str, parts: impl IntoIterator<Item = impl Display>) -> String {
    node(name, parts.into_iter().map(|text| leaf("item", text)))
}
