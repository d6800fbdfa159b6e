//! Resizes that run in a world, and how they end.

use std::{collections::HashSet, time::Duration};

use common::clock::{ManualClock, machine};
use proto::scheduler::v1::{EventKind, TargetResult, WatchEventsResponse};
use tokio::{sync::mpsc, task::AbortHandle};
use tonic::Streaming;

/// How long the machine may take for what resizes do in a step; then the simulation goes on without it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The resizes that run, and those that ended.
#[derive(Debug)]
pub struct Resizes {
    /// By their decisions' ids.
    running: HashSet<String>,
    /// The actuator's: nothing but its resizes waits by it.
    clock: ManualClock,
    ended: mpsc::UnboundedReceiver<TargetResult>,
    listening: AbortHandle,
}

impl Resizes {
    /// Those that the scheduler tells of from now on, of an actuator on this clock.
    pub fn of(mut events: Streaming<WatchEventsResponse>, clock: ManualClock) -> Self {
        let (sender, ended) = mpsc::unbounded_channel();
        let listening = tokio::spawn(async move {
            while let Ok(Some(event)) = events.message().await {
                let finished = event.kind() == EventKind::ResizeFinished;
                if let Some(result) = event.result.filter(|_| finished)
                    && sender.send(result).is_err()
                {
                    return;
                }
            }
        });
        Self {
            running: HashSet::new(),
            clock,
            ended,
            listening: listening.abort_handle(),
        }
    }

    /// Counts the resize that a tick began for a target, if it did.
    pub fn note(&mut self, result: &TargetResult) {
        if result.action_taken == "started" {
            self.running.insert(result.decision_id.clone());
        }
    }

    /// Lets every resize do what it has to do at this time: until each waits for a later one, or has ended. Returns those
    /// that ended, by the names of their targets: at one time they end in any order.
    pub async fn settle(&mut self) -> Vec<TargetResult> {
        let mut ended = self.ended_by_now().await;
        ended.sort_by(|left, right| left.target_id.cmp(&right.target_id));
        ended
    }

    async fn ended_by_now(&mut self) -> Vec<TargetResult> {
        let mut ended = Vec::new();
        loop {
            while let Ok(result) = self.ended.try_recv() {
                self.running.remove(&result.decision_id);
                ended.push(result);
            }
            if self.running.is_empty() {
                return ended;
            }
            tokio::select! {
                biased;
                Some(result) = self.ended.recv() => {
                    self.running.remove(&result.decision_id);
                    ended.push(result);
                }
                () = self.clock.until_asleep(self.running.len()) => return ended,
                () = machine().sleep(PATIENCE) => return ended,
            }
        }
    }
}

impl Drop for Resizes {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
