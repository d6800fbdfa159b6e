//! Pause: an operator said no.

use crate::{
    decide::{
        case::Case,
        checks::{Finding, Stop},
        verdict::ReasonCode,
        want::Want,
    },
    fleet::{
        direction::Direction,
        pause::{Pause, PauseDirection},
    },
    text,
};

/// A pause of everything blocks whatever is wanted; one of a direction only what it forbids.
pub fn check(case: &Case<'_>, want: Option<&Want>) -> Finding {
    let forbids = |pause: &&Pause| match pause.direction {
        PauseDirection::Both => true,
        PauseDirection::Up => want.is_some_and(|want| want.direction == Direction::Up),
        PauseDirection::Down => want.is_some_and(|want| want.direction == Direction::Down),
    };
    if let Some(pause) = case.state.pauses.iter().find(forbids) {
        let held_back = want.map(Want::held_back).unwrap_or_default();
        return Finding::Block(Stop::new(
            ReasonCode::Paused,
            format!("{}{held_back}", describe(pause)),
        ));
    }
    Finding::Pass(match case.state.pauses.first() {
        Some(pause) => format!("{}, which is not wanted now", describe(pause)),
        None => "not paused".to_owned(),
    })
}

fn describe(pause: &Pause) -> String {
    let what = match pause.direction {
        PauseDirection::Both => "scaling",
        PauseDirection::Up => "scaling up",
        PauseDirection::Down => "scaling down",
    };
    let whose = if pause.target_id.is_empty() {
        "of the whole fleet "
    } else {
        ""
    };
    let until = match pause.until {
        Some(until) => format!("until {}", text::time(until)),
        None => "until it is resumed".to_owned(),
    };
    let why = if pause.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", pause.reason)
    };
    format!(
        "{what} {whose}is paused since {} {until}{why}",
        text::time(pause.since)
    )
}
