//! Leases: one actor at a time.

use super::{Engine, EngineError};
use crate::{
    lease::{self, Lease},
    store::{Store, fleet},
};

impl Engine {
    /// Makes `holder` the one actor for `resource`.
    ///
    /// # Errors
    /// The store, or somebody else holds it.
    pub async fn acquire_lease(
        &self,
        resource: &str,
        holder: &str,
        ttl_seconds: u32,
    ) -> Result<Lease, EngineError> {
        let now = self.now();
        let mut transaction = self.store.write().await?;
        let mut current = fleet::lease(&mut transaction, resource).await?;
        let set_back = current.as_mut().is_some_and(|lease| lease.anchor(now));
        let acquired = lease::acquire(current.as_ref(), resource, holder, ttl_seconds, now);
        if let Some(lease) = acquired
            .as_ref()
            .ok()
            .or(current.as_ref().filter(|_| set_back))
        {
            fleet::set_lease(&mut transaction, lease).await?;
            Store::commit(transaction).await?;
        }
        Ok(acquired?)
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
    ) -> Result<Lease, EngineError> {
        let mut transaction = self.store.write().await?;
        let current = fleet::lease(&mut transaction, resource).await?;
        let lease = lease::renew(
            current.as_ref(),
            resource,
            holder,
            epoch,
            ttl_seconds,
            self.now(),
        )?;
        fleet::set_lease(&mut transaction, &lease).await?;
        Store::commit(transaction).await?;
        Ok(lease)
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
    ) -> Result<bool, EngineError> {
        let mut transaction = self.store.write().await?;
        let current = fleet::lease(&mut transaction, resource).await?;
        let Some(released) = lease::release(current.as_ref(), holder, epoch, self.now()) else {
            return Ok(false);
        };
        fleet::set_lease(&mut transaction, &released).await?;
        Store::commit(transaction).await?;
        Ok(true)
    }
}
