//! Reviews: which sizing rule a target runs from now on.

use sizing::{
    appetite::Prices,
    past, pool,
    review::{Review, review},
    rule::Rule,
    rungs::Rungs,
};

use crate::{
    decide::{
        guide::Guide,
        input::{InstanceType, size_of},
        sizes,
    },
    fleet::lease::FLEET,
    policy::document::Policy,
    service::{Service, error::ServiceError},
};

/// What a caller knows of a target's past.
#[derive(Clone, Debug)]
pub struct ReviewRequest {
    /// The target's name in the configuration.
    pub target_id: String,
    /// Demand in vCPU, one for each step, the last one now.
    pub demand: Vec<Option<f32>>,
    /// Sizes of the types that are known.
    pub instance_types: Vec<InstanceType>,
    /// The ladder of this target; empty means the policy's.
    pub ladder: Vec<String>,
    /// Epoch of the caller's lease; 0 without one.
    pub lease_epoch: u64,
    /// The highest memory in use in the window, MiB.
    pub memory_peak_mib: Option<f64>,
}

/// A review that only has to be computed.
#[derive(Clone, Debug)]
pub struct Prepared {
    request: ReviewRequest,
    rungs: Result<Rungs, String>,
    prices: Prices,
    /// The rule until now.
    current: Rule,
}

/// A review that only has to be stored.
#[derive(Clone, Debug)]
pub struct Replayed {
    target_id: String,
    lease_epoch: u64,
    review: Result<Review, String>,
}

/// What became of a review.
#[derive(Clone, Debug)]
pub enum Reviewed {
    /// It is stored.
    Stored {
        /// All of it.
        review: Box<Review>,
        /// What decisions are made from.
        guide: Guide,
    },
    /// There is none, and what was there before stays.
    Impossible(String),
}

impl Service {
    /// Looks up what a review needs beside the past.
    ///
    /// # Errors
    /// The store, a lease epoch that is not the one held, or a target that was never decided about.
    pub async fn prepare_review(&self, request: ReviewRequest) -> Result<Prepared, ServiceError> {
        let now = self.now();
        let mut view = self.store.read().await?;
        if view.seen_last(&request.target_id).await?.is_none() {
            return Err(ServiceError::UnknownTarget(request.target_id));
        }
        let lease = view.lease(FLEET).await?;
        Self::check_epoch(
            &request.target_id,
            request.lease_epoch,
            false,
            lease.as_ref(),
            now,
        )?;
        let policy = self.policy_within(&mut *view).await?.policy;
        let ladder = match request.ladder.as_slice() {
            [] => policy.ladder.as_slice(),
            ladder => ladder,
        };
        let guide = view.guide(&request.target_id).await?;
        Ok(Prepared {
            rungs: sizes::rungs(allowed(&policy, ladder, &request), &request.instance_types)
                .map_err(|why| why.to_string()),
            prices: policy.prices(),
            current: guide.map_or(Rule::Fit(pool::COMMON), |guide| guide.rule),
            request,
        })
    }

    /// Stores a review in the place of the target's last one.
    ///
    /// # Errors
    /// The store, or a lease that was lost meanwhile.
    pub async fn store_review(&self, replayed: Replayed) -> Result<Reviewed, ServiceError> {
        let Replayed {
            target_id,
            lease_epoch,
            review,
        } = replayed;
        let review = match review {
            Ok(review) => review,
            Err(why) => return Ok(Reviewed::Impossible(why)),
        };
        let now = self.now();
        let mut transaction = self.store.write().await?;
        let lease = transaction.lease(FLEET).await?;
        Self::check_epoch(&target_id, lease_epoch, false, lease.as_ref(), now)?;
        let guide = Guide::new(&review, now);
        transaction.set_review(&target_id, &guide, &review).await?;
        transaction.commit().await?;
        if review.is_change() {
            tracing::info!(
                target_id,
                why = guide.why,
                "another sizing rule from now on"
            );
        }
        Ok(Reviewed::Stored {
            review: Box::new(review),
            guide,
        })
    }
}

/// The types of a ladder that decisions would go to: what memory and the policy's lower bound forbid, a rule must not be
/// chosen for. The largest is always one.
fn allowed<'a>(policy: &Policy, ladder: &'a [String], request: &ReviewRequest) -> &'a [String] {
    let needed = policy.memory_for(request.memory_peak_mib.unwrap_or_default());
    let fits = |name: &String| {
        size_of(&request.instance_types, name).is_none_or(|known| known.memory_mib as f64 >= needed)
    };
    let bound = policy.min_type.as_ref();
    let bound = bound.and_then(|bound| ladder.iter().position(|name| name == bound));
    let lowest = bound.unwrap_or_default();
    let largest = ladder.len().saturating_sub(1);
    let first = (lowest..largest).find(|rung| fits(&ladder[*rung]));
    ladder.get(first.unwrap_or(largest)..).unwrap_or_default()
}

impl Prepared {
    /// Replays every rule.
    pub fn replay(self) -> Replayed {
        let Self {
            request,
            rungs,
            prices,
            current,
        } = self;
        let review = rungs.and_then(|rungs| {
            let track = past::walk(&request.demand);
            review(&track, &pool::measured(), &rungs, &prices, current)
                .ok_or_else(|| "less than a day and a half of the past is known".to_owned())
        });
        Replayed {
            target_id: request.target_id,
            lease_epoch: request.lease_epoch,
            review,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_memory_or_the_policy_forbids_is_no_candidate() {
        let ladder = ["t2.small", "t2.medium", "t2.large"].map(str::to_owned);
        let request = |memory_peak_mib: Option<f64>| ReviewRequest {
            target_id: "web".to_owned(),
            demand: Vec::new(),
            instance_types: ladder
                .iter()
                .zip([2_048, 4_096, 8_192])
                .map(|(name, memory_mib)| InstanceType {
                    instance_type: name.clone(),
                    vcpus: 2,
                    memory_mib,
                })
                .collect(),
            ladder: Vec::new(),
            lease_epoch: 0,
            memory_peak_mib,
        };
        let first = |policy: &Policy, peak: Option<f64>| {
            allowed(policy, &ladder, &request(peak))[0].clone()
        };
        let policy = Policy::default();
        // A fifth is kept free.
        for (peak, expected) in [
            (None, "t2.small"),
            (Some(1_700.0), "t2.small"),
            (Some(1_710.0), "t2.medium"),
            (Some(9_000.0), "t2.large"),
        ] {
            assert_eq!(first(&policy, peak), expected, "{peak:?}");
        }
        let bounded = Policy {
            min_type: Some("t2.medium".to_owned()),
            ..policy
        };
        assert_eq!(first(&bounded, None), "t2.medium");
        assert_eq!(first(&bounded, Some(5_000.0)), "t2.large");
    }
}
