//! What is known of one target.

use jiff::Timestamp;
use sizing::review::Review;

use crate::{
    decide::{guide::Guide, record::Decision},
    fleet::{direction::Direction, pause::Pause},
    service::{
        Service,
        error::ServiceError,
        history::{Told, told},
    },
    store::Filter,
};

/// Ends of resizes that are shown of a target.
const RESIZES_SHOWN: u32 = 10;

/// What is known of one target.
#[derive(Clone, Debug)]
pub struct TargetState {
    /// When each direction is free, for those that are not.
    pub cooldown_up_until: Option<Timestamp>,
    /// The same for scaling down.
    pub cooldown_down_until: Option<Timestamp>,
    /// Pauses in force, of this target and of the fleet.
    pub pauses: Vec<Pause>,
    /// The action that has not ended.
    pub pending: Option<Decision>,
    /// The newest decision.
    pub last: Option<Told>,
    /// Ends of the last resizes, newest first, at most 10.
    pub recent_resizes: Vec<Timestamp>,
    /// What the newest review found.
    pub reviewed: Option<(Guide, Review)>,
}

impl Service {
    /// What is known of one target; one that was never seen has no cooldown and no decision.
    ///
    /// # Errors
    /// The store.
    pub async fn target_state(&self, target_id: &str) -> Result<TargetState, ServiceError> {
        let now = self.now();
        let mut transaction = self.store.read().await?;
        let policy = self.policy_within(&mut *transaction).await?.policy;
        let cooldowns = transaction.cooldowns(target_id).await?;
        let until = |direction| {
            let end = cooldowns.get(direction)?;
            let remaining = end.remaining(policy.cooldown_seconds_of(direction), now);
            // From now: `ended_at` may lie ahead of a clock that was set back.
            (!remaining.is_zero()).then(|| now.saturating_add(remaining).unwrap_or(Timestamp::MAX))
        };
        let of_target = |pending_only| Filter {
            target_id: Some(target_id.to_owned()),
            pending_only,
            limit: 1,
            ..Filter::default()
        };
        let last = transaction
            .decisions(&of_target(false))
            .await?
            .decisions
            .pop();
        let instance_id = last.as_ref().map_or(target_id, |last| &last.instance_id);
        Ok(TargetState {
            cooldown_up_until: until(Direction::Up),
            cooldown_down_until: until(Direction::Down),
            pauses: transaction
                .pauses_in_force([target_id, instance_id], now)
                .await?,
            pending: transaction
                .decisions(&of_target(true))
                .await?
                .decisions
                .pop(),
            last: match last {
                Some(last) => Some(told(&mut *transaction, last).await?),
                None => None,
            },
            recent_resizes: transaction
                .resizes(target_id, RESIZES_SHOWN)
                .await?
                .into_iter()
                .map(|resize| resize.ended_at)
                .collect(),
            reviewed: transaction
                .guide(target_id)
                .await?
                .zip(transaction.review(target_id).await?),
        })
    }
}
