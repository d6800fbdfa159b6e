//! The JSON of Prometheus's HTTP API, as far as `query_range` uses it. Pure.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de};

/// A series: its name, and (seconds, value) as they came.
pub type NamedSeries = (String, Vec<(f64, f64)>);

/// What a query returned.
#[derive(Debug, PartialEq)]
pub struct RangeAnswer {
    pub series: Vec<NamedSeries>,
    /// What the server warned of: the data may be incomplete.
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<Data>,
    #[serde(rename = "errorType", default)]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: Vec<Matrix>,
}

#[derive(Deserialize)]
struct Matrix {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<Point>,
}

#[derive(Deserialize)]
struct Point(f64, Number);

/// A number in quotes, read without keeping the text.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number in quotes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                // Rust reads "NaN", "+Inf" and "-Inf" as Prometheus writes them.
                text.parse()
                    .map(Number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Reads an answer with status 200. Errors say what is wrong with it, without who sent it.
pub fn parse(body: &[u8]) -> Result<RangeAnswer, String> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| {
        format!(
            "is no answer of the Prometheus API ({})",
            one_line(&error.to_string())
        )
    })?;
    if envelope.status != "success" {
        return Err(format!(
            "is the error {}: {}",
            one_line(&envelope.error_type),
            one_line(&envelope.error)
        ));
    }
    let data = envelope.data.ok_or("has no data")?;
    if data.result_type != "matrix" {
        return Err(format!(
            "is a {} instead of a matrix",
            one_line(&data.result_type)
        ));
    }
    let series = data.result.into_iter().map(|matrix| {
        let points = matrix.values.into_iter();
        let points = points.map(|Point(at, Number(value))| (at, value)).collect();
        (name(&matrix.metric), points)
    });
    Ok(RangeAnswer {
        series: series.collect(),
        warnings: envelope
            .warnings
            .iter()
            .map(|text| one_line(text))
            .collect(),
    })
}

/// The `error` of an error answer, when the body is one.
pub fn parse_error(body: &[u8]) -> Option<String> {
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    (!envelope.error.is_empty()).then(|| one_line(&envelope.error))
}

/// `{instance="10.0.0.7:9100",job="node"}`, on one line whatever the labels hold.
fn name(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{}={value:?}", name.escape_debug()))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

/// At most 300 characters, control characters as spaces: what a stranger wrote goes to a terminal.
pub fn one_line(text: &str) -> String {
    text.trim()
        .chars()
        .map(|character| match character.is_control() {
            true => ' ',
            false => character,
        })
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_read_and_series_are_named_by_their_labels() {
        let body = br#"{"status":"success","warnings":["part\nmissing"],"data":{"resultType":"matrix","result":[
            {"metric":{"job":"node","instance":"a:9100"},"values":[[0,"1.5"],[300.5,"NaN"],[600,"+Inf"]]},
            {"metric":{"x":"a\n\"b"},"histograms":[]}]}}"#;
        let answer = parse(body).unwrap();
        let (name, points) = &answer.series[0];
        assert_eq!(name, r#"{instance="a:9100",job="node"}"#);
        assert_eq!(points[0], (0.0, 1.5));
        assert!(points[1].1.is_nan() && points[2].1.is_infinite());
        assert_eq!(answer.series[1], (r#"{x="a\n\"b"}"#.to_owned(), vec![]));
        assert_eq!(answer.warnings, ["part missing"]);
    }

    #[test]
    fn what_is_no_matrix_is_said() {
        for (body, expected) in [
            ("<!doctype html>", "no answer of the Prometheus API"),
            ("{}", "no answer of the Prometheus API"),
            (
                r#"{"status":"error","errorType":"bad_data","error":"parse\nerror"}"#,
                "bad_data: parse error",
            ),
            (r#"{"status":"success"}"#, "has no data"),
            (
                r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
                "is a vector",
            ),
            (
                r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,2]]}]}}"#,
                "a number in quotes",
            ),
        ] {
            let message = parse(body.as_bytes()).unwrap_err();
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
            assert!(!message.contains('\n'));
        }
        assert_eq!(parse_error(b"no"), None);
    }
}
