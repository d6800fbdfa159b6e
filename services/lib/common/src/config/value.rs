//! The value of a variable as text: `[a, b]` is a list, `{key = value}` keys, and what stands for itself is a number or
//! text, whatever its key asks for. Pure.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use super::lines::joined;

/// What a key asks for that had guessed otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    Text,
    Truth,
}

/// What `text` stands for at `key`, a dotted path; `meant` says it for the keys that it knows.
pub fn parse(text: &str, key: &str, meant: &BTreeMap<String, Meant>) -> Value {
    let bare = text.trim();
    match meant.get(key) {
        Some(Meant::Text) => return Value::from(text),
        Some(Meant::Truth) => {
            return truth(text).map_or_else(|| Value::from(text), Value::from);
        }
        None => {}
    }
    inside(bare, ['[', ']'])
        .and_then(|items| list(items, key, meant))
        .or_else(|| keys(inside(bare, ['{', '}'])?, key, meant))
        .unwrap_or_else(|| scalar(text))
}

/// Where true or false is asked for.
pub fn truth(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn list(text: &str, key: &str, meant: &BTreeMap<String, Meant>) -> Option<Value> {
    let items = items(text)?.into_iter().enumerate();
    let values =
        items.map(|(position, text)| inner(text, &joined(key, &position.to_string()), meant));
    Some(Value::from(values.collect::<Vec<_>>()))
}

fn keys(text: &str, key: &str, meant: &BTreeMap<String, Meant>) -> Option<Value> {
    let pairs = items(text)?.into_iter().map(|item| {
        let (name, value) = item.split_once(['=', ':'])?;
        let name = unquoted(name.trim())?;
        (!name.is_empty()).then(|| {
            let value = inner(value.trim(), &joined(key, &name), meant);
            (name, value)
        })
    });
    Some(Value::from(pairs.collect::<Option<Dict>>()?))
}

/// Of a list or of keys: there, text may stand between single quotes as well.
fn inner(text: &str, key: &str, meant: &BTreeMap<String, Meant>) -> Value {
    match inside(text, ['\'', '\'']) {
        Some(inner) => Value::from(inner),
        None => parse(text, key, meant),
    }
}

fn scalar(text: &str) -> Value {
    let bare = text.trim();
    match bare.to_lowercase().as_str() {
        "true" | "yes" | "on" => return Value::from(true),
        "false" | "no" | "off" => return Value::from(false),
        _ => {}
    }
    if bare.starts_with('"') {
        return Value::from(unquoted(bare).unwrap_or_else(|| text.to_owned()));
    }
    // A number, or the text.
    match bare.contains(['[', ']', '{', '}', ',']) {
        true => Value::from(text),
        false => match text.parse() {
            Ok(value) => value,
            Err(infallible) => match infallible {},
        },
    }
}

/// Without the quotes around all of it. `None` when they don't end.
fn unquoted(text: &str) -> Option<String> {
    if let Some(inner) = inside(text, ['\'', '\'']) {
        return Some(inner.to_owned());
    }
    match text.starts_with('"') {
        true => match text.parse::<Value>() {
            Ok(Value::String(_, inner)) if inner != text => Some(inner),
            _ => None,
        },
        false => Some(text.to_owned()),
    }
}

fn inside(text: &str, [open, close]: [char; 2]) -> Option<&str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

/// The parts between the commas that are in no quotes and no brackets, trimmed. `None` when one of these doesn't end.
fn items(text: &str) -> Option<Vec<&str>> {
    let mut items = Vec::new();
    let mut open = Vec::new();
    let mut start = 0;
    let mut quote = None;
    let mut is_escaped = false;
    // A quote begins where an item or a value does.
    let mut before = ',';
    for (at, sign) in text.char_indices() {
        match (quote, sign) {
            (Some('"'), '\\') if !is_escaped => {
                is_escaped = true;
                continue;
            }
            (Some(end), sign) if sign == end && !is_escaped => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if ",[{=:".contains(before) => quote = Some(sign),
            (None, '[') => open.push(']'),
            (None, '{') => open.push('}'),
            (None, ']' | '}') => open.pop().filter(|close| *close == sign).map(drop)?,
            (None, ',') if open.is_empty() => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            (None, _) => {}
        }
        is_escaped = false;
        if !sign.is_whitespace() {
            before = sign;
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        items.push(last);
    }
    let is_whole = open.is_empty() && quote.is_none() && !items.iter().any(|item| item.is_empty());
    is_whole.then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, meant: &[(&str, Meant)]) -> String {
        let meant = meant.iter().map(|(key, meant)| ((*key).to_owned(), *meant));
        let value = parse(text, "k", &meant.collect());
        serde_json::to_string(&value).unwrap()
    }

    #[test]
    fn lists_and_keys_are_read_and_everything_else_is_a_number_or_text() {
        for (text, expected) in [
            ("7", "7"),
            ("007", "7"),
            ("-3", "-3"),
            ("0.5", "0.5"),
            ("Yes", "true"),
            ("truenas", r#""truenas""#),
            ("[a, 7 , 'b, c', \"d\\\"]\"]", r#"["a",7,"b, c","d\"]"]"#),
            ("[truenas, web]", r#"["truenas","web"]"#),
            ("[a,]", r#"["a"]"#),
            ("[]", "[]"),
            ("{}", "{}"),
            (
                "{a = 1, b=[x], \"c d\" = {e = f}}",
                r#"{"a":1,"b":["x"],"c d":{"e":"f"}}"#,
            ),
            ("{a: http://x:1}", r#"{"a":"http://x:1"}"#),
            ("[{a = 1}, {a = it's}]", r#"[{"a":1},{"a":"it's"}]"#),
            // Text that only looks like them.
            ("[a", r#""[a""#),
            ("[a]]", r#""[a]]""#),
            ("[a}", r#""[a}""#),
            ("{a}", r#""{a}""#),
            ("[a,,b]", r#""[a,,b]""#),
            ("rate(x[5m])", r#""rate(x[5m])""#),
            ("\"open", r#""\"open""#),
        ] {
            assert_eq!(shown(text, &[]), expected, "{text}");
        }
    }

    #[test]
    fn what_is_meant_wins_at_any_depth() {
        use Meant::{Text, Truth};
        for (text, meant, expected) in [
            ("007", &[("k", Text)][..], r#""007""#),
            ("[007, 8]", &[("k.0", Text)], r#"["007",8]"#),
            (
                "{a = [true, 1e3]}",
                &[("k.a.0", Text)],
                r#"{"a":["true","1e3"]}"#,
            ),
            ("{a = 1}", &[("k.a", Truth)], r#"{"a":true}"#),
            ("[[x]]", &[("k.0", Text)], r#"["[x]"]"#),
        ] {
            assert_eq!(shown(text, meant), expected, "{text}");
        }
    }
}
