//! Events for those who watch.

use jiff::Timestamp;

use super::result::TargetResult;

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The time of the event.
    pub at: Timestamp,
    /// Its kind.
    pub kind: EventKind,
    /// Empty when it concerns the whole tick.
    pub target_id: String,
    /// One line.
    pub message: String,
    /// With decisions and ends of resizes.
    pub result: Option<TargetResult>,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventKind {
    /// A tick began.
    TickStarted,
    /// A tick ended.
    TickFinished,
    /// A decision was stored.
    Decision,
    /// The actuator took a resize on.
    ResizeStarted,
    /// A resize ended.
    ResizeFinished,
    /// Something failed.
    Error,
}
