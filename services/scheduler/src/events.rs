//! What happens, told to whoever listens. Nobody has to, and a slow listener loses events, not the scheduler time.

use common::clock::SharedClock;
use tokio::sync::broadcast;

use crate::domain::{Event, EventKind, TargetResult};

/// A listener may be this many events behind.
const BACKLOG: usize = 1_024;

/// Hands events to listeners.
#[derive(Clone)]
pub struct Events {
    sender: broadcast::Sender<Event>,
    clock: SharedClock,
}

impl Events {
    /// Without listeners.
    pub fn new(clock: SharedClock) -> Self {
        let (sender, _) = broadcast::channel(BACKLOG);
        Self { sender, clock }
    }

    /// Everything from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// Tells of something that concerns the whole tick.
    pub fn tick(&self, kind: EventKind, message: String) {
        self.send(kind, String::new(), message, None);
    }

    /// Tells of something that concerns one target.
    pub fn target(&self, kind: EventKind, message: String, result: &TargetResult) {
        let with_result = matches!(kind, EventKind::Decision | EventKind::ResizeFinished);
        let result_sent = with_result.then(|| result.clone());
        self.send(kind, result.target_id.clone(), message, result_sent);
    }

    fn send(
        &self,
        kind: EventKind,
        target_id: String,
        message: String,
        result: Option<TargetResult>,
    ) {
        // An error only says that nobody listens.
        let _ = self.sender.send(Event {
            at: self.clock.now(),
            kind,
            target_id,
            message,
            result,
        });
    }
}
