//! The target takes its CPU options. Only what differs from its type's default was chosen by somebody.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let bound = &case.instance.bindings;
    let default = case.from.as_ref().map(|from| &from.abilities);
    let chosen = |now: Option<u32>, default: Option<u32>| match (now, default) {
        (Some(now), Some(default)) if now != default => Some(now),
        _ => None,
    };
    let cores = chosen(bound.cores, default.and_then(|found| found.default_cores));
    let threads = chosen(
        bound.threads_per_core,
        default.and_then(|found| found.default_threads_per_core),
    );
    let takes = |chosen: Option<u32>, valid: &[u32]| {
        chosen.is_none_or(|chosen| valid.is_empty() || valid.contains(&chosen))
    };
    let fits =
        takes(cores, &target.abilities.cores) && takes(threads, &target.abilities.threads_per_core);
    let options = format!(
        "{} cores of {} threads",
        bound.cores.unwrap_or_default(),
        bound.threads_per_core.unwrap_or_default()
    );
    match (cores.is_some() || threads.is_some(), fits) {
        (false, _) => Finding::pass("its CPU options are its type's"),
        (true, true) => Finding::pass(format!("{} takes its {options}, too", target.name)),
        (true, false) => Finding::block(format!(
            "its CPU options are {options}, which {} can't have",
            target.name
        )),
    }
}
