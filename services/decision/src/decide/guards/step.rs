//! Step: how many rungs one resize may go.

use crate::decide::{case::Case, checks::Found, guards::rung::is_step, want::Want};

pub const NAME: &str = "step";

/// The type to go to now, on the way to the one that was found: that, or the last within `max_step`. Rungs that are skipped
/// on the way are not counted.
pub fn find<'a>(case: &Case<'a>, rung: usize, want: &Want, to: &'a str) -> Found<&'a str> {
    let most = case.policy.max_step;
    if most == 0 {
        return Ok((to, "a resize may go any number of rungs".to_owned()));
    }
    let direction = want.direction;
    let steps = case.rungs_beyond(rung, direction).into_iter();
    let steps = steps.filter(|rung| is_step(case, rung, direction));
    let within: Vec<&str> = steps.take(most as usize).map(String::as_str).collect();
    let key = format!("policy.max_step ({most})");
    Ok(match within.last() {
        Some(last) if !within.contains(&to) => (
            last,
            format!("{to} is asked for; no further than {last} by {key}"),
        ),
        _ => (to, format!("within {key}")),
    })
}
