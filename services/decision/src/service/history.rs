//! What was decided, for whoever asks: one decision, a page of them, what was decided about a target at a time.

use jiff::Timestamp;

use crate::{
    decide::{explain, input::Input, record::Decision, run::Run, verdict::Action},
    policy::document::Policy,
    service::{Service, error::ServiceError},
    store::{Filter, View, error::StoreError},
};

/// A decision, and the run of holds that it is one of.
#[derive(Clone, Debug)]
pub struct Told {
    /// What was decided.
    pub decision: Decision,
    /// Where it is a hold.
    pub run: Option<Run>,
}

/// Which decision is asked about.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The one with an id.
    Id(String),
    /// The newest one about a target, or the one that was it at a time.
    Target {
        /// The target.
        target_id: String,
        /// When; `None` is now.
        at: Option<Timestamp>,
    },
}

/// A decision in words, and what it was made from.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What was decided.
    pub told: Told,
    /// For a person.
    pub text: String,
    /// `None` for a hold that is not kept whole.
    pub input: Option<Input>,
    /// Under which it was decided.
    pub policy: Policy,
}

impl Service {
    /// One decision.
    ///
    /// # Errors
    /// The store, or there is none.
    pub async fn get(&self, decision_id: &str) -> Result<Told, ServiceError> {
        let mut view = self.store.read().await?;
        match view.decision(decision_id).await? {
            Some(decision) => Ok(told(&mut *view, decision).await?),
            None => Err(ServiceError::NotFound(decision_id.to_owned())),
        }
    }

    /// Decisions that are kept whole, newest first, and where the next page begins.
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self, filter: &Filter) -> Result<(Vec<Told>, Option<i64>), ServiceError> {
        let mut view = self.store.read().await?;
        let page = view.decisions(filter).await?;
        let mut decisions = Vec::with_capacity(page.decisions.len());
        for decision in page.decisions {
            decisions.push(told(&mut *view, decision).await?);
        }
        Ok((decisions, page.next))
    }

    /// A decision in words.
    ///
    /// # Errors
    /// The store, or there is none.
    pub async fn explain(&self, asked: Asked) -> Result<Explained, ServiceError> {
        let mut view = self.store.read().await?;
        let id = match asked {
            Asked::Id(id) => id,
            Asked::Target { target_id, at } => {
                let at = at.unwrap_or(Timestamp::MAX);
                let id = view.id_at(&target_id, at).await?;
                id.ok_or(ServiceError::NothingDecided(target_id))?
            }
        };
        let Some(decision) = view.decision(&id).await? else {
            return Err(ServiceError::NotFound(id));
        };
        let told = told(&mut *view, decision).await?;
        let guide = view.guide(&told.decision.target_id).await?;
        let reviewed = guide.map(|guide| guide.reviewed_at);
        if let Some(stored) = view.stored(&id).await? {
            return Ok(Explained {
                text: explain::explain(&stored, told.run.as_ref(), reviewed),
                told,
                input: Some(stored.input),
                policy: stored.policy,
            });
        }
        let newest = match &told.run {
            Some(run) => view.stored(&run.newest_id()).await?,
            None => None,
        };
        let (Some(newest), Some(run)) = (newest, &told.run) else {
            return Err(ServiceError::NotFound(id));
        };
        Ok(Explained {
            text: explain::explain_merged(&told.decision, run, &newest, reviewed),
            told,
            input: None,
            policy: newest.policy,
        })
    }
}

pub(super) async fn told(view: &mut dyn View, decision: Decision) -> Result<Told, StoreError> {
    let run = match decision.verdict.action {
        Action::Hold => view
            .run_of(&decision.decision_id)
            .await?
            .map(|(run, _)| run),
        Action::ScaleUp | Action::ScaleDown => None,
    };
    Ok(Told { decision, run })
}
