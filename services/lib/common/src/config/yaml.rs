//! YAML as people write it: merge keys, keys that only hold anchors, and words for what the library refuses without saying
//! where. Pure.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use serde::{
    Deserialize as _,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_yaml_ng::{Deserializer, Error, Mapping, Value};

use super::lines;
use crate::text::invisible;

/// How keys of the file begin that are nothing but a place for anchors, as in Compose files.
const EXTENSION: &str = "x-";
/// The key whose maps are merged into the one that it stands in.
const MERGE: &str = "<<";
/// A file of targets has a tenth of it; aliases of aliases have no end.
const MOST_VALUES: usize = 1_000_000;
/// What is expected where the library finds something else.
const A_KEY: &str = "a name as a key";
/// How far behind a line that is indented with a tab the library may stumble.
const MOST_LINES_BEHIND: usize = 2;

/// Why a text is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("is not YAML: {0}")]
    Syntax(Error),
    #[error("is not YAML: line {line} is indented with a tab; indent with blanks")]
    Tab { line: usize },
    #[error("says `{key}` again on line {line}; leave one of them out{}", merge_hint(.key))]
    Again { line: usize, key: String },
    #[error("begins another document on line {line} (`---`); write all sections into one")]
    Documents { line: usize },
    #[error("merges on line {line} what is no map; `<<` takes the alias of one, or a list of such")]
    Merge { line: usize },
    #[error(
        "holds more than {MOST_VALUES} values by line {line}; aliases of aliases multiply them"
    )]
    TooMany { line: usize },
    #[error("is not YAML: line {line} has {what} in it; take it away")]
    Control { line: usize, what: String },
    #[error("has {what} in a key on line {line}; take it away")]
    Invisible { line: usize, what: String },
    #[error("has the tag `{tag}` at or below line {line}; write the value alone")]
    Tag { line: usize, tag: String },
    #[error("has a list or keys in the place of a key on line {line}")]
    Key { line: usize },
    #[error("must hold sections, such as `scheduler:`")]
    NotSections,
}

fn merge_hint(key: &str) -> &'static str {
    match key == MERGE {
        true => ": `<<: [*one, *other]` merges both",
        false => "",
    }
}

/// What `text` says, by its sections. A section that is there but empty is YAML's null: the same as absent.
///
/// # Errors
/// The line, where there is one.
pub fn sections(text: &str) -> Result<BTreeMap<String, Value>, Malformed> {
    walk(text)?;
    let tree = merged(document(text)?, "", text)?;
    let sections: Option<BTreeMap<String, Value>> =
        serde_yaml_ng::from_value(tree).map_err(|_| Malformed::NotSections)?;
    let mut sections = sections.unwrap_or_default();
    sections.retain(|key, value| !value.is_null() && !key.starts_with(EXTENSION));
    Ok(sections)
}

/// The one document that is not empty: `---` may stand before it and after it.
fn document(text: &str) -> Result<Value, Malformed> {
    let mut found = Value::Null;
    for (number, document) in Deserializer::from_str(text).enumerate() {
        let value = Value::deserialize(document).map_err(|error| explained(text, error))?;
        if value.is_null() {
            continue;
        }
        if !found.is_null() {
            let line = lines::of_document(text, number);
            return Err(Malformed::Documents { line });
        }
        found = value;
    }
    Ok(found)
}

/// `value`, which lies at `path`, with what its merge keys name: what a map says itself counts before what it merges, and
/// the first that is merged before the next. Unlike the library's, those of merged maps count, too.
fn merged(value: Value, path: &str, text: &str) -> Result<Value, Malformed> {
    match value {
        Value::Mapping(keys) => {
            let mut own = Mapping::with_capacity(keys.len());
            let mut below = Vec::new();
            for (key, value) in keys {
                let key = name(key).ok_or_else(|| Malformed::Key {
                    line: line(text, path),
                })?;
                let at = lines::joined(path, &key);
                let value = merged(value, &at, text)?;
                if key == MERGE {
                    let line = || line(text, &at);
                    below = maps(value).ok_or_else(|| Malformed::Merge { line: line() })?;
                } else {
                    own.insert(Value::String(key), value);
                }
            }
            for (key, value) in below.into_iter().flatten() {
                own.entry(key).or_insert(value);
            }
            Ok(Value::Mapping(own))
        }
        Value::Sequence(values) => values
            .into_iter()
            .enumerate()
            .map(|(position, value)| {
                merged(value, &lines::joined(path, &position.to_string()), text)
            })
            .collect::<Result<_, _>>()
            .map(Value::Sequence),
        Value::Tagged(tagged) => Err(Malformed::Tag {
            line: line(text, path),
            tag: tagged.tag.to_string(),
        }),
        value => Ok(value),
    }
}

