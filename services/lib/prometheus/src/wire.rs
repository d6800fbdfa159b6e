//! The JSON of Prometheus's HTTP API, as far as `query_range` uses it. Pure.

use std::{collections::BTreeMap, fmt};

use common::text::{chain, one_line, words};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::{error::Malformed, secrets::Secrets};

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
    /// How the server says that data may be missing, one line each.
    pub warnings: Vec<String>,
    /// What it says about the expression, one line each; the data is complete.
    pub advice: Vec<String>,
}

/// How the annotations of Prometheus begin that are no more than advice; 2.48 to 2.53 send them among the warnings.
const ADVICE: &str = "PromQL info:";
/// So many of them are kept.
const MOST_ADVICE: usize = 4;

#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<Data>,
    #[serde(rename = "errorType", default, deserialize_with = "nothing_is_empty")]
    error_type: String,
    #[serde(default, deserialize_with = "nothing_is_empty")]
    error: String,
    // In whatever form: only an absent, null or empty one says nothing.
    #[serde(default)]
    warnings: Value,
    #[serde(default)]
    infos: Value,
    // VictoriaMetrics: a storage node did not answer.
    #[serde(rename = "isPartial", default)]
    is_partial: Value,
    // The same by other names.
    #[serde(default)]
    partial: Value,
    #[serde(rename = "partialResponse", default)]
    partial_response: Value,
    // Servers that hand out an answer page by page.
    #[serde(rename = "pageInfo", default)]
    page_info: Value,
}

impl Envelope {
    /// How the answer says that data may be missing, and what it only advises.
    fn remarks(&self, secrets: &Secrets) -> (Vec<String>, Vec<String>) {
        let texts = |value| texts(value, secrets);
        let (mut advice, mut warnings): (Vec<String>, Vec<String>) = texts(&self.warnings)
            .into_iter()
            .partition(|text| text.starts_with(ADVICE));
        advice.extend(texts(&self.infos));
        advice.truncate(MOST_ADVICE);
        for (name, value) in [
            ("isPartial", &self.is_partial),
            ("partial", &self.partial),
            ("partialResponse", &self.partial_response),
        ] {
            if says_yes(value) {
                warnings.push(format!("the answer is partial ({name})"));
            }
        }
        let next_page = self.page_info.get("nextPageToken");
        if next_page.is_some_and(says_yes) {
            warnings.push("the answer is partial (it has further pages)".to_owned());
        }
        (warnings, advice)
    }
}

/// The lines in a list, or in anything else that isn't nothing.
fn texts(value: &Value, secrets: &Secrets) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => one_line(&secrets.hide(text)),
        other => one_line(&secrets.hide(&other.to_string())),
    };
    match value {
        Value::Array(all) => all.iter().filter(|one| says_yes(one)).map(text).collect(),
        one if says_yes(one) => vec![text(one)],
        _ => Vec::new(),
    }
}

/// False for what means no in some language.
fn says_yes(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => is_yes(text),
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
    }
}

/// The same for a text.
pub fn is_yes(text: &str) -> bool {
    !matches!(
        text.trim().to_lowercase().as_str(),
        "" | "false" | "0" | "no"
    )
}

/// `null`, which programs in Go write for a list or map that nobody made, is an empty one.
fn nothing_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    #[serde(deserialize_with = "nothing_is_empty")]
    result: Vec<Matrix>,
}

#[derive(Deserialize)]
struct Matrix {
    #[serde(deserialize_with = "nothing_is_empty")]
    metric: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nothing_is_empty")]
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

/// Reads an answer with status 200; what it says is repeated without `secrets`.
///
/// # Errors
/// What is wrong with it, without who sent it.
pub fn parse(body: &[u8], secrets: &Secrets) -> Result<RangeAnswer, Malformed> {
    let said = |text: &str| one_line(&secrets.hide(text));
    let envelope: Envelope =
        serde_json::from_slice(body).map_err(|error| Malformed::Foreign(said(&chain(&error))))?;
    if envelope.status != "success" {
        return Err(Malformed::Error {
            kind: said(&envelope.error_type),
            message: said(&envelope.error),
        });
    }
    let (warnings, advice) = envelope.remarks(secrets);
    let data = envelope.data.ok_or(Malformed::Empty)?;
    if data.result_type != "matrix" {
        return Err(Malformed::NoMatrix(said(&data.result_type)));
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
        warnings,
        advice,
    })
}

