//! One YAML file for all services, overridden by `AUTOSCALER__SECTION__KEY` variables and the seed's `DRY_RUN`.
//!
//! Each service owns the struct of its section; this module finds the file, layers the sources, and turns what is wrong
//! into one line that names the key.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    error::{Actual, Kind},
    providers::Serialized,
    value::Value,
};
use serde::de::DeserializeOwned;

use crate::{
    files,
    text::{chain, invisible, shortened},
};

mod depth;
mod error;
mod keys;
mod lines;
mod place;
mod salvage;
mod strict;
mod value;
mod variables;
mod yaml;

pub use self::{
    error::{ConfigError, invalid},
    keys::SECTIONS,
    place::Place,
};
use self::{place::Document, strict::Strict, value::Meant, variables::Written};

const DEFAULT_FILE: &str = "autoscaler.yaml";
/// How many values of variables may be guessed wrong at first.
const MOST_GUESSES: usize = 1_000;

/// The layered configuration, before it is split into sections.
#[derive(Clone, Debug)]
pub struct Settings {
    layers: Figment,
    /// What the environment said, by dotted key.
    written: BTreeMap<String, Written>,
    file: Option<Document>,
}

impl Settings {
    /// Reads `path`, or `autoscaler.yaml` in the working directory when there is one, then the environment.
    ///
    /// # Errors
    /// An unreadable file, bad YAML, an unknown section.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let (file, text) = read_file(path)?;
        let settings = Self::from_yaml(&text, file)?.with_environment(variables::all()?)?;
        settings.check_sections()?;
        Ok(settings)
    }

    /// From YAML alone: for tests and for embedded defaults.
    ///
    /// # Errors
    /// Bad YAML, an unknown section.
    pub fn from_yaml_text(text: &str) -> Result<Self, ConfigError> {
        let settings = Self::from_yaml(text, None)?;
        settings.check_sections()?;
        Ok(settings)
    }

    fn from_yaml(text: &str, file: Option<PathBuf>) -> Result<Self, ConfigError> {
        let path = || file.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        let text = without_mark(text);
        if depth::is_too_deep(text) {
            return Err(ConfigError::TooDeep { path: path() });
        }
        let sections = yaml::sections(text).map_err(|source| ConfigError::Malformed {
            path: path(),
            source,
        })?;
        Ok(Self {
            layers: Figment::from(Serialized::defaults(sections)),
            written: BTreeMap::new(),
            file: file.map(|path| Document::new(path, text)),
        })
    }

    /// # Errors
    /// Two variables that contradict each other, or one that would be passed over by mistake.
    fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = Written>,
    ) -> Result<Self, ConfigError> {
        for written in variables {
            let Some(key) = variables::key_of(&written.variable)? else {
                continue;
            };
            let value = written.value(&key, &BTreeMap::new())?;
            // The seed's variable and ours for the same key: the order in the environment must not decide.
            if let Some(before) = self.written.get(&key)
                && !before.agrees(&written)
            {
                return Err(invalid(
                    &key,
                    format!(
                        "{} and {} contradict each other; leave one of them out",
                        before.variable, written.variable
                    ),
                ));
            }
            self.layers = self.layers.merge(Serialized::default(&key, value));
            self.written.insert(key, written);
        }
        Ok(self)
    }

    /// Where the values come from, for messages: the file's path, or "embedded defaults".
    pub fn origin(&self) -> String {
        match &self.file {
            Some(document) => document.path().display().to_string(),
            None => "embedded defaults".to_owned(),
        }
    }

    /// With `above` on top.
    #[must_use]
    pub fn overlaid(mut self, above: Self) -> Self {
        self.layers = self.layers.merge(above.layers);
        self.written.extend(above.written);
        self.file = above.file.or(self.file);
        self
    }

    /// True when the file or the environment sets this key, a dotted path.
    pub fn sets(&self, key: &str) -> bool {
        self.layers.find_value(key).is_ok()
    }

    /// What is set at or below `keys`, and the other keys that are set, sorted.
    ///
    /// # Errors
    /// When the layers can't be read.
    pub fn at_or_below(&self, keys: &[&str]) -> Result<(Self, Vec<String>), ConfigError> {
        let mut left_out = Vec::new();
        let kept = chosen("", self.tree()?, keys, &mut left_out);
        left_out.sort();
        let mut written = self.written.clone();
        written.retain(|key, _| is_within(key, keys));
        let settings = Self {
            layers: Figment::from(Serialized::defaults(kept)),
            written,
            file: self.file.clone(),
        };
        Ok((settings, left_out))
    }

    /// One section; what the file and the environment leave out has the defaults of `T`.
    ///
    /// # Errors
    /// An unknown key or a value of the wrong kind.
    pub fn section<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, ConfigError> {
        let Ok(tree) = self.layers.find_value(name) else {
            return Ok(T::default());
        };
        self.check_text(name, &tree)
            .map_err(|error| self.placed(error))?;
        let mut layers = self.layers.clone();
        let mut meant = BTreeMap::new();
        // What looks like a number, a list or a map in the environment is text where the key asks for text. Each round
        // settles one key.
        loop {
            let error = match layers.focus(name).extract::<Strict<T>>() {
                Ok(section) => return Ok(section.0),
                Err(error) => error.into_iter().next(),
            };
            let refused = || Err(self.placed(describe(name, error.clone())));
            let Some((Kind::InvalidType(_, asked), path)) =
                error.as_ref().map(|error| (&error.kind, &error.path))
            else {
                return refused();
            };
            let key = full_path(name, path).join(".");
            let as_meant = match asked.as_str() {
                "a boolean" => Meant::Truth,
                _ => Meant::Text,
            };
            let Some((around, _)) = self.written_around(&key) else {
                return refused();
            };
            if meant.len() == MOST_GUESSES || meant.insert(key, as_meant).is_some() {
                return refused();
            }
            for (variable, written) in self.written.range(around.clone()..) {
                if is_within(variable, &[around.as_str()]) {
                    let value = written.value(variable, &meant)?;
                    layers = layers.merge(Serialized::default(variable, value));
                }
            }
        }
    }

    /// The variable that sets this key, or the nearest one around it.
    fn written_around(&self, key: &str) -> Option<(&String, &Written)> {
        let around = |(of, _): &(&String, &Written)| is_within(key, &[of.as_str()]);
        self.written.iter().rev().find(around)
    }

    /// Nothing that nobody sees is a part of a setting.
    fn check_text(&self, section: &str, tree: &Value) -> Result<(), ConfigError> {
        let within = format!("{section}.");
        for (key, written) in &self.written {
            if (key == section || key.starts_with(&within))
                && let Some(what) = invisible(&written.text)
            {
                let why = format!("{} has {what} in it; take it away", written.variable);
                return Err(invalid(key, why));
            }
        }
        check_tree(section, tree)
    }

    /// `error` with the variable, or the line of the file, that its key comes from.
    #[must_use]
    pub fn placed(&self, error: ConfigError) -> ConfigError {
        let (ConfigError::Value { key, .. } | ConfigError::UnknownKey { key, .. }) = &error else {
            return error;
        };
        let key = key.replace('[', ".").replace(']', "");
        let from = |written: &Written| Place::Variable(written.variable.clone());
        let line = self.file.as_ref().and_then(|file| file.find(&key));
        let below = |(set, _): &(&String, &Written)| is_within(set, &[key.as_str()]);
        let mut places = Vec::new();
        if let Some((_, written)) = self.written_around(&key) {
            places.push(from(written));
        } else {
            places.extend(line);
            // A part of what is in the file may have been set.
            places.extend(
                self.written
                    .iter()
                    .find(below)
                    .map(|(_, written)| from(written)),
            );
        }
        let said = error.to_string();
        places
            .into_iter()
            // It may say so itself.
            .filter(|place| !matches!(place, Place::Variable(name) if said.contains(name.as_str())))
            .fold(error, |error, place| ConfigError::Placed {
                error: Box::new(error),
                place,
            })
    }

    /// True when the file or the environment sets a key of this section, other than those in `except`.
    pub fn sets_any_of(&self, section: &str, except: &[&str]) -> bool {
        match self.layers.find_value(section) {
            Ok(Value::Dict(_, keys)) => keys.keys().any(|key| !except.contains(&key.as_str())),
            Ok(_) | Err(_) => false,
        }
    }

    fn tree(&self) -> Result<BTreeMap<String, Value>, ConfigError> {
        self.layers.extract().map_err(|error| ConfigError::Value {
            key: self.origin(),
            message: chain(&error),
        })
    }

    fn check_sections(&self) -> Result<(), ConfigError> {
        for (key, section) in &self.tree()? {
            if !SECTIONS.contains(&key.as_str()) {
                return Err(self.placed(ConfigError::UnknownKey {
                    key: key.clone(),
                    nearest: nearest(key, &SECTIONS),
                }));
            }
            // Anything else would pass for an empty section, and every guard in it for its default.
            if !matches!(section, Value::Dict(..)) {
                let wrong = invalid(key, "must hold keys, such as `key: value`");
                return Err(self.placed(wrong));
            }
        }
        Ok(())
    }
}

