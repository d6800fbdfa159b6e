//! Instances that bear a breadcrumb: stopped by this program, and not known to have come back.
//!
//! As a rule the journal knows better, and then it decides. The breadcrumb is for the day when it is lost.
//! Invariant: an instance is started only when its breadcrumb belongs to a resize that is not known to have ended.

use std::sync::Arc;

use common::clock::SharedClock;

use crate::{
    cloud::{Cloud, Instance},
    config::Config,
    executor::Executor,
    journal::{Admission, Journal, Record, Refusal, Request},
    resize::{Breadcrumb, Resize},
};

/// What a breadcrumb means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Its resize is under way.
    UnderWay,
    /// Its resize has ended; the tag was left over.
    Ended,
    /// No journal knows its resize: the instance is to be brought back.
    Lost,
    /// The value isn't ours.
    Foreign,
}

/// One instance with a breadcrumb.
#[derive(Clone, Debug)]
pub struct Stranded {
    pub instance: Instance,
    pub breadcrumb: Option<Breadcrumb>,
    pub standing: Standing,
    /// A resize was begun to bring it back.
    pub taken_up: bool,
}

/// What finding them takes.
#[derive(Clone)]
pub struct Finder {
    pub cloud: Arc<dyn Cloud>,
    pub clock: SharedClock,
    pub config: Arc<Config>,
    pub journal: Arc<Journal>,
    pub executor: Arc<Executor>,
}

impl Finder {
    /// Every instance with a breadcrumb. With `apply`, those that are lost are brought back, to the type they had, and
    /// tags of resizes that have ended are taken off.
    ///
    /// # Errors
    /// The cloud, or the journal, in one line.
    pub async fn find(&self, apply: bool) -> Result<Vec<Stranded>, String> {
        let marked = self.cloud.find_tagged(Breadcrumb::TAG).await;
        let marked = marked.map_err(|error| format!("{error}; {}", error.remedy()))?;
        let mut found = Vec::with_capacity(marked.len());
        for instance in marked {
            let value = instance.tags.get(Breadcrumb::TAG);
            let breadcrumb = value.and_then(|value| Breadcrumb::parse(value));
            let standing = self.standing(breadcrumb.as_ref()).await?;
            let taken_up = match (&breadcrumb, standing) {
                (Some(breadcrumb), Standing::Lost) if apply => {
                    self.take_up(&instance, breadcrumb).await?
                }
                (_, Standing::Ended) if apply => {
                    self.sweep(&instance).await;
                    false
                }
                _ => false,
            };
            found.push(Stranded {
                instance,
                breadcrumb,
                standing,
                taken_up,
            });
        }
        Ok(found)
    }

    async fn standing(&self, breadcrumb: Option<&Breadcrumb>) -> Result<Standing, String> {
        let Some(breadcrumb) = breadcrumb else {
            return Ok(Standing::Foreign);
        };
        let known = self.journal.get(&breadcrumb.resize_id).await;
        Ok(match known.map_err(|error| error.to_string())? {
            None => Standing::Lost,
            Some(record) if record.finished_at.is_some() => Standing::Ended,
            Some(_) => Standing::UnderWay,
        })
    }

    async fn take_up(&self, instance: &Instance, breadcrumb: &Breadcrumb) -> Result<bool, String> {
        let request = Request {
            resize_id: breadcrumb.resize_id.clone(),
            instance_id: instance.instance_id.clone(),
            target: breadcrumb.target.clone(),
            expected: breadcrumb.from.clone(),
            lease_epoch: 0,
            dry_run: false,
            reason: format!(
                "found by its tag {} while {}",
                Breadcrumb::TAG,
                instance.state
            ),
        };
        let machine = Resize::recover(
            breadcrumb,
            self.config.monitoring.enabled,
            self.config.limits(),
        );
        let record = Record::new(request, false, machine, self.clock.now());
        match self.journal.take_up(record).await {
            Ok(Admission::New(record)) => {
                tracing::warn!(
                    instance_id = instance.instance_id,
                    state = %instance.state,
                    breadcrumb = %breadcrumb,
                    "this instance was stopped for a resize that the journal does not know; it is brought back"
                );
                // Whoever asked doesn't wait for its first look.
                drop(self.executor.resume(record));
                Ok(true)
            }
            Ok(Admission::Known(_)) | Err(Refusal::Busy { .. }) => Ok(false),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    /// A tag that could not be taken off when its resize ended.
    async fn sweep(&self, instance: &Instance) {
        let instance_id = &instance.instance_id;
        match self.cloud.remove_tag(instance_id, Breadcrumb::TAG).await {
            Ok(()) => tracing::info!(instance_id, "took the tag of an ended resize off"),
            Err(error) => {
                tracing::warn!(instance_id, %error, "the tag of an ended resize stays");
            }
        }
    }
}
