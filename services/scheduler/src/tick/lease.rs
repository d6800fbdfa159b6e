//! The right to act (design rule 9): one scheduler holds it, and its epoch goes along with every action.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use common::clock::{SharedClock, machine};
use jiff::Timestamp;

use crate::peers::{CallError, Failure, Peers};

/// The time of the machine in which an actuator that answers may begin to serve, before it counts as one that can't.
const STARTING: Duration = Duration::from_secs(5);
const STARTING_POLL: Duration = Duration::from_millis(100);

/// Keeps the lease, and knows whether it is held.
pub struct LeaseKeeper {
    peers: Peers,
    clock: SharedClock,
    holder: String,
    ttl_seconds: u32,
    held: Mutex<Option<Held>>,
    /// Since when the actuator has not served.
    idle_since: Mutex<Option<Timestamp>>,
    /// Held while the lease changes hands, so that nobody gets an epoch that is being given back.
    changing: tokio::sync::Mutex<()>,
}

/// The lease as this process sees it.
#[derive(Clone, Copy)]
struct Held {
    epoch: u64,
    /// When it ends without renewal: counted on this process's clock from before the request, so that it never seems
    /// longer than it is, whatever the clock of the decision service shows.
    until: Timestamp,
}

/// The reason that this scheduler may not act now.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoLease {
    /// The normal state of a second scheduler.
    #[error("on standby, another scheduler holds the lease ({0})")]
    Standby(String),
    /// Whoever holds the lease keeps all others from acting, so nobody asks for it who can't act.
    #[error("the lease is left to others while nothing can be done: {0}")]
    Idle(CallError),
    /// Nobody can tell.
    #[error("the lease can't be had: {0}")]
    Unknown(CallError),
}

impl LeaseKeeper {
    /// `holder` names this scheduler; see [`holder`].
    pub fn new(peers: Peers, clock: SharedClock, holder: String, ttl_seconds: u32) -> Self {
        Self {
            peers,
            clock,
            holder,
            ttl_seconds,
            held: Mutex::default(),
            idle_since: Mutex::default(),
            changing: tokio::sync::Mutex::new(()),
        }
    }

    /// Renews or acquires; returns the epoch to act under. While the actuator does not serve none is acquired, and one
    /// that is held is given back after the time of a lease.
    ///
    /// # Errors
    /// Then nothing may be done.
    pub async fn ensure(&self) -> Result<u64, NoLease> {
        let _changing = self.changing.lock().await;
        self.renew_or_acquire().await
    }

    /// Gives the lease back and acquires it anew: somebody says that `epoch`, which is held, is not the one that counts (a
    /// decision database from a backup, a clock that was ahead). Renewing would keep it.
    ///
    /// # Errors
    /// Then nothing may be done.
    pub async fn renounce(&self, epoch: u64) -> Result<u64, NoLease> {
        let _changing = self.changing.lock().await;
        if self.held().is_some_and(|held| held.epoch == epoch) {
            tracing::warn!(
                epoch,
                "the lease's epoch is called stale; acquiring it anew"
            );
            self.give_back().await;
        }
        self.renew_or_acquire().await
    }

    async fn renew_or_acquire(&self) -> Result<u64, NoLease> {
        let able = self.look_at_the_actuator().await;
        let idle = self.idle_for(able.is_ok());
        if let Err(error) = &able {
            if let Some(held) = self.held()
                && idle >= self.ttl()
            {
                tracing::warn!(
                    epoch = held.epoch,
                    idle_seconds = idle.as_secs(),
                    "nothing can be done here; giving the lease back: {error}"
                );
                self.give_back().await;
            }
            if self.held().is_none() {
                return Err(NoLease::Idle(error.clone()));
            }
        }
        let asked_at = self.clock.now();
        if let Some(held) = self.held() {
            match self
                .peers
                .decision
                .renew_lease(&self.holder, held.epoch, self.ttl_seconds)
                .await
            {
                Ok(epoch) => return Ok(self.keep(epoch, asked_at)),
                // Lost while this process slept, perhaps to nobody: try to get it back under a new epoch.
                Err(error) if error.failure != Failure::Unsure => {
                    tracing::warn!(%error, epoch = held.epoch, "lease lost");
                    self.set(None);
                    if let Err(error) = able {
                        return Err(NoLease::Idle(error));
                    }
                }
                Err(error) => return Err(NoLease::Unknown(error)),
            }
        }
        match self
            .peers
            .decision
            .acquire_lease(&self.holder, self.ttl_seconds)
            .await
        {
            Ok(epoch) => {
                tracing::info!(epoch, holder = self.holder, "lease acquired");
                Ok(self.keep(epoch, asked_at))
            }
            Err(error) if error.failure == Failure::Taken => {
                Err(NoLease::Standby(error.message().to_owned()))
            }
            Err(error) => Err(NoLease::Unknown(error)),
        }
    }