/// The file and what it says: `path`, or the one of the working directory if there is one.
fn read_file(path: Option<&Path>) -> Result<(Option<PathBuf>, String), ConfigError> {
    let file = named_or_default(path);
    let text = match &file {
        Some(path) => files::read_text(path).map_err(|source| ConfigError::Read {
            path: path.clone(),
            source,
        })?,
        None => String::new(),
    };
    Ok((file, text))
}

fn named_or_default(path: Option<&Path>) -> Option<PathBuf> {
    match path {
        Some(path) => Some(path.to_owned()),
        None => Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()),
    }
}

/// Without the mark of byte order that some editors write first.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn check_tree(key: &str, tree: &Value) -> Result<(), ConfigError> {
    match tree {
        Value::String(_, text) => match invisible(text) {
            Some(what) => Err(invalid(key, format!("has {what} in it; take it away"))),
            None => Ok(()),
        },
        Value::Dict(_, keys) => keys
            .iter()
            .try_for_each(|(name, value)| check_tree(&format!("{key}.{name}"), value)),
        Value::Array(_, values) => values
            .iter()
            .enumerate()
            .try_for_each(|(position, value)| check_tree(&format!("{key}.{position}"), value)),
        _ => Ok(()),
    }
}

/// The part of `tree`, which lies at `path`, that is at or below `keys`; the rest is named in `left_out`.
fn chosen(
    path: &str,
    tree: BTreeMap<String, Value>,
    keys: &[&str],
    left_out: &mut Vec<String>,
) -> BTreeMap<String, Value> {
    let mut kept = BTreeMap::new();
    for (name, value) in tree {
        let key = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        match value {
            value if is_within(&key, keys) => {
                kept.insert(name, value);
            }
            Value::Dict(tag, inner) if !inner.is_empty() => {
                let inner = chosen(&key, inner, keys, left_out);
                if !inner.is_empty() {
                    kept.insert(name, Value::Dict(tag, inner));
                }
            }
            _ => left_out.push(key),
        }
    }
    kept
}

