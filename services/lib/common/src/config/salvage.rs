//! What can still be read of a configuration that can't be used as a whole.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use figment::{Figment, providers::Serialized, value::Value};

use super::{ConfigError, Settings, keys::ENV_PREFIX, variables::Written};
use crate::files;

impl Settings {
    /// What file and environment say about one section, whatever is wrong with the rest.
    ///
    /// # Errors
    /// The file can't be read, or not even this section of it.
    pub fn salvage(path: Option<&Path>, section: &str) -> Result<Self, ConfigError> {
        let file = super::named_or_default(path);
        let text = match &file {
            // A comment in another encoding hides no key.
            Some(path) => files::read(path).map_err(|source| ConfigError::Read {
                path: path.clone(),
                source,
            })?,
            None => Vec::new(),
        };
        let text = files::text_of_any(&text);
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some(Written {
                    variable: name.into_string().ok()?,
                    text: value.into_string().ok()?,
                })
            })
            .collect();
        Self::salvage_from(&text, file, variables, section)
    }

    fn salvage_from(
        text: &str,
        file: Option<PathBuf>,
        variables: Vec<Written>,
        section: &str,
    ) -> Result<Self, ConfigError> {
        let text = super::without_mark(text);
        let whole = Self::from_yaml(text, file.clone());
        let settings = match whole {
            Err(error @ (ConfigError::Malformed { .. } | ConfigError::TooDeep { .. })) => {
                match block(text, section).and_then(|block| with_anchors(text, block)) {
                    Some(block) => Self::from_yaml(&block, file)?,
                    None => return Err(error),
                }
            }
            whole => whole?,
        };
        let mut settings = settings.only(section)?;
        let prefix = format!("{ENV_PREFIX}{}__", section.to_uppercase());
        for written in variables {
            let name = &written.variable;
            if name != "DRY_RUN" && !name.to_uppercase().starts_with(&prefix) {
                continue;
            }
            match settings.clone().with_environment([written]) {
                Ok(with) => settings = with,
                // Two variables that contradict each other: neither is believed.
                Err(error) => settings = settings.without(&error).unwrap_or(settings),
            }
        }
        Ok(settings)
    }

    fn only(self, section: &str) -> Result<Self, ConfigError> {
        let tree = match self.layers.find_value(section) {
            Ok(Value::Dict(_, keys)) => BTreeMap::from([(section, keys)]),
            Ok(_) => {
                return Err(super::invalid(
                    section,
                    "must hold keys, such as `key: value`",
                ));
            }
            Err(_) => BTreeMap::new(),
        };
        Ok(Self {
            layers: Figment::from(Serialized::defaults(tree)),
            ..self
        })
    }

    /// The same without the key that `error` is about, or without what is around it. `None` when there is nothing to
    /// leave out.
    pub fn without(&self, error: &ConfigError) -> Option<Self> {
        let key = error.key()?;
        let mut tree: BTreeMap<String, Value> = self.layers.extract().ok()?;
        let mut path: Vec<&str> = key.split('.').collect();
        while path.len() > 1 {
            if remove(&mut tree, &path) {
                let gone = path.join(".");
                let mut written = self.written.clone();
                written.retain(|key, _| *key != gone && !key.starts_with(&format!("{gone}.")));
                return Some(Self {
                    layers: Figment::from(Serialized::defaults(tree)),
                    written,
                    file: self.file.clone(),
                });
            }
            path.pop();
        }
        None
    }
}

fn remove(tree: &mut BTreeMap<String, Value>, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return false;
    };
    if rest.is_empty() {
        return tree.remove(*first).is_some();
    }
    match tree.get_mut(*first) {
        Some(Value::Dict(_, keys)) => remove(keys, rest),
        _ => false,
    }
}

