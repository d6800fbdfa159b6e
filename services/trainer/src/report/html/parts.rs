//! What tables and drawings of the page share: the letter of a model, a legend, a figure.

use super::{markup::escape, plot::Colour};
use crate::report::{model::ModelReport, table};

/// The letter of a model; empty when there is one only.
pub fn which(models: &[ModelReport], index: usize) -> String {
    match models.len() {
        1 => String::new(),
        _ => table::letter(index).to_string(),
    }
}

/// Colours and what they stand for.
pub fn legend(entries: impl Iterator<Item = (Colour, String)>) -> String {
    let items: Vec<String> = entries
        .map(|(colour, text)| {
            let text = escape(&text);
            format!(
                "<li><i style=\"background:{}\"></i>{text}</li>",
                colour.css()
            )
        })
        .collect();
    format!("<ul class=\"legend\">{}</ul>\n", items.join(""))
}

/// A drawing with its title.
pub fn figure(title: &str, detail: &str, svg: &str) -> String {
    format!(
        "<figure><figcaption>{} <span>{}</span></figcaption>{svg}</figure>\n",
        escape(title),
        escape(detail)
    )
}
