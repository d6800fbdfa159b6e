//! Freeze: a time for which the policy says no.

use jiff::Timestamp;

use crate::{
    decide::{
        case::Case,
        checks::{Finding, Stop},
        verdict::ReasonCode,
        want::Want,
    },
    policy::{times::Freeze, zone},
    text,
};

/// Now is in none of the freezes; a saturated machine goes up where the policy says so.
pub fn check(case: &Case<'_>, want: Option<&Want>) -> Finding {
    if case.policy.freeze.is_empty() {
        return Finding::Skip("the policy names no freeze");
    }
    let name = &case.policy.zone;
    let blocked = |what: String| {
        let held_back = want.map(Want::held_back).unwrap_or_default();
        Finding::Block(Stop::new(ReasonCode::Frozen, format!("{what}{held_back}")))
    };
    let Some(zone) = zone::find(name) else {
        return blocked(format!("the zone {name} is not known"));
    };
    let spans = case.policy.freeze.iter().filter_map(|freeze| {
        let span = freeze.span(&zone).ok()?;
        Some((freeze, span))
    });
    let in_force =
        |&(_, (from, to)): &(&Freeze, (Timestamp, Timestamp))| (from..to).contains(&case.now);
    let Some((freeze, (_, end))) = spans.clone().find(in_force) else {
        let coming = spans
            .map(|(_, (from, _))| from)
            .filter(|from| *from > case.now);
        return Finding::Pass(match coming.min() {
            Some(from) => format!(
                "the next freeze begins {} ({name})",
                text::local_time(from, &zone)
            ),
            None => "no freeze is coming".to_owned(),
        });
    };
    let why = match freeze.reason.as_str() {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    let what = format!(
        "resizes are frozen until {} ({name}){why}",
        text::local_time(end, &zone)
    );
    if want.is_some_and(|want| want.saturated) && case.policy.saturation_passes.freeze {
        return Finding::Pass(format!("{what}; measured saturation does not wait for it"));
    }
    blocked(what)
}
