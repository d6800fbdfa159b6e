//! It has the tag that `actuator.required_tag` asks for.

use crate::{
    cloud::Instance,
    config::Config,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>) -> Finding {
    if case.config.required_tag.is_none() {
        return Finding::pass("no tag is asked for");
    }
    match lacks(case.config, &case.instance) {
        None => Finding::pass("it has the opt-in tag"),
        Some(why) => Finding::block(why),
    }
}

/// What it lacks, if it lacks it.
pub fn lacks(config: &Config, instance: &Instance) -> Option<String> {
    let tag = config.required_tag.as_ref()?;
    let has = match tag.split_once('=') {
        Some((key, value)) => instance.tags.get(key).is_some_and(|found| found == value),
        None => instance.tags.contains_key(tag),
    };
    (!has).then(|| format!("it lacks the tag {tag} (actuator.required_tag)"))
}
