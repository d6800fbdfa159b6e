//! Schedule: what size the policy asks for at this time.

use crate::decide::{case::Case, checks::Finding, schedule::Schedule};

pub const NAME: &str = "schedule";

/// What the periods of now ask for; it forbids nothing by itself.
pub fn look(case: &Case<'_>, schedule: &Schedule) -> Finding {
    if case.policy.schedule.is_empty() {
        return Finding::Skip("the policy has no schedule");
    }
    let asked = [
        ("no less", &schedule.lowest),
        ("no more", &schedule.highest),
    ];
    let asked = asked.into_iter().filter_map(|(what, bound)| {
        let words = &bound.as_ref()?.words;
        Some(format!("{words} asks for {what}"))
    });
    let elsewhere = schedule
        .elsewhere
        .iter()
        .map(|words| format!("what it asks for ({words}) is not on this target's ladder"));
    let asked: Vec<String> = asked.chain(elsewhere).collect();
    Finding::Pass(match asked.as_slice() {
        [] => "no period of the schedule is now".to_owned(),
        asked => asked.join("; "),
    })
}