/// The lines of one section, when the whole is not YAML. `None` when it is not there exactly once, or what follows is no
/// other section: then a part of it may be missing, and with it where the machines are.
fn block(text: &str, section: &str) -> Option<String> {
    let key = |line: &str| {
        let (key, _) = line.split_once(':')?;
        Some(key.trim().trim_matches(['"', '\'']).to_owned())
    };
    let names = |line: &&str| key(line).is_some_and(|key| key == section);
    let mut found = text.lines().filter(names);
    let first = found.next()?;
    if found.next().is_some() {
        return None;
    }
    let indent = first.len() - first.trim_start().len();
    let inside = |line: &str| {
        let blanks = line.len() - line.trim_start().len();
        line.trim().is_empty() || line.trim_start().starts_with('#') || blanks > indent
    };
    let mut block = first.to_owned() + "\n";
    let after = text.lines().skip_while(|line| *line != first).skip(1);
    for line in after {
        if inside(line) {
            block += line;
            block.push('\n');
            continue;
        }
        let is_a_section = key(line).is_some_and(|key| super::SECTIONS.contains(&key.as_str()));
        let is_an_end = line.starts_with("---") || line.starts_with("...");
        let is_a_key = line
            .trim_start()
            .starts_with(|sign: char| sign.is_ascii_alphanumeric() || "\"'".contains(sign))
            && line.contains(':');
        return (is_a_section || is_an_end || is_a_key).then_some(block);
    }
    Some(block)
}

/// `block` after the blocks with the anchors that it needs, and those that they need. `None` where an anchor is not there
/// exactly once: which one is meant can't be told.
fn with_anchors(text: &str, block: String) -> Option<String> {
    let mut needed: Vec<String> = named(&block, '*').map(str::to_owned).collect();
    let mut blocks = BTreeMap::new();
    let mut next = 0;
    while let Some(anchor) = needed.get(next).cloned() {
        next += 1;
        let is_there = |line: &str| named(line, '&').any(|name| name == anchor);
        let mut found = text.lines().enumerate().filter(|(_, line)| is_there(line));
        let (at, line) = found.next()?;
        if found.next().is_some() {
            return None;
        }
        if block.lines().any(|own| own == line) {
            continue;
        }
        let lines: Vec<&str> = text.lines().take(at + 1).collect();
        let begins =
            |line: &&str| line.starts_with(|sign: char| !sign.is_whitespace() && sign != '#');
        let first = lines.iter().rposition(begins)?;
        if blocks.contains_key(&first) {
            continue;
        }
        let (key, _) = lines[first].split_once(':')?;
        let around = self::block(text, key.trim().trim_matches(['"', '\'']))?;
        needed.extend(named(&around, '*').map(str::to_owned));
        blocks.insert(first, around);
    }
    Some(blocks.into_values().chain([block]).collect())
}

