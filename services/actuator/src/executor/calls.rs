//! What each action asks of the cloud.

use super::{Executor, age::STOP_FOLLOWS_WITHIN, answer::Answer, monitor::last_line};
use crate::{
    cloud::{CloudError, ErrorKind, Instance, Mutation, Operation},
    journal::Record,
    preflight::{self, Subject},
    resize::{Action, Breadcrumb, Event, Step},
};

impl Executor {
    pub(super) async fn perform_marked(
        &self,
        action: &Action,
        record: &mut Record,
    ) -> Option<Answer> {
        self.renew_breadcrumb(action, record).await;
        self.perform(action, record).await
    }

    /// `None` when leaving cut it short, which it does only to what can be done again and leaves no machine down.
    async fn perform(&self, action: &Action, record: &Record) -> Option<Answer> {
        let instance_id = &record.request.instance_id;
        let answer = match action {
            Action::Preflight => return self.until_leaving(self.preflight(record)).await,
            Action::Look => match self.cloud.describe_instance(instance_id).await {
                Ok(instance) if Self::has_lost_its_tag(record, &instance) => Answer {
                    detail: "its breadcrumb is not on the instance any more".to_owned(),
                    event: Event::Untagged,
                },
                Ok(instance) => match Self::stopped_by_others(record, &instance) {
                    Some(reason) => Answer {
                        detail: reason.clone(),
                        event: Event::StoppedByOthers {
                            instance_type: instance.instance_type,
                            reason,
                        },
                    },
                    None => Answer {
                        detail: format!("{} on {}", instance.state, instance.instance_type),
                        event: Event::Seen {
                            state: instance.state,
                            instance_type: instance.instance_type,
                        },
                    },
                },
                Err(error) => Answer::failed(error),
            },
            Action::Mark => Answer::from(self.mark(record).await),
            Action::Unmark => {
                self.restore_credit_mode(record).await;
                Answer::from(self.cloud.remove_tag(instance_id, Breadcrumb::TAG).await)
            }
            Action::Stop if self.stood_still(record) => Answer::failed(CloudError::new(
                Operation::Stop,
                ErrorKind::Throttled,
                "this process stood still between its intent and the call",
            )),
            Action::Stop => Answer::from(self.cloud.mutate(instance_id, &Mutation::Stop).await),
            Action::Modify(target) => {
                let mutation = Mutation::ModifyType(target.clone());
                Answer::from(self.cloud.mutate(instance_id, &mutation).await)
            }
            Action::Start => Answer::from(self.cloud.mutate(instance_id, &Mutation::Start).await),
            Action::Status => match self.cloud.status(instance_id).await {
                Ok(status) => Answer {
                    detail: format!("{}, status checks {:?}", status.state, status.checks)
                        .to_lowercase(),
                    event: Event::Status {
                        state: status.state,
                        checks: status.checks,
                    },
                },
                Err(error) => Answer::failed(error),
            },
            Action::Monitor => {
                let set_up = async {
                    let set_up = self.monitor(instance_id).await;
                    Answer {
                        event: Event::Monitored(set_up.monitoring),
                        detail: last_line(&set_up.output),
                    }
                };
                return self.until_leaving(set_up).await;
            }
            // The caller has left its loop by then.
            Action::Finish(_) => return None,
        };
        Some(answer)
    }

    /// What a look says of a machine whose resize is too old to stop it: whether it is down for another one's stop.
    fn stopped_by_others(record: &Record, instance: &Instance) -> Option<String> {
        let asked_at = instance.stop_asked_at?;
        record
            .machine
            .stopped_by_others(asked_at, STOP_FOLLOWS_WITHIN)
    }

    /// What the last look at a machine says of a resize that an earlier process has marked: it was ended, and its tag taken
    /// off, after the copy of the journal that is read here was made.
    fn has_lost_its_tag(record: &Record, instance: &Instance) -> bool {
        let tag = instance.tags.get(Breadcrumb::TAG);
        let id = tag.and_then(|value| Some(Breadcrumb::parse(value)?.resize_id));
        record.machine.step() == Step::LastLook
            && id.as_deref() != Some(record.request.resize_id.as_str())
    }

    async fn preflight(&self, record: &Record) -> Answer {
        let request = &record.request;
        let subject = Subject {
            instance_id: &request.instance_id,
            target: &request.target,
            expected: Some(&request.expected),
        };
        let memory = preflight::Memory {
            refused: self.journal.refused().await,
            now: self.clock.now(),
        };
        let report = preflight::run(self.cloud.as_ref(), &self.config, subject, memory).await;
        match report.obstacle(self.config.unknown_checks) {
            Some(reason) => Answer::refused(reason),
            None => Answer {
                detail: format!("{} checks pass", report.checks.len()),
                event: if record.dry_run {
                    Event::DryRun
                } else {
                    Event::Passed {
                        fallbacks: report.fallbacks,
                        account: report.account,
                    }
                },
            },
        }
    }
}
