//! One YAML file for all services, overridden by `AUTOSCALER__SECTION__KEY` variables and the seed's `DRY_RUN`.
//!
//! Each service owns the struct of its section; this module finds the file, layers the sources, and turns what is wrong
//! into one line that names the key.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use figment::{Figment, error::Kind, providers::Serialized, value::Value};
use serde::de::DeserializeOwned;

mod salvage;

/// The sections that the file may have.
pub const SECTIONS: [&str; 6] = [
    "telemetry",
    "predictor",
    "policy",
    "decision",
    "actuator",
    "scheduler",
];

const DEFAULT_FILE: &str = "autoscaler.yaml";
const ENV_PREFIX: &str = "AUTOSCALER__";

/// What is wrong with the configuration, in one line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read configuration file {path}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("configuration file {path} is not YAML: {source}")]
    Syntax {
        path: PathBuf,
        source: serde_yaml_ng::Error,
    },
    #[error("configuration file {path} must hold sections, such as `scheduler:`")]
    NotSections { path: PathBuf },
    #[error("unknown configuration key `{key}`{}", nearest_hint(.nearest))]
    UnknownKey {
        key: String,
        nearest: Option<String>,
    },
    #[error("configuration key `{key}`: {message}")]
    Value { key: String, message: String },
}

fn nearest_hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// The layered configuration, before it is split into sections.
#[derive(Clone, Debug)]
pub struct Settings {
    layers: Figment,
    /// What the environment said, as it was written, by dotted key.
    written: BTreeMap<String, String>,
    file: Option<PathBuf>,
}

impl Settings {
    /// Reads `path`, or `autoscaler.yaml` in the working directory when there is one, then the environment.
    ///
    /// # Errors
    /// An unreadable file, bad YAML, an unknown section.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let file = match path {
            Some(path) => Some(path.to_owned()),
            None => Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()),
        };
        let text = match &file {
            Some(path) => std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                path: path.clone(),
                source,
            })?,
            None => String::new(),
        };
        let settings = Self::from_yaml(&text, file)?.with_environment(variables()?)?;
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
        let tree: Option<BTreeMap<String, serde_yaml_ng::Value>> = serde_yaml_ng::from_str::<
            serde_yaml_ng::Value,
        >(text)
        .map_err(|source| ConfigError::Syntax {
            path: path(),
            source,
        })
        .and_then(|value| {
            serde_yaml_ng::from_value(value).map_err(|_| ConfigError::NotSections { path: path() })
        })?;
        // A section that is there but empty is YAML's null: the same as absent.
        let sections: BTreeMap<_, _> = tree
            .unwrap_or_default()
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect();
        Ok(Self {
            layers: Figment::from(Serialized::defaults(sections)),
            written: BTreeMap::new(),
            file,
        })
    }

    /// # Errors
    /// Two variables that contradict each other.
    fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        for (name, value) in variables {
            let key = match name.strip_prefix(ENV_PREFIX) {
                Some(rest) => rest.to_lowercase().replace("__", "."),
                // The seed's variable; it wrote True and False.
                None if name == "DRY_RUN" => "actuator.dry_run".to_owned(),
                None => continue,
            };
            let text = value;
            let value = match text.to_lowercase().as_str() {
                "true" | "yes" | "on" => Value::from(true),
                "false" | "no" | "off" => Value::from(false),
                _ => text
                    .parse()
                    .unwrap_or_else(|infallible| match infallible {}),
            };
            // The seed's variable and ours for the same key: the order in the environment must not decide.
            if let Some(before) = self.written.get(&key)
                && !before.trim().eq_ignore_ascii_case(text.trim())
            {
                return Err(invalid(
                    &key,
                    format!(
                        "the environment says it twice and differently ({before:?} and {text:?}): see DRY_RUN and {ENV_PREFIX}ACTUATOR__DRY_RUN"
                    ),
                ));
            }
            self.layers = self.layers.merge(Serialized::default(&key, value));
            self.written.insert(key, text);
        }
        Ok(self)
    }

    /// Where the values come from, for messages: the file's path, or "embedded defaults".
    pub fn origin(&self) -> String {
        match &self.file {
            Some(path) => path.display().to_string(),
            None => "embedded defaults".to_owned(),
        }
    }

    /// One more layer on top, such as a command-line flag: `key` is a dotted path.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.layers = self.layers.merge(Serialized::default(key, value.into()));
        self
    }

    /// One section; what the file and the environment leave out has the defaults of `T`.
    ///
    /// # Errors
    /// An unknown key or a value of the wrong kind.
    pub fn section<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, ConfigError> {
        if self.layers.find_value(name).is_err() {
            return Ok(T::default());
        }
        let mut layers = self.layers.clone();
        let mut as_text = BTreeSet::new();
        // What looks like a number, a list or a map in the environment is text where the key asks for text. Each round
        // settles one key.
        loop {
            let error = match layers.focus(name).extract() {
                Ok(section) => return Ok(section),
                Err(error) => error.into_iter().next(),
            };
            let key = error
                .as_ref()
                .filter(|error| matches!(error.kind, Kind::InvalidType(..)))
                .map(|error| full_path(name, &error.path).join("."));
            match key.and_then(|key| self.written.get_key_value(&key)) {
                Some((key, text)) if as_text.insert(key.clone()) => {
                    layers = layers.merge(Serialized::default(key, Value::from(text.as_str())));
                }
                _ => return Err(describe(name, error)),
            }
        }
    }

    /// True when the file or the environment sets a key of this section, other than those in `except`.
    pub fn sets_any_of(&self, section: &str, except: &[&str]) -> bool {
        match self.layers.find_value(section) {
            Ok(Value::Dict(_, keys)) => keys.keys().any(|key| !except.contains(&key.as_str())),
            Ok(_) | Err(_) => false,
        }
    }

    fn check_sections(&self) -> Result<(), ConfigError> {
        let tree: BTreeMap<String, Value> =
            self.layers.extract().map_err(|error| ConfigError::Value {
                key: self.origin(),
                message: error.to_string(),
            })?;
        for (key, section) in &tree {
            if !SECTIONS.contains(&key.as_str()) {
                return Err(ConfigError::UnknownKey {
                    key: key.clone(),
                    nearest: nearest(key, &SECTIONS),
                });
            }
            // Anything else would pass for an empty section, and every guard in it for its default.
            if !matches!(section, Value::Dict(..)) {
                return Err(invalid(key, "must hold keys, such as `key: value`"));
            }
        }
        Ok(())
    }
}

