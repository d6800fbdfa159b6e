//! The store in memory, for simulations and tests: it is forgotten with the process.

mod runs;
mod tables;
mod transaction;
mod view;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::RwLock;

use self::{tables::Tables, transaction::Writing};
use crate::store::{Store, Transaction, View, error::StoreError};

/// Tables that nobody changes while somebody looks at them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<RwLock<Tables>>);

#[async_trait]
impl Store for MemoryStore {
    async fn read(&self) -> Result<Box<dyn View>, StoreError> {
        Ok(Box::new(self.0.clone().read_owned().await))
    }

    async fn write(&self) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(Writing(self.0.clone().write_owned().await)))
    }

    async fn close(&self) {}
}
