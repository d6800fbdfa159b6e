//! What the environment says about the configuration.

use std::collections::BTreeMap;

use figment::value::Value;

use super::{
    depth,
    error::{ConfigError, invalid},
    keys::{ENV_PREFIX, SECTIONS},
    value::{self, Meant},
};

/// The seed's variable; it wrote True and False.
const DRY_RUN: &str = "DRY_RUN";
const DRY_RUN_KEY: &str = "actuator.dry_run";
/// How all our variables begin, those that are no keys as well.
const OURS: &str = "AUTOSCALER_";
/// What Kubernetes sets for a service that is called `autoscaler-…`.
const OF_KUBERNETES: [&str; 5] = [
    "_SERVICE_HOST",
    "_SERVICE_PORT",
    "_SERVICE_PORT_",
    "_PORT",
    "_PORT_",
];

/// A variable as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Written {
    pub variable: String,
    pub text: String,
}

impl Written {
    /// What it stands for; `meant` says it for the keys that it knows.
    ///
    /// # Errors
    /// It nests too deep.
    pub(super) fn value(
        &self,
        key: &str,
        meant: &BTreeMap<String, Meant>,
    ) -> Result<Value, ConfigError> {
        if depth::is_too_deep_in_variable(&self.text) {
            let why = format!("{} nests too deep", self.variable);
            return Err(invalid(key, why));
        }
        Ok(value::parse(&self.text, key, meant))
    }

    /// True when both say the same.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        match (value::truth(&self.text), value::truth(&other.text)) {
            (Some(one), Some(other)) => one == other,
            _ => self.text.trim() == other.text.trim(),
        }
    }
}

/// The variables that are read here, and those that look like them.
///
/// # Errors
/// One that is not UTF-8.
pub(super) fn all() -> Result<Vec<Written>, ConfigError> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            Some((
                name.into_string().ok().filter(|name| may_be_ours(name))?,
                value,
            ))
        })
        .map(|(variable, value)| match value.into_string() {
            Ok(text) => Ok(Written { variable, text }),
            Err(_) => Err(invalid(&variable, "is not UTF-8")),
        })
        .collect()
}

fn may_be_ours(name: &str) -> bool {
    let name = name.to_uppercase();
    name.starts_with(OURS) || name == DRY_RUN
}

/// The dotted key that a variable sets; `None` when it sets none.
///
/// # Errors
/// A variable that would be passed over although it was meant to set one.
pub(super) fn key_of(name: &str) -> Result<Option<String>, ConfigError> {
    if name == DRY_RUN {
        return Ok(Some(DRY_RUN_KEY.to_owned()));
    }
    if let Some(rest) = name.strip_prefix(ENV_PREFIX) {
        let key = rest.to_lowercase().replace("__", ".");
        if key.split('.').any(str::is_empty) {
            let why = format!("names no key; write {ENV_PREFIX}SECTION__KEY");
            return Err(invalid(name, why));
        }
        return Ok(Some(key));
    }
    match meant(name) {
        Some(right) => Err(ConfigError::NearMiss {
            variable: name.to_owned(),
            right,
        }),
        None => Ok(None),
    }
}

/// The variable that `name` was most likely meant for.
fn meant(name: &str) -> Option<String> {
    let name = name.to_uppercase();
    if name == DRY_RUN {
        return Some(DRY_RUN.to_owned());
    }
    let rest = name.strip_prefix(OURS)?.trim_start_matches('_');
    let (section, key) = SECTIONS.iter().find_map(|section| {
        let key = rest.strip_prefix(&section.to_uppercase())?;
        (key.is_empty() || key.starts_with('_')).then_some((section, key))
    })?;
    let kubernetes = OF_KUBERNETES
        .iter()
        .any(|theirs| match theirs.ends_with('_') {
            true => key.starts_with(theirs),
            false => key == *theirs,
        });
    let key = key.trim_start_matches('_');
    let right = match key {
        "" => format!("{ENV_PREFIX}{}", section.to_uppercase()),
        key => format!("{ENV_PREFIX}{}__{key}", section.to_uppercase()),
    };
    (!kubernetes).then_some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_would_be_passed_over_is_named_with_the_right_one() {
        for (name, right) in [
            (
                "AUTOSCALER_ACTUATOR__DRY_RUN",
                "AUTOSCALER__ACTUATOR__DRY_RUN",
            ),
            (
                "AUTOSCALER_ACTUATOR_DRY_RUN",
                "AUTOSCALER__ACTUATOR__DRY_RUN",
            ),
            (
                "autoscaler__actuator__dry_run",
                "AUTOSCALER__ACTUATOR__DRY_RUN",
            ),
            (
                "Autoscaler__Policy__Scale_Up_Cpu",
                "AUTOSCALER__POLICY__SCALE_UP_CPU",
            ),
            (
                "AUTOSCALER_ACTUATOR__LIMITS__FLEET_PER_DAY",
                "AUTOSCALER__ACTUATOR__LIMITS__FLEET_PER_DAY",
            ),
            ("AUTOSCALER_ACTUATOR", "AUTOSCALER__ACTUATOR"),
            ("dry_run", "DRY_RUN"),
            ("Dry_Run", "DRY_RUN"),
        ] {
            let error = key_of(name).unwrap_err().to_string();
            assert!(
                error.contains(name) && error.ends_with(&format!("`{right}`?")),
                "{error}"
            );
        }
        for name in [
            "AUTOSCALER__",
            "AUTOSCALER__ACTUATOR__",
            "AUTOSCALER__ACTUATOR____DRY_RUN",
        ] {
            let error = key_of(name).unwrap_err().to_string();
            assert!(
                error.contains(name) && error.contains("AUTOSCALER__SECTION__KEY"),
                "{error}"
            );
        }
        for name in [
            "AUTOSCALER_CONFIG",
            "AUTOSCALER_TEST_SERVERS",
            "AUTOSCALER_IMAGE",
            "AUTOSCALER_PORT_8000_TCP",
            "AUTOSCALER_SCHEDULER_SERVICE_HOST",
            "AUTOSCALER_SCHEDULER_SERVICE_PORT_HTTP",
            "AUTOSCALER_ACTUATOR_PORT",
            "AUTOSCALER_ACTUATOR_PORT_50053_TCP_ADDR",
            "AUTOSCALERX",
            "PATH",
        ] {
            assert_eq!(key_of(name).unwrap(), None, "{name}");
        }
    }
}
