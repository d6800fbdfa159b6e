//! On which line of a YAML file a key stands. The library tells lines in errors only: the text is read once more, as far
//! as the key, and given up there. Pure.

use std::{cell::Cell, fmt};

use serde::de::{
    self, Deserialize as _, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_yaml_ng::Deserializer;

const MERGE: &str = "<<";

/// Where a key is, or what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// False when only something around the key stands there.
    pub is_its_own: bool,
}

/// The line of `key`, a dotted path, or that of what is nearest around it.
pub fn nearest(text: &str, key: &str) -> Option<Line> {
    let mut around = key;
    loop {
        if let Some(number) = exact(text, around) {
            let is_its_own = around == key;
            return Some(Line { number, is_its_own });
        }
        around = around.rsplit_once('.')?.0;
    }
}

/// The line on which a document begins, from 0: of its `---` where there is one.
pub fn of_document(text: &str, number: usize) -> usize {
    let error = Deserializer::from_str(text)
        .nth(number)
        .and_then(|document| Stop::deserialize(document).err());
    let content = error
        .and_then(|error| error.location())
        .map_or(1, |location| location.line());
    let lines = text.lines().take(content).enumerate();
    let mark = lines.filter(|(_, line)| line.starts_with("---")).last();
    mark.map_or(content, |(index, _)| index + 1)
}

/// `name` below `path`.
pub fn joined(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

/// What a map says itself comes before what it merges.
fn exact(text: &str, key: &str) -> Option<usize> {
    [false, true].into_iter().find_map(|merges| {
        let found = Cell::new(false);
        let seek = Seek {
            rest: key,
            merges,
            found: &found,
        };
        Deserializer::from_str(text).find_map(|document| {
            let error = seek.deserialize(document).err()?;
            error
                .location()
                .filter(|_| found.get())
                .map(|location| location.line())
        })
    })
}

/// Goes down to `rest`, and fails there.
#[derive(Clone, Copy)]
struct Seek<'a> {
    rest: &'a str,
    merges: bool,
    found: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! pass_by {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method<E: de::Error>(self, _value: $kind) -> Result<(), E> {
            Ok(())
        })*
    };
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    pass_by! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_str: &str }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (IgnoredAny, value) = tagged.variant()?;
        de::VariantAccess::newtype_variant_seed(value, self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let (index, rest) = match self.rest.split_once('.') {
            Some((index, rest)) => (index, Some(rest)),
            None => (self.rest, None),
        };
        let wanted = index.parse::<usize>().ok();
        for position in 0.. {
            let element = match (wanted, rest) {
                (Some(wanted), None) if wanted == position => {
                    self.found.set(true);
                    sequence.next_element::<Stop>()?.map(|Stop| ())
                }
                (Some(wanted), Some(rest)) if wanted == position => {
                    sequence.next_element_seed(Seek { rest, ..self })?
                }
                // Of maps that are merged.
                (None, _) if self.merges => sequence.next_element_seed(self)?,
                _ => sequence.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if element.is_none() {
                break;
            }
        }
        self.found.set(false);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(step) = map.next_key_seed(Key(self))? {
            match step {
                Step::Into(rest) => map.next_value_seed(Seek { rest, ..self })?,
                Step::Past => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

enum Step<'a> {
    Into(&'a str),
    Past,
}

struct Key<'a>(Seek<'a>);

impl<'de, 'a> DeserializeSeed<'de> for Key<'a> {
    type Value = Step<'a>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Step<'a>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, 'a> Visitor<'de> for Key<'a> {
    type Value = Step<'a>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Step<'a>, E> {
        let Seek {
            rest,
            merges,
            found,
        } = self.0;
        if key == rest {
            found.set(true);
            return Err(E::custom("here"));
        }
        let below = rest
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix('.'));
        Ok(match below {
            Some(rest) => Step::Into(rest),
            None if merges && key == MERGE => Step::Into(rest),
            None => Step::Past,
        })
    }
}

/// Fails at once, whatever there is.
struct Stop;

impl<'de> de::Deserialize<'de> for Stop {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl Visitor<'_> for Stop {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_wherever_they_are_written() {
        let text = concat!(
            "x-base: &base\n  poll: 1\n  chain: &chain {deep: 2}\n",
            "actuator:\n  dry_run: true\n  \"names\":\n    - a\n    - b\n  map: {a.b: 1, c: 2}\n",
            "scheduler:\n  targets:\n    - id: web\n      ladder: [m6i.large, banana]\n",
            "    - {<<: [*base, *chain],\n       id: api,\n       poll: 3}\n",
        );
        for (key, number) in [
            ("actuator", 4),
            ("actuator.dry_run", 5),
            ("actuator.names", 6),
            ("actuator.names.1", 8),
            ("actuator.map.a.b", 9),
            ("scheduler.targets.0.ladder.1", 13),
            ("scheduler.targets.1", 14),
            ("scheduler.targets.1.id", 15),
            ("scheduler.targets.1.poll", 16),
            // Where it is merged from.
            ("scheduler.targets.1.deep", 3),
            ("scheduler.targets.1.<<", 14),
        ] {
            let is_its_own = true;
            assert_eq!(
                nearest(text, key),
                Some(Line { number, is_its_own }),
                "{key}"
            );
        }
        for (key, number) in [
            ("actuator.timeout", 4),
            ("actuator.names.7.x", 6),
            ("scheduler.targets.0.label", 12),
        ] {
            let is_its_own = false;
            assert_eq!(
                nearest(text, key),
                Some(Line { number, is_its_own }),
                "{key}"
            );
        }
        for key in ["policy", "policy.ladder", "RUST_LOG", ""] {
            assert_eq!(nearest(text, key), None, "{key}");
        }
    }
}