fn is_within(key: &str, keys: &[&str]) -> bool {
    keys.iter().any(|above| {
        key.strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Figment leaves the section out of some paths.
fn full_path(section: &str, path: &[String]) -> Vec<String> {
    let mut path = path.to_vec();
    if path.first().map(String::as_str) != Some(section) {
        path.insert(0, section.to_owned());
    }
    path
}

fn describe(section: &str, error: Option<figment::Error>) -> ConfigError {
    let Some(error) = error else {
        return invalid(section, "cannot be read");
    };
    let mut path = full_path(section, &error.path);
    match &error.kind {
        Kind::UnknownField(field, known) => {
            // Figment gives the key alone or with its path before it, depending on the depth.
            let field = field.rsplit('.').next().unwrap_or(field);
            if path.last().map(String::as_str) != Some(field) {
                path.push(field.to_owned());
            }
            ConfigError::UnknownKey {
                key: path.join("."),
                nearest: nearest(field, known),
            }
        }
        kind => {
            let key = path.join(".");
            let message = in_words(&key, kind);
            invalid(&key, shortened(&message))
        }
    }
}

/// What is wrong and, where it can be said, what to write.
fn in_words(key: &str, kind: &Kind) -> String {
    let (Kind::InvalidType(found, asked) | Kind::InvalidValue(found, asked)) = kind else {
        return kind.to_string();
    };
    let asked = match asked.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        asked if asked.starts_with("struct ") => "keys, such as `key: value`",
        asked => asked,
    };
    let hint = match (found, asked) {
        (Actual::Unit | Actual::Option, asked) => {
            return format!("is empty; write {asked}, or leave the key out");
        }
        (
            Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) | Actual::Bool(_),
            "a string",
        ) => "; put it between quotes".to_owned(),
        (Actual::Str(_), "a boolean") => "; write true or false".to_owned(),
        (Actual::Str(text), _) if key.ends_with("_seconds") => {
            text.parse::<jiff::SignedDuration>().map_or_else(
                |_| String::new(),
                |time| format!("; write {}", time.as_secs()),
            )
        }
        _ => String::new(),
    };
    let kind = match kind {
        Kind::InvalidValue(..) => Kind::InvalidValue(found.clone(), asked.to_owned()),
        _ => Kind::InvalidType(found.clone(), asked.to_owned()),
    };
    format!("{kind}{hint}")
}

/// The known name that `name` most likely stands for.
fn nearest(name: &str, known: &[&str]) -> Option<String> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| (*candidate).to_owned())
}

#[cfg(test)]
mod tests;
