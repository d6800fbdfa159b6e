//! When the service leaves: at once, or once no instance is down any more.

use tokio_util::sync::CancellationToken;

/// The two ways out. A token alone is the first.
#[derive(Clone, Debug)]
pub struct Leave {
    /// At once: the next start takes up what is under way.
    pub now: CancellationToken,
    /// Once no instance is down for a resize. From here on nothing is taken on and no instance is stopped. A child of
    /// `now`.
    pub once_up: CancellationToken,
}

impl From<CancellationToken> for Leave {
    fn from(now: CancellationToken) -> Self {
        Self {
            once_up: now.child_token(),
            now,
        }
    }
}

impl Leave {
    /// True when nothing new is to be begun.
    pub fn has_begun(&self) -> bool {
        self.once_up.is_cancelled()
    }
}
