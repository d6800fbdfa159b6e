//! Leases: one actor at a time.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    fleet::lease::{self, FLEET, Lease},
    service::{Service, error::ServiceError},
};

/// Resources that may be leased beside the fleet.
const MAX_RESOURCES: i64 = 100;
/// In seconds: a lease that nobody has held for this long is forgotten when room is needed. Its epoch is a time, so the
/// next one is above it all the same.
const FORGET_AFTER_SECONDS: u64 = 3_600;

impl Service {
    /// Makes `holder` the one actor for `resource`.
    ///
    /// # Errors
    /// The store, or somebody else holds it.
    pub async fn acquire_lease(
        &self,
        resource: &str,
        holder: &str,
        ttl_seconds: u32,
    ) -> Result<Lease, ServiceError> {
        let now = self.now();
        let mut transaction = self.store.write().await?;
        let mut current = transaction.lease(resource).await?;
        if current.is_none() && resource != FLEET {
            let unused_since = now.saturating_sub(Duration::from_secs(FORGET_AFTER_SECONDS));
            let unused_since = unused_since.unwrap_or(Timestamp::MIN);
            let mut others = transaction.count_leases().await?;
            if others >= MAX_RESOURCES {
                transaction.forget_unused_leases(unused_since).await?;
                others = transaction.count_leases().await?;
            }
            if others >= MAX_RESOURCES {
                return Err(ServiceError::TooMany {
                    what: "leased resources beside the fleet",
                    limit: MAX_RESOURCES.unsigned_abs(),
                    retry_after: Duration::from_secs(FORGET_AFTER_SECONDS),
                });
            }
        }
        let set_back = current.as_mut().is_some_and(|lease| lease.anchor(now));
        let acquired = lease::acquire(current.as_ref(), resource, holder, ttl_seconds, now);
        if let Some(lease) = acquired
            .as_ref()
            .ok()
            .or(current.as_ref().filter(|_| set_back))
        {
            let before = current.as_ref().map_or(0, |lease| lease.epoch);
            let reset = lease.epoch < before;
            if reset {
                // The table keeps the higher of two epochs.
                transaction.forget_lease(resource).await?;
            }
            transaction.set_lease(lease).await?;
            transaction.commit().await?;
            if reset {
                self.metrics.epoch_reset();
                tracing::error!(
                    resource,
                    before,
                    epoch = lease.epoch,
                    "the lease's epoch lay ahead of this machine's clock and was reset: the clock was ahead once, or somebody \
                     wrote to the database"
                );
            }
        }
        let lease = acquired?;
        self.show_epoch(&lease);
        Ok(lease)
    }

    /// Extends a lease.
    ///
    /// # Errors
    /// The store, or it was lost.
    pub async fn renew_lease(
        &self,
        resource: &str,
        holder: &str,
        epoch: u64,
        ttl_seconds: u32,
    ) -> Result<Lease, ServiceError> {
        let mut transaction = self.store.write().await?;
        let current = transaction.lease(resource).await?;
        let lease = lease::renew(
            current.as_ref(),
            resource,
            holder,
            epoch,
            ttl_seconds,
            self.now(),
        )?;
        transaction.set_lease(&lease).await?;
        transaction.commit().await?;
        self.show_epoch(&lease);
        Ok(lease)
    }

    fn show_epoch(&self, lease: &Lease) {
        if lease.resource == FLEET {
            self.metrics.leased(lease.epoch);
        }
    }

    /// Gives a lease back. False when it was not held under that epoch.
    ///
    /// # Errors
    /// The store.
    pub async fn release_lease(
        &self,
        resource: &str,
        holder: &str,
        epoch: u64,
    ) -> Result<bool, ServiceError> {
        let mut transaction = self.store.write().await?;
        let current = transaction.lease(resource).await?;
        let Some(released) = lease::release(current.as_ref(), holder, epoch, self.now()) else {
            return Ok(false);
        };
        transaction.set_lease(&released).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