/// Of what is at `path`, or around it.
fn line(text: &str, path: &str) -> usize {
    lines::nearest(text, path).map_or(1, |found| found.number)
}

/// A key as text: a number is one, too.
fn name(key: Value) -> Option<String> {
    match key {
        Value::String(name) => Some(name),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null => Some("null".to_owned()),
        Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    }
}

fn maps(value: Value) -> Option<Vec<Mapping>> {
    let map = |value| match value {
        Value::Mapping(map) => Some(map),
        _ => None,
    };
    match value {
        Value::Sequence(values) => values.into_iter().map(map).collect(),
        value => Some(vec![map(value)?]),
    }
}

fn explained(text: &str, error: Error) -> Malformed {
    // Where, the library says in bytes only.
    let control = |line: &str| line.contains(|sign: char| sign.is_control() && sign != '\t');
    if let Some((index, line)) = text.lines().enumerate().find(|(_, line)| control(line)) {
        let (line, what) = (index + 1, invisible(line).unwrap_or_default());
        return Malformed::Control { line, what };
    }
    let location = error.location();
    let tab = location.and_then(|location| indented_with_a_tab(text, location.line()));
    match tab {
        Some(line) => Malformed::Tab { line },
        None => Malformed::Syntax(error),
    }
}

/// The line at or shortly before `line` that is.
fn indented_with_a_tab(text: &str, line: usize) -> Option<usize> {
    let is_so = |line: &str| {
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        indent.contains('\t') && !rest.is_empty() && !rest.starts_with('#')
    };
    let lines = text.lines().enumerate().take(line);
    let near = lines.skip(line.saturating_sub(1 + MOST_LINES_BEHIND));
    near.filter(|(_, text)| is_so(text))
        .last()
        .map(|(index, _)| index + 1)
}

/// Refuses what the library refuses without its line, or not at all: a key that stands twice in one map, and more values
/// than can be held.
fn walk(text: &str) -> Result<(), Malformed> {
    let walk = Walk {
        values: &Cell::new(0),
        found: &RefCell::new(None),
    };
    for document in Deserializer::from_str(text) {
        let Err(error) = walk.deserialize(document) else {
            continue;
        };
        let line = error.location().map_or(1, |location| location.line());
        return match walk.found.take() {
            Some(Found::Again(key)) => Err(Malformed::Again { line, key }),
            Some(Found::Invisible(what)) => Err(Malformed::Invisible { line, what }),
            Some(Found::TooMany) => Err(Malformed::TooMany { line }),
            None if error.to_string().contains(A_KEY) => Err(Malformed::Key { line }),
            // To read it once more would take as long.
            None => Err(explained(text, error)),
        };
    }
    Ok(())
}

enum Found {
    Again(String),
    Invisible(String),
    TooMany,
}

/// Goes through a tree, and fails at what it finds.
#[derive(Clone, Copy)]
struct Walk<'a> {
    values: &'a Cell<usize>,
    found: &'a RefCell<Option<Found>>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.values.update(|values| values + 1);
        deserializer.deserialize_any(self)
    }
}

impl Walk<'_> {
    fn counted<E: de::Error>(self) -> Result<(), E> {
        match self.values.get() > MOST_VALUES {
            true => Err(self.fail(Found::TooMany)),
            false => Ok(()),
        }
    }

    fn fail<E: de::Error>(self, found: Found) -> E {
        self.found.replace(Some(found));
        E::custom("found")
    }
}

macro_rules! pass_by {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method<E: de::Error>(self, _value: $kind) -> Result<(), E> {
            self.counted()
        })*
    };
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("anything")
    }

    pass_by! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_str: &str }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.counted()
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.counted()
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (IgnoredAny, value) = tagged.variant()?;
        de::VariantAccess::newtype_variant_seed(value, self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        self.counted()?;
        while sequence.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.counted()?;
        let mut seen = BTreeSet::new();
        loop {
            let seen = &mut seen;
            if map.next_key_seed(NewKey { seen, walk: self })?.is_none() {
                return Ok(());
            }
            map.next_value_seed(self)?;
        }
    }
}

/// A key that its map doesn't have yet.
struct NewKey<'a, 's> {
    seen: &'s mut BTreeSet<String>,
    walk: Walk<'a>,
}

impl<'de> DeserializeSeed<'de> for NewKey<'_, '_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NewKey<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(A_KEY)
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<(), E> {
        if let Some(what) = invisible(key) {
            return Err(self.walk.fail(Found::Invisible(what)));
        }
        match self.seen.insert(key.to_owned()) {
            true => Ok(()),
            false => Err(self.walk.fail(Found::Again(key.to_owned()))),
        }
    }
}
