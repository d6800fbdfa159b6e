//! Instances that bear a breadcrumb: stopped by this program, and not known to have come back.
//!
//! As a rule the journal knows better, and then it decides. The breadcrumb is for the day when it is lost. Whoever may tag
//! instances can write one, so it is believed only with its seal, and only of the present stop.
//! Invariant: an instance is started by itself only when the journal or a sealed breadcrumb says that it was stopped
//! here, and its resize is not known to have ended.

use std::sync::Arc;

use common::clock::SharedClock;
use jiff::{SignedDuration, Timestamp};

use crate::{
    cloud::{Cloud, CloudError, Instance},
    config::Config,
    executor::Executor,
    journal::{Admission, Journal, Record, Refusal, Request, StoreError},
    metrics::Metrics,
    preflight::lacks_required_tag,
    resize::{Breadcrumb, Outcome, Resize},
    seal::Seal,
};

/// More than clocks differ by.
const CLOCKS_DIFFER_BY: SignedDuration = SignedDuration::from_mins(5);
/// A stop follows its breadcrumb within this time, tries and all.
const STOP_FOLLOWS_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// What a breadcrumb means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Its resize is under way.
    UnderWay,
    /// Its resize has ended; the tag was left over.
    Ended,
    /// It was written here, and no journal knows its resize: the instance is to be brought back.
    Lost,
    /// It looks like ours, and this speaks against it: a person decides.
    Unverified(String),
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

/// What is done about those that are found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Apply {
    /// They are listed.
    Nothing,
    /// What is lost is brought back.
    Lost,
    /// And what is not verified, where no setting forbids it.
    Unverified,
}

/// Why they could not be found, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("{}", .0.with_remedy())]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Journal(#[from] StoreError),
    #[error(transparent)]
    NotTakenUp(#[from] Refusal),
}

/// What finding them takes.
#[derive(Clone)]
pub struct Finder {
    pub cloud: Arc<dyn Cloud>,
    pub clock: SharedClock,
    pub config: Arc<Config>,
    pub journal: Arc<Journal>,
    pub executor: Arc<Executor>,
    pub metrics: Metrics,
    pub seal: Seal,
}

impl Finder {
    /// Every instance with a breadcrumb. What is lost is brought back to the type it had, in dry run on the type it has;
    /// tags of resizes that have ended are taken off, but not in dry run.
    ///
    /// # Errors
    /// The cloud, or the journal.
    pub async fn find(&self, apply: Apply) -> Result<Vec<Stranded>, SearchError> {
        let marked = self.cloud.find_tagged(Breadcrumb::TAG).await?;
        let mut found = Vec::with_capacity(marked.len());
        for instance in marked {
            let value = instance.tags.get(Breadcrumb::TAG);
            let value = value.map(String::as_str).unwrap_or_default();
            let breadcrumb = Breadcrumb::parse(value);
            let known = match &breadcrumb {
                Some(breadcrumb) => self.journal.get(&breadcrumb.resize_id).await?,
                None => None,
            };
            let is_known = known.is_some();
            let mut standing = match breadcrumb {
                Some(_) => self.standing(&instance, value, known),
                None => Standing::Foreign,
            };
            let taken_up = match (&breadcrumb, &standing) {
                (Some(breadcrumb), Standing::Lost) if apply != Apply::Nothing => {
                    self.take_up(&instance, breadcrumb, is_known, false).await?
                }
                (Some(breadcrumb), Standing::Unverified(_)) if apply == Apply::Unverified => {
                    match self.forbids(&instance) {
                        None => self.take_up(&instance, breadcrumb, is_known, true).await?,
                        Some(why) => {
                            standing = Standing::Unverified(why);
                            false
                        }
                    }
                }
                (_, Standing::Ended) if apply != Apply::Nothing && !self.config.dry_run => {
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
        let doubtful = found
            .iter()
            .filter(|stranded| matches!(stranded.standing, Standing::Unverified(_)))
            .filter(|stranded| !stranded.taken_up)
            .count();
        let doubtful = i64::try_from(doubtful).unwrap_or(i64::MAX);
        self.metrics.breadcrumbs_unverified.set(doubtful);
        Ok(found)
    }

    /// By what the journal knows of its resize.
    fn standing(&self, instance: &Instance, value: &str, known: Option<Record>) -> Standing {
        match known {
            Some(record) if record.request.instance_id != instance.instance_id => {
                let other = record.request.instance_id;
                Standing::Unverified(format!("it belongs to a resize of {other}"))
            }
            // Given up when it was not found for an hour. Here it is.
            Some(record) if record.outcome() == Some(Outcome::Gone) => self.judge(instance, value),
            Some(record) if record.finished_at.is_some() => Standing::Ended,
            Some(_) => Standing::UnderWay,
            None => self.judge(instance, value),
        }
    }

    /// By the seal and EC2's times alone.
    fn judge(&self, instance: &Instance, value: &str) -> Standing {
        let sealed = self
            .seal
            .opened(value, &instance.account, &instance.instance_id);
        match sealed {
            None => Standing::Unverified(
                "it was not written here for this instance, or not with this key".to_owned(),
            ),
            Some(sealed_at) => match replayed(instance, sealed_at) {
                Some(why) => Standing::Unverified(why),
                None => Standing::Lost,
            },
        }
    }

    /// What keeps an unverified breadcrumb from being acted upon, even when somebody asks for it.
    fn forbids(&self, instance: &Instance) -> Option<String> {
        let protected = &self.config.protected_instances;
        if protected.contains(&instance.instance_id) {
            return Some("it is in actuator.protected_instances".to_owned());
        }
        lacks_required_tag(&self.config, instance)
    }

    async fn take_up(
        &self,
        instance: &Instance,
        breadcrumb: &Breadcrumb,
        is_known: bool,
        unverified: bool,
    ) -> Result<bool, SearchError> {
        let now = self.clock.now();
        let request = Request {
            resize_id: match is_known {
                false => breadcrumb.resize_id.clone(),
                // That one is another's, or has ended.
                true => format!("recover-{}-{}", instance.instance_id, now.as_second()),
            },
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
        let mut machine = Resize::recover(
            breadcrumb,
            &instance.account,
            self.config.monitoring.enabled,
            self.config.limits(),
        );
        if unverified {
            // Who wrote it may have written any type into it.
            machine.start_only("its tag could not be verified: it starts on the type that it has");
        }
        let record = Record::new(request, false, machine, now);
        match self.journal.take_up(record).await {
            Ok(Admission::New(record)) => {
                tracing::warn!(
                    instance_id = instance.instance_id,
                    state = %instance.state,
                    breadcrumb = %breadcrumb,
                    "this instance was stopped for a resize that the journal does not know; it is brought back"
                );
                self.executor.bring_back(record);
                Ok(true)
            }
            Ok(Admission::Known(_)) | Err(Refusal::Busy { .. }) => Ok(false),
            Err(refusal) => Err(refusal.into()),
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

/// Why a sealed breadcrumb does not speak of the present stop: it was put back later.
fn replayed(instance: &Instance, sealed_at: Timestamp) -> Option<String> {
    if let Some(started_at) = instance.started_at
        && started_at > sealed_at
    {
        return Some(format!(
            "it is of {sealed_at}, and the instance was started at {started_at}"
        ));
    }
    let stopped_at = instance.stop_asked_at?;
    let later = stopped_at.duration_since(sealed_at);
    (later > STOP_FOLLOWS_WITHIN || later < -CLOCKS_DIFFER_BY)
        .then(|| format!("it is of {sealed_at}, and the instance was stopped at {stopped_at}"))
}
