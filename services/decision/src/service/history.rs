//! What was decided, for whoever asks: one decision, a page of them, what was decided about a target at a time.

use jiff::Timestamp;

use crate::{
    decide::{
        alternatives::{self, Alternative},
        explain,
        input::Input,
        record::{Decision, Stored},
        replay,
        run::Run,
        verdict::Action,
    },
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
    /// What would have led to each other type.
    pub alternatives: Vec<Alternative>,
}

/// A decision, made again.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// As it is stored.
    pub made: Decision,
    /// As it comes out now.
    pub again: Decision,
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
            let alternatives = alternatives::of(&stored);
            return Ok(Explained {
                text: explain::explain(&stored, &alternatives, told.run.as_ref(), reviewed),
                told,
                input: Some(stored.input),
                policy: stored.policy,
                alternatives,
            });
        }
        let newest = match &told.run {
            Some(run) => view.stored(&run.newest_id()).await?,
            None => None,
        };
        let (Some(newest), Some(run)) = (newest, &told.run) else {
            return Err(ServiceError::NotFound(id));
        };
        let alternatives = alternatives::of(&newest);
        Ok(Explained {
            text: explain::explain_merged(&told.decision, run, &newest, &alternatives, reviewed),
            told,
            input: None,
            policy: newest.policy,
            alternatives,
        })
    }

    /// Decides again what was decided, by `policy` or by the one that was in force; nothing is stored.
    ///
    /// # Errors
    /// The store, there is none, or it is not kept whole.
    pub async fn replay(
        &self,
        decision_id: &str,
        policy: Option<&Policy>,
    ) -> Result<Replayed, ServiceError> {
        let mut view = self.store.read().await?;
        let Some(stored) = view.stored(decision_id).await? else {
            return Err(match view.run_of(decision_id).await? {
                Some((run, _)) => ServiceError::NotKeptWhole {
                    decision_id: decision_id.to_owned(),
                    first_id: run.first_id(),
                    newest_id: run.newest_id(),
                },
                None => ServiceError::NotFound(decision_id.to_owned()),
            });
        };
        let again = match policy {
            Some(policy) => replay::by(&stored, policy),
            None => replay::again(&stored),
        };
        let Stored { decision, .. } = stored;
        Ok(Replayed {
            made: decision,
            again,
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
