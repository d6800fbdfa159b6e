//! Calls that a test holds, to do something at exactly that moment.

use tokio::sync::watch;

/// When a call is held.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Moment {
    /// It has arrived and had no effect yet. When the caller dies meanwhile it never has one.
    Before,
    /// It has had its effect, and the answer is not sent yet.
    After,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Wait,
    GoOn,
    Lose,
}

/// The test's end. Dropping it lets the call go on.
#[derive(Debug)]
pub struct Hold {
    verdict: watch::Sender<Verdict>,
    arrived: watch::Receiver<bool>,
}

/// The call's end.
#[derive(Debug)]
pub(super) struct Gate {
    verdict: watch::Receiver<Verdict>,
    arrived: watch::Sender<bool>,
}

impl Hold {
    pub(super) fn new() -> (Self, Gate) {
        let (verdict, given) = watch::channel(Verdict::Wait);
        let (came, arrived) = watch::channel(false);
        let gate = Gate {
            verdict: given,
            arrived: came,
        };
        (Self { verdict, arrived }, gate)
    }

    /// Returns once the call is there and held.
    pub async fn arrived(&self) {
        // An error would mean that the call came and was dropped by its caller: then it has arrived, too.
        let _ = self.arrived.clone().wait_for(|arrived| *arrived).await;
    }

    /// Lets the call go on.
    pub fn release(self) {
        self.verdict.send_replace(Verdict::GoOn);
    }

    /// The call is never answered: over the wire its connection is closed.
    pub fn lose(self) {
        self.verdict.send_replace(Verdict::Lose);
    }
}

impl Gate {
    pub(super) async fn pass(mut self) -> Verdict {
        self.arrived.send_replace(true);
        match self
            .verdict
            .wait_for(|verdict| *verdict != Verdict::Wait)
            .await
        {
            Ok(verdict) => *verdict,
            // Nobody holds it any more.
            Err(_) => Verdict::GoOn,
        }
    }
}
