//! The checks: every one there is, listed once, in the order of the walk. Each is a file.
//!
//! A guard only says no; what finds something for those after it is called by its name in the walk. A new guard is a file
//! and a line here.

pub mod bounds;
pub mod budget;
pub mod confidence;
pub mod cooldown;
pub mod evidence;
pub mod flap;
pub mod forecast;
pub mod freeze;
pub mod inputs;
pub mod ladder;
pub mod memory;
pub mod pause;
pub mod pending;
pub mod present;
pub mod rung;
pub mod schedule;
pub mod step;
pub mod windows;

use crate::decide::{
    case::Case,
    checks::{Finding, Guard},
    want::{Step, Want},
};

/// A guard that looks at the case, and at what is wanted, if anything is.
pub type StandingGuard = Guard<fn(&Case<'_>, Option<&Want>) -> Finding>;
/// A guard that looks at one step on the ladder.
pub type StepGuard = Guard<fn(&Step<'_>) -> Finding>;

/// First what must be known: [`inputs`] find the observation, [`ladder`] the present rung, [`schedule`] what is asked for at
/// this time. Then the strategy is asked.
const KNOWLEDGE: [&str; 3] = [inputs::NAME, ladder::NAME, schedule::NAME];

/// Then what may hold back whatever is wanted, and says so even when nothing is.
pub const STANDING: [StandingGuard; 3] = [
    Guard {
        name: "pending",
        check: pending::check,
    },
    Guard {
        name: "pause",
        check: pause::check,
    },
    Guard {
        name: "freeze",
        check: freeze::check,
    },
];

/// Then what makes a wish a step: [`forecast`] whether there is one, [`bounds`] how far it may lead, [`rung`] where it leads,
/// [`step`] how much of that at once.
const WAY: [&str; 4] = [forecast::NAME, bounds::NAME, rung::NAME, step::NAME];

/// Then what a step must pass.
pub const STEP: [StepGuard; 8] = [
    Guard {
        name: "windows",
        check: windows::check,
    },
    Guard {
        name: "budget",
        check: budget::check,
    },
    Guard {
        name: "flap",
        check: flap::check,
    },
    Guard {
        name: "confidence",
        check: confidence::check,
    },
    Guard {
        name: "cooldown",
        check: cooldown::check,
    },
    Guard {
        name: "evidence",
        check: evidence::check,
    },
    Guard {
        name: "memory",
        check: memory::check,
    },
    Guard {
        name: "present",
        check: present::check,
    },
];

/// The names of all checks, in the order of the walk.
pub fn names() -> impl Iterator<Item = &'static str> {
    let standing = STANDING.iter().map(|guard| guard.name);
    let step = STEP.iter().map(|guard| guard.name);
    KNOWLEDGE.into_iter().chain(standing).chain(WAY).chain(step)
}
