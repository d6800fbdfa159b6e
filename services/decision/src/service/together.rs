//! Decisions that share a transaction: what waits while another one is written goes to the disk with the next.
//!
//! A commit costs a write that reaches the disk, whatever is in it: a tick over a thousand targets would otherwise wait for a
//! thousand of them, one after the other.

use std::net::IpAddr;

use common::text::chain;
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::{Service, actions::Decided, error::ServiceError, waiting::Waiting};
use crate::{
    decide::{input::Input, record::Decision},
    store::error::StoreError,
};

impl Service {
    /// Decides and stores, or returns what was decided for the same tick and target before. Without a lease (epoch 0) a
    /// dry run is decided, and anything while nobody holds it.
    ///
    /// # Errors
    /// The store, a lease epoch that is not the one held, or more decisions than a caller may have.
    pub async fn decide(
        &self,
        input: Input,
        caller: Option<IpAddr>,
    ) -> Result<Decision, ServiceError> {
        let (answer, mut answered) = oneshot::channel();
        self.together.join(Waiting {
            input: input.clone(),
            caller,
            answer,
        });
        loop {
            let turn = self.together.turn.lock().await;
            match answered.try_recv() {
                Ok(decided) => return decided,
                Err(TryRecvError::Empty) => self.decide_for(self.together.take()).await,
                // Whoever had the turn broke off with it, and nothing was committed.
                Err(TryRecvError::Closed) => break,
            }
            drop(turn);
        }
        self.decide_alone(input, caller).await
    }

    /// Decides for all of them in one transaction; where the store objects to that, for each in its own, so that each
    /// learns what becomes of itself.
    async fn decide_for(&self, waiting: Vec<Waiting>) {
        #[cfg(test)]
        self.together
            .transactions
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let together = match waiting.len() {
            0 | 1 => None,
            _ => Some(self.decide_in_one(&waiting).await),
        };
        match together {
            // Each for itself would wait as long, one after the other.
            Some(Err(ServiceError::Store(StoreError::Busy(held)))) => {
                let held = chain(&*held);
                for one in waiting {
                    let busy = StoreError::Busy(held.clone().into());
                    let _ = one.answer.send(Err(busy.into()));
                }
            }
            Some(Ok(decided)) => {
                for (one, decided) in waiting.into_iter().zip(decided) {
                    self.answer(one.answer, decided).await;
                }
            }
            Some(Err(_)) | None => {
                for one in waiting {
                    let decided = self.decide_alone(one.input, one.caller).await;
                    // Nobody waits any more for one whose caller went away.
                    let _ = one.answer.send(decided);
                }
            }
        }
    }

    async fn decide_in_one(
        &self,
        waiting: &[Waiting],
    ) -> Result<Vec<Result<Decided, ServiceError>>, ServiceError> {
        let mut transaction = self.store.write().await?;
        let mut all = Vec::with_capacity(waiting.len());
        for one in waiting {
            let decided = self.decide_within(&mut *transaction, one.input.clone(), one.caller);
            match decided.await {
                Err(error @ ServiceError::Store(_)) => return Err(error),
                decided => all.push(decided),
            }
        }
        transaction.commit().await?;
        Ok(all)
    }

    async fn decide_alone(
        &self,
        input: Input,
        caller: Option<IpAddr>,
    ) -> Result<Decision, ServiceError> {
        let mut transaction = self.store.write().await?;
        let decided = self.decide_within(&mut *transaction, input, caller).await?;
        transaction.commit().await?;
        Ok(self.decided(decided).await)
    }

    async fn answer(
        &self,
        to: oneshot::Sender<Result<Decision, ServiceError>>,
        decided: Result<Decided, ServiceError>,
    ) {
        let decided = match decided {
            Ok(decided) => Ok(self.decided(decided).await),
            Err(error) => Err(error),
        };
        let _ = to.send(decided);
    }
}
