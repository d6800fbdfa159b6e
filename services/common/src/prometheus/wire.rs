//! The JSON of Prometheus's HTTP API, as far as `query_range` uses it. Pure.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de};

use crate::text::one_line;

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seconds since the Unix epoch.
    pub at: f64,
    /// In the metric's unit; not finite when Prometheus said so.
    pub value: f64,
}

/// One series with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledSeries {
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// In the order of the answer.
    pub samples: Vec<Sample>,
}

impl LabelledSeries {
    /// `{instance="10.0.0.7:9100",job="node"}`, on one line whatever the labels hold.
    pub fn name(&self) -> String {
        let pairs: Vec<String> = self
            .labels
            .iter()
            .map(|(name, value)| format!("{}={value:?}", name.escape_debug()))
            .collect();
        format!("{{{}}}", pairs.join(","))
    }
}

/// What a query returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RangeAnswer {
    /// One for each combination of labels.
    pub series: Vec<LabelledSeries>,
    /// What the server warned of, one line each: the data may be incomplete.
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

/// Reads an answer with status 200.
///
/// # Errors
/// What is wrong with it, without who sent it.
pub fn parse(body: &[u8]) -> Result<RangeAnswer, String> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| {
        format!(
            "is not an answer of the Prometheus API ({})",
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
            "is a {} instead of a matrix; does the expression give a range vector?",
            one_line(&data.result_type)
        ));
    }
    let series = data
        .result
        .into_iter()
        .map(|matrix| LabelledSeries {
            labels: matrix.metric,
            samples: matrix
                .values
                .into_iter()
                .map(|Point(at, Number(value))| Sample { at, value })
                .collect(),
        })
        .collect();
    Ok(RangeAnswer {
        series,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_read_with_its_special_values() {
        let body = br#"{"status":"success","warnings":["part\nmissing"],"infos":["PromQL info: x"],"data":{"resultType":"matrix","result":[
            {"metric":{"instance":"a:9100"},"values":[[1700000000,"1.5"],[1700000300.5,"NaN"],[1700000600,"+Inf"],[1700000900,"-Inf"]]},
            {"metric":{},"histograms":[]}]}}"#;
        let answer = parse(body).unwrap();
        let samples = &answer.series[0].samples;
        assert_eq!(
            samples[0],
            Sample {
                at: 1_700_000_000.0,
                value: 1.5
            }
        );
        assert!(samples[1].value.is_nan());
        assert_eq!(samples[2].value, f64::INFINITY);
        assert_eq!(samples[3].value, f64::NEG_INFINITY);
        assert!(answer.series[1].samples.is_empty());
        assert_eq!(answer.warnings, ["part missing"]);
        assert_eq!(answer.series[0].name(), r#"{instance="a:9100"}"#);
    }

    #[test]
    fn what_is_no_matrix_is_said() {
        for (body, expected) in [
            ("<!doctype html>", "not an answer of the Prometheus API"),
            ("{}", "not an answer of the Prometheus API"),
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
                r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"x"]]}]}}"#,
                "a number in quotes",
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
    }

    #[test]
    fn hostile_labels_make_names_of_one_line() {
        let series = LabelledSeries {
            labels: [(
                "instance".to_owned(),
                "a\n| decision=scale_down\u{1b}[31m".to_owned(),
            )]
            .into(),
            samples: Vec::new(),
        };
        let name = series.name();
        assert!(!name.contains(char::is_control), "{name:?}");
    }
}