/// What the body of an error says, on one line and of bounded length: Prometheus's `error`, what others call `message`,
/// plain text, or the words of a page; without `secrets`. `None` when it says nothing.
pub fn parse_error(body: &[u8], secrets: &Secrets) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let said = match serde_json::from_str::<Value>(&text) {
        Ok(json) => said_in(&json).unwrap_or_else(|| json.to_string()),
        Err(_) if text.trim_start().starts_with('<') => without_tags(&text),
        Err(_) => text.into_owned(),
    };
    // Before it is cut: half a secret would not be known again.
    let said = one_line(&words(&secrets.hide(&said)));
    (!matches!(said.as_str(), "" | "null" | "{}" | "[]")).then_some(said)
}

fn said_in(json: &Value) -> Option<String> {
    ["error", "message", "error_description", "detail", "Message"]
        .iter()
        .find_map(|name| match json.get(name)? {
            Value::String(text) if text.trim().is_empty() => None,
            Value::String(text) => Some(text.clone()),
            // `{"error": {"message": …}}`
            inner => said_in(inner),
        })
}

/// The words of a page: of what isn't shown, nothing.
fn without_tags(page: &str) -> String {
    let mut words = String::new();
    // As long as the page, byte for byte.
    let all_lower = page.to_ascii_lowercase();
    let mut rest = page;
    while let Some(begin) = rest.find('<') {
        words.push_str(&rest[..begin]);
        words.push(' ');
        let lower = &all_lower[page.len() - rest.len() + begin..];
        let unseen = [
            ("<style", "</style"),
            ("<script", "</script"),
            ("<!--", "-->"),
        ];
        let behind = unseen.iter().find(|(first, _)| lower.starts_with(first));
        let last = behind.map_or(Some(0), |(_, last)| lower.find(last));
        let end = last.and_then(|last| Some(last + lower[last..].find('>')?));
        rest = end.map_or("", |end| &rest[begin + end + 1..]);
    }
    words.push_str(rest);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_read_with_its_special_values() {
        let body = br#"{"status":"success","warnings":["part\nmissing"],"infos":["PromQL info: x"],"data":{"resultType":"matrix","result":[
            {"metric":{"instance":"a:9100"},"values":[[1700000000,"1.5"],[1700000300.5,"NaN"],[1700000600,"+Inf"],[1700000900,"-Inf"]]},
            {"metric":{},"histograms":[]}]}}"#;
        let answer = parse(body, &Secrets::default()).unwrap();
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

    /// What an answer with these further fields warns of and advises.
    fn remarks(fields: &str) -> (Vec<String>, Vec<String>) {
        let body = format!(
            r#"{{"status":"success",{fields}"data":{{"resultType":"matrix","result":[]}}}}"#
        );
        let answer = parse(body.as_bytes(), &Secrets::default()).unwrap();
        (answer.warnings, answer.advice)
    }

    #[test]
    fn an_answer_says_in_many_forms_that_it_is_incomplete() {
        for (fields, expected) in [
            (r#""isPartial":true,"#, "the answer is partial (isPartial)"),
            (
                r#""isPartial":"true","#,
                "the answer is partial (isPartial)",
            ),
            (r#""partial":true,"#, "the answer is partial (partial)"),
            (
                r#""partialResponse":1,"#,
                "the answer is partial (partialResponse)",
            ),
            (
                r#""pageInfo":{"nextPageToken":"abc","pageSize":50},"#,
                "the answer is partial (it has further pages)",
            ),
            (r#""warnings":"a store is down","#, "a store is down"),
            (r#""warnings":["a store is down"],"#, "a store is down"),
            (r#""warnings":[{"store":"a"}],"#, r#"{"store":"a"}"#),
            // Prometheus leaves elements out of the result and says so.
            (
                r#""warnings":["PromQL warning: encountered a mix"],"#,
                "PromQL warning: encountered a mix",
            ),
        ] {
            assert_eq!(remarks(fields).0, [expected], "{fields}");
        }
    }

    #[test]
    fn advice_is_no_sign_of_missing_data() {
        for (fields, advice) in [
            ("", &[][..]),
            (r#""warnings":null,"infos":null,"isPartial":null,"#, &[]),
            (r#""warnings":[],"isPartial":false,"partial":"false","#, &[]),
            (r#""pageInfo":{"nextPageToken":"","pageSize":50},"#, &[]),
            (
                r#""stats":{"seriesFetched":"0"},"trace":{"partial":true},"#,
                &[],
            ),
            (r#""warnings":["PromQL info: a"],"#, &["PromQL info: a"]),
            (r#""infos":["PromQL info: b"],"#, &["PromQL info: b"]),
        ] {
            let (warnings, advised) = remarks(fields);
            assert!(warnings.is_empty(), "{fields}: {warnings:?}");
            assert_eq!(advised, advice, "{fields}");
        }
        let (warnings, advice) = remarks(r#""warnings":["PromQL info: a","a store is down"],"#);
        assert_eq!(warnings, ["a store is down"]);
        assert_eq!(advice, ["PromQL info: a"]);
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
            let message = parse(body.as_bytes(), &Secrets::default())
                .unwrap_err()
                .to_string();
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
            assert!(!message.contains('\n'));
        }
    }

    #[test]
    fn null_is_nothing_wherever_a_list_or_a_map_is_expected() {
        for (result, series) in [
            ("null", 0),
            (r#"[{"metric":null,"values":[[1,"2"]]}]"#, 1),
            (r#"[{"metric":{"a":"b"},"values":null}]"#, 1),
        ] {
            let body = format!(
                r#"{{"status":"success","errorType":null,"error":null,"warnings":null,"infos":null,"data":{{"resultType":"matrix","result":{result}}}}}"#
            );
            let answer = parse(body.as_bytes(), &Secrets::default()).unwrap();
            assert_eq!(answer.series.len(), series, "{result}");
        }
        let without = br#"{"status":"success","data":{"resultType":"matrix"}}"#;
        assert!(parse(without, &Secrets::default()).is_err());
    }

    #[test]
    fn errors_are_quoted_in_whatever_form_they_come() {
        for (body, expected) in [
            ("no org id\n", "no org id"),
            (r#"{"status":"error","error":"parse error"}"#, "parse error"),
            (
                r#"{"message":"API key is\u001b[31m invalid"}"#,
                "API key is [31m invalid",
            ),
            (r#"{"error":{"code":403,"message":"denied"}}"#, "denied"),
            (r#"{"status":"error","error":null,"message":"m"}"#, "m"),
            (r#"{"code":7}"#, r#"{"code":7}"#),
            (
                "<html><head><style>p {}</style><title>403 Forbidden</title></head><!-- x --><body><h1>nginx</h1>",
                "403 Forbidden nginx",
            ),
            ("<b", ""),
            (" \n", ""),
            ("null", ""),
        ] {
            assert_eq!(
                parse_error(body.as_bytes(), &Secrets::default()).unwrap_or_default(),
                expected,
                "{body}"
            );
        }
        let long = parse_error("x".repeat(60_000).as_bytes(), &Secrets::default()).unwrap();
        assert!(long.len() < 2_000 && long.ends_with('…'), "{}", long.len());
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

    #[test]
    fn no_secret_is_repeated_from_any_part_of_an_answer() {
        let secrets = Secrets::new(["hunter2-hunter2"]);
        // At the place where the text is cut, too.
        let late = format!("{} hunter2-hunter2", "x".repeat(390));
        for body in [
            late.as_str(),
            "token hunter2-hunter2",
            "<p>hunter2-hunter2</p>",
            r#"{"message":"hunter2-hunter2"}"#,
            r#"{"other":"hunter2-hunter2"}"#,
        ] {
            let said = parse_error(body.as_bytes(), &secrets).unwrap();
            assert!(!said.contains("hunter2"), "{said}");
            assert!(said.contains('…'), "{said}");
        }
        for body in [
            r#"{"status":"error","errorType":"hunter2-hunter2","error":"hunter2-hunter2"}"#,
            r#"{"status":"success","data":{"resultType":"hunter2-hunter2","result":[]}}"#,
            r#"{"status":"success","data":"hunter2-hunter2"}"#,
        ] {
            let why = parse(body.as_bytes(), &secrets).unwrap_err().to_string();
            assert!(!why.contains("hunter2"), "{why}");
        }
        let body = r#"{"status":"success","warnings":["hunter2-hunter2",{"a":"hunter2-hunter2"}],"infos":["hunter2-hunter2"],"data":{"resultType":"matrix","result":[]}}"#;
        let answer = parse(body.as_bytes(), &secrets).unwrap();
        assert_eq!(answer.warnings, ["…", r#"{"a":"…"}"#]);
        assert_eq!(answer.advice, ["…"]);
    }
}