/// The variables that are read here.
///
/// # Errors
/// One that is not UTF-8.
fn variables() -> Result<Vec<(String, String)>, ConfigError> {
    let read = |name: &str| name.starts_with(ENV_PREFIX) || name == "DRY_RUN";
    std::env::vars_os()
        .filter_map(|(name, value)| {
            Some((name.into_string().ok().filter(|name| read(name))?, value))
        })
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(invalid(&name, "is not UTF-8")),
        })
        .collect()
}

/// A section's value that its own `validate` refuses.
pub fn invalid(key: &str, message: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        message: message.into(),
    }
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
        kind => invalid(&path.join("."), kind.to_string()),
    }
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
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Actuator {
        dry_run: bool,
        timeout_seconds: u32,
        nested: Nested,
        names: Vec<String>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Nested {
        endpoint: String,
    }

    fn settings(yaml: &str, environment: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let settings = Settings::from_yaml(yaml, None)?.with_environment(
            environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )?;
        settings.check_sections()?;
        Ok(settings)
    }

    fn actuator(yaml: &str, environment: &[(&str, &str)]) -> Result<Actuator, String> {
        settings(yaml, environment)
            .and_then(|settings| settings.section("actuator"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn environment_wins_over_file_and_file_over_defaults() {
        let section = actuator(
            "actuator:\n  timeout_seconds: 5\n  dry_run: true\n",
            &[
                ("AUTOSCALER__ACTUATOR__TIMEOUT_SECONDS", "7"),
                ("AUTOSCALER__ACTUATOR__NESTED__ENDPOINT", "http://moto:5000"),
                ("AUTOSCALER__ACTUATOR__NAMES", "[t2.small, t2.medium]"),
                ("DRY_RUN", "False"),
                ("UNRELATED", "1"),
            ],
        )
        .unwrap();
        assert_eq!(
            section,
            Actuator {
                dry_run: false,
                timeout_seconds: 7,
                nested: Nested {
                    endpoint: "http://moto:5000".into()
                },
                names: vec!["t2.small".into(), "t2.medium".into()],
            }
        );
        assert_eq!(actuator("actuator:\n", &[]).unwrap(), Actuator::default());
        assert_eq!(actuator("", &[]).unwrap(), Actuator::default());
    }

    #[test]
    fn text_in_the_environment_stays_text_where_text_is_asked_for() {
        for text in ["123456", "007", "1e3", "[abc]", "{a: b}", "true", "-0"] {
            let section = actuator("", &[("AUTOSCALER__ACTUATOR__NESTED__ENDPOINT", text)]);
            assert_eq!(section.unwrap().nested.endpoint, text);
        }
        // And not where a number is.
        let wrong = actuator("", &[("AUTOSCALER__ACTUATOR__TIMEOUT_SECONDS", "soon")]);
        assert!(wrong.unwrap_err().contains("actuator.timeout_seconds"));
    }

    #[test]
    fn two_variables_for_one_guard_must_agree() {
        let ours = "AUTOSCALER__ACTUATOR__DRY_RUN";
        for pair in [
            [("DRY_RUN", "true"), (ours, "false")],
            [(ours, "false"), ("DRY_RUN", "true")],
        ] {
            let error = actuator("", &pair).unwrap_err();
            assert!(
                error.contains("actuator.dry_run") && error.contains("DRY_RUN"),
                "{error}"
            );
        }
        assert!(
            actuator("", &[("DRY_RUN", "True"), (ours, "true")])
                .unwrap()
                .dry_run
        );
    }

    #[test]
    fn a_section_of_the_wrong_kind_is_no_empty_section() {
        for yaml in [
            "actuator: 7",
            "actuator: [a]",
            "actuator: text",
            "actuator: true",
        ] {
            let error = actuator(yaml, &[]).unwrap_err();
            assert!(
                error.contains("`actuator`: must hold keys"),
                "{yaml}: {error}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (yaml, environment, expected) in [
            (
                "actuator: {dryrun: true}",
                &[][..],
                "unknown configuration key `actuator.dryrun`; did you mean `dry_run`?",
            ),
            (
                "actuator: {nested: {endpont: x}}",
                &[],
                "unknown configuration key `actuator.nested.endpont`; did you mean `endpoint`?",
            ),
            (
                "actuatr: {}",
                &[],
                "unknown configuration key `actuatr`; did you mean `actuator`?",
            ),
            (
                "",
                &[("AUTOSCALER__ACTUATOR__QQQ", "1")],
                "unknown configuration key `actuator.qqq`",
            ),
            ("just text", &[], "must hold sections"),
            ("a: [", &[], "is not YAML"),
            (
                "actuator: {timeout_seconds: soon}",
                &[],
                "configuration key `actuator.timeout_seconds`: invalid type",
            ),
            (
                "",
                &[("DRY_RUN", "maybe")],
                "configuration key `actuator.dry_run`: invalid type",
            ),
        ] {
            let message = actuator(yaml, environment).unwrap_err();
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
    }
}