    /// The epoch, when the lease holds for at least a third of its time; renewed when it doesn't.
    ///
    /// To be called before each action: a process that was paused must notice that its time is over.
    ///
    /// # Errors
    /// Then nothing may be done.
    pub async fn confirm(&self) -> Result<u64, NoLease> {
        let margin = Duration::from_secs(u64::from(self.ttl_seconds) / 3);
        let enough = self.clock.now().saturating_add(margin);
        match (self.held(), enough) {
            (Some(held), Ok(enough)) if held.until > enough => Ok(held.epoch),
            _ => self.ensure().await,
        }
    }

    /// How often to renew while nothing else does.
    pub fn renewal_interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.ttl_seconds.div_ceil(3)))
    }

    /// Gives it back, so that another scheduler need not wait.
    pub async fn release(&self) {
        let _changing = self.changing.lock().await;
        self.give_back().await;
    }

    /// The epoch under which it is held, as far as this process knows.
    pub fn epoch(&self) -> Option<u64> {
        self.held().map(|held| held.epoch)
    }

    async fn give_back(&self) {
        let Some(held) = self.held() else { return };
        self.set(None);
        if let Err(error) = self
            .peers
            .decision
            .release_lease(&self.holder, held.epoch)
            .await
        {
            tracing::warn!(%error, "lease not given back; it ends by itself");
        }
    }

    /// Whether the actuator serves; one that is starting, as after a restart of everything, is waited for, once.
    async fn look_at_the_actuator(&self) -> Result<(), CallError> {
        let known_to_be_idle = || {
            let since = self.idle_since.lock();
            since.unwrap_or_else(PoisonError::into_inner).is_some()
        };
        let patient = self.held().is_none() && !known_to_be_idle();
        let until = machine().monotonic() + STARTING;
        loop {
            match self.peers.actuator.serves().await {
                Err(error) if error.was_answered && patient && machine().monotonic() < until => {
                    machine().sleep(STARTING_POLL).await;
                }
                looked => return looked,
            }
        }
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.ttl_seconds))
    }

    /// How long the actuator has not served, as far as was asked.
    fn idle_for(&self, serves: bool) -> Duration {
        let now = self.clock.now();
        let mut since = self
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if serves {
            *since = None;
            return Duration::ZERO;
        }
        let since = *since.get_or_insert(now);
        now.duration_since(since).try_into().unwrap_or_default()
    }

    fn held(&self) -> Option<Held> {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, epoch: u64, asked_at: Timestamp) -> u64 {
        let until = asked_at
            .saturating_add(self.ttl())
            .unwrap_or(Timestamp::MAX);
        self.set(Some(Held { epoch, until }));
        epoch
    }

    fn set(&self, held: Option<Held>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }
}

/// A name that no two running schedulers share and that a restarted one has again, so that it needn't wait for its own
/// lease to expire: nothing else can listen on `address` in this network namespace of this boot.
pub fn holder(address: SocketAddr) -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = std::fs::read_link("/proc/self/ns/net");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default();
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => {
            format!("{host}/{}/{}/{address}", boot.trim(), namespace.display())
        }
        // Not Linux: then a restart waits for the old lease to end.
        _ => format!("{host}/{}/{address}", machine().new_id()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_the_same_after_a_restart_and_differs_by_port() {
        let name = |port| holder(SocketAddr::from(([127, 0, 0, 1], port)));
        if cfg!(target_os = "linux") {
            assert_eq!(name(50054), name(50054));
        }
        assert_ne!(name(50054), name(50055));
        assert!(name(50054).len() < 200);
    }
}
