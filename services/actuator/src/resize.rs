//! A resize as data: what to do next, given what has been seen so far.
//!
//! mark → look → stop → wait → modify → read back → start → wait → status checks → monitoring → unmark. What fails before
//! the stop leaves the machine as it was. What fails after it moves to the next rung of the ladder: the target, the old
//! type, the fallbacks, and round again with growing pauses.
//!
//! Invariant: once a stop may have been carried out, the only ends are "running" and "gone". There is no way out of
//! `Modify`, `ReadBack` or `Start` but through `AwaitRunning`.
//! Invariant: a resize that is not to stop its machine any more, and may have, ends only after a start was accepted, or when
//! the cloud says that somebody else asked for the stop it is down for.
//! Invariant: it ends as running only after a start was accepted since the last stop. What is seen can be stale, without
//! a bound; what a start answers can't, and a running machine ignores it.
//! Invariant: no I/O and no clock; time comes in as what has passed since the last event.

mod breadcrumb;
mod event;
pub(crate) mod format1;
mod ladder;
mod limits;
mod machine;
mod rules;
mod state;
mod step;

pub use self::{
    breadcrumb::Breadcrumb,
    event::{Action, Event, IllegalEvent},
    limits::Limits,
    machine::Resize,
    step::{Monitoring, Outcome, Phase, Step},
};