/// The names after `sign`: `&` begins an anchor, `*` stands for one.
fn named(text: &str, sign: char) -> impl Iterator<Item = &str> {
    let ends = |sign: char| sign.is_whitespace() || ",[]{}".contains(sign);
    text.match_indices(sign).filter_map(move |(at, _)| {
        let begins = text[..at].chars().next_back().is_none_or(ends);
        let name = text[at + sign.len_utf8()..].split(ends).next()?;
        (begins && !name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Hands {
        region: String,
        dry_run: bool,
        names: Vec<u32>,
        limits: BTreeMap<String, u32>,
    }

    const NEEDED: &[&str] = &["hands.region", "hands.database"];

    fn salvaged(yaml: &str, variables: &[(&str, &str)]) -> Result<Hands, ConfigError> {
        let variables = variables.iter().map(|(name, value)| Written {
            variable: (*name).to_owned(),
            text: (*value).to_owned(),
        });
        let mut settings = Settings::salvage_from(yaml, None, variables.collect(), "hands")?;
        loop {
            match settings.section("hands") {
                Ok(hands) => return Ok(hands),
                Err(error) => settings = settings.without(&error).ok_or(error)?,
            }
        }
    }

    #[test]
    fn a_section_is_read_whatever_the_others_are() {
        let region = |yaml| salvaged(yaml, &[]).unwrap().region;
        for yaml in [
            "\u{feff}hands: {region: here}\nscheduler: {a: b: c}\n",
            "hands: {region: here}\npolicy: 7",
            "surprise: {a: 1}\nhands: {region: here}",
            "policy: [unclosed\nhands:\n  region: here\n",
            "hands:\n  # where\n\n  region: here\npolicy:\n\tscale: 1\n",
            "hands : {region: here}\npolicy: {a: 1, a: 2}\n",
            "\"hands\":\n  region: here\nx: [\n",
            " 'hands':\n   region: here\n x: [\n",
            "7: x\nhands:\n  region: here\n",
        ] {
            assert_eq!(region(yaml), "here", "{yaml}");
        }
        // With the anchors that it needs, wherever they are.
        for yaml in [
            "x-a: &a {region: here}\npolicy: [\nhands:\n  <<: *a\n",
            "x-a:\n  b: &a\n    region: here\nx-c: &c {<<: *a}\nhands: {<<: [*c]}\npolicy: {a: 1, a: 2}\n",
            "hands: {limits: {}, region: &a here}\npolicy: [\n",
        ] {
            assert_eq!(region(yaml), "here", "{yaml}");
        }
        assert_eq!(region("policy: 7"), "");
        for yaml in [
            "hands: [region]",
            "hands: 7",
            "- hands",
            "hands: {region: ",
            // What is missing may be the region.
            "hands:\n<<<<<<< ours\n  region: here\n=======\n",
            "hands:\n  region: here\nhands:\n  region: there\n",
            "policy: [\n",
            // Which of two is meant can't be told, nor what a broken one says.
            "x-a: &a {region: here}\nx-b: &a {region: there\nhands: {<<: *a}\n",
            "x-b: &b {region: there\nhands: {<<: *b}\n",
            "policy: [\nhands: {<<: *c}\n",
        ] {
            assert!(salvaged(yaml, &[]).is_err(), "{yaml}");
        }
    }

    #[test]
    fn a_key_that_is_wrong_is_left_out_alone() {
        let yaml = "hands: {region: here, names: [1, two], limits: {a: b}, surprise: 1}";
        let expected = Hands {
            region: "here".to_owned(),
            ..Hands::default()
        };
        assert_eq!(salvaged(yaml, &[]).unwrap(), expected);
        let variables = [("AUTOSCALER__HANDS__REGION", "there"), ("OTHER", "x")];
        assert_eq!(salvaged(yaml, &variables).unwrap().region, "there");
    }

    #[test]
    fn what_hides_a_needed_key_is_told() {
        let about = |key: &str| super::super::invalid(key, "is wrong").concerns(NEEDED);
        for key in [
            "hands.region",
            "hands",
            "AUTOSCALER__HANDS__REGION",
            "AWS_REGION",
        ] {
            assert!(about(key), "{key}");
        }
        for key in [
            "hands.regions",
            "hands.limits.a",
            "policy.scale_up_cpu",
            "DRY_RUN",
            "RUST_LOG",
        ] {
            assert!(!about(key), "{key}");
        }
        let unread = ConfigError::EnvironmentFile {
            path: ".env".into(),
            why: String::new(),
        };
        assert!(unread.concerns(NEEDED));
        let near_miss = |right: &str| {
            let (variable, right) = (right.to_lowercase(), right.to_owned());
            ConfigError::NearMiss { variable, right }.concerns(NEEDED)
        };
        assert!(near_miss("AUTOSCALER__HANDS__REGION"));
        assert!(!near_miss("DRY_RUN") && !near_miss("AUTOSCALER__HANDS__DRY_RUN"));
        let typo = |key: &str, nearest: Option<&str>| {
            let (key, nearest) = (key.to_owned(), nearest.map(str::to_owned));
            ConfigError::UnknownKey { key, nearest }.concerns(NEEDED)
        };
        assert!(typo("hands.regoin", Some("region")));
        assert!(!typo("hands.lmits", Some("limits")));
        assert!(!typo("policy.regoin", Some("region")));
    }
}
