//! Reviews: which sizing rule a target runs from now on.

use sizing::{
    appetite::Prices,
    past, pool,
    review::{Review, review},
    rule::Rule,
    rungs::Rungs,
};

use crate::{
    decide::{guide::Guide, input::InstanceType, sizes},
    fleet::lease::FLEET,
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
            rungs: sizes::rungs(ladder, &request.instance_types).map_err(|why| why.to_string()),
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
