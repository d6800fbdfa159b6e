//! The policy in force, and the one that takes its place.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    policy::document::Policy,
    service::{Service, error::ServiceError},
    store::{View, error::StoreError},
};

/// Policies that are kept.
const MAX_POLICIES: i64 = 10_000;

/// The policy that decides now.
#[derive(Clone, Debug)]
pub struct PolicyInForce {
    /// The policy.
    pub policy: Policy,
    /// Its version.
    pub version: String,
    /// When ApplyPolicy put it in force; `None` when it is the configuration's.
    pub applied_at: Option<Timestamp>,
}

impl Service {
    /// The policy that decides now.
    ///
    /// # Errors
    /// The store.
    pub async fn policy(&self) -> Result<PolicyInForce, ServiceError> {
        let mut transaction = self.store.read().await?;
        Ok(self.policy_within(&mut *transaction).await?)
    }

    pub(super) async fn policy_within(
        &self,
        view: &mut dyn View,
    ) -> Result<PolicyInForce, StoreError> {
        let applied = match self.pinned {
            true => None,
            false => view.applied_policy().await?,
        };
        Ok(match applied {
            Some(applied) => PolicyInForce {
                policy: applied.policy,
                version: applied.version,
                applied_at: Some(applied.at),
            },
            None => PolicyInForce {
                version: self.configured.version(),
                policy: self.configured.clone(),
                applied_at: None,
            },
        })
    }

    /// When a policy was applied that the configuration's hides.
    ///
    /// # Errors
    /// The store.
    pub async fn hidden_policy(&self) -> Result<Option<Timestamp>, ServiceError> {
        if !self.pinned {
            return Ok(None);
        }
        let mut transaction = self.store.read().await?;
        let applied = transaction.applied_policy().await?;
        Ok(applied.map(|applied| applied.at))
    }

    /// Puts a valid policy in force, across restarts. Returns its version.
    ///
    /// # Errors
    /// The store; or the configuration sets the policy.
    pub async fn apply_policy(&self, policy: &Policy) -> Result<String, ServiceError> {
        if self.pinned {
            return Err(ServiceError::PolicyOfTheFile);
        }
        let now = self.now();
        let version = policy.version();
        let mut transaction = self.store.write().await?;
        if transaction.count_policies().await? >= MAX_POLICIES {
            transaction.forget_unused_policies().await?;
            if transaction.count_policies().await? >= MAX_POLICIES {
                return Err(ServiceError::TooMany {
                    what: "policies that decisions refer to",
                    limit: MAX_POLICIES.unsigned_abs(),
                    retry_after: Duration::from_secs(3_600),
                });
            }
        }
        transaction.remember_policy(&version, policy, now).await?;
        transaction.apply_policy(&version, now).await?;
        transaction.commit().await?;
        // They were started for the cooldown of the policy before.
        self.stopwatches.clear();
        Ok(version)
    }
}
