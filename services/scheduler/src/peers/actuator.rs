//! The actuator.

use std::collections::HashMap;

use async_trait::async_trait;
use common::{
    clock::SharedClock,
    health::Health,
    text::one_line,
    time::{from_proto, to_proto},
};
use futures::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use proto::actuator::v1::{
    self as message, DescribeInstanceRequest, DescribeInstancesRequest, GetLimitsRequest,
    GetResizeRequest, ListInstanceTypesRequest, ReadMetricsRequest, StartResizeRequest,
    WatchResizeRequest, actuator_service_client::ActuatorServiceClient,
};

use super::{
    failure::{BadAnswer, CallError, Failure},
    link::{Link, ServiceState, call, probe},
};
use crate::domain::{
    Decision, Ending, Instance, InstanceState, KillSwitch, Limits, Means, Metric, MetricsRead,
    MetricsWanted, Outcome, Progress, Resize, Step, TypeInfo,
};

/// The steps of a resize as they happen; the last one should be its end.
pub type ResizeSteps = BoxStream<'static, Result<Resize, CallError>>;

/// A service that describes instances and resizes them.
#[async_trait]
pub trait Actuator: Send + Sync {
    /// Its health.
    async fn health(&self) -> ServiceState;

    /// Whether it takes anything on; asked once.
    ///
    /// # Errors
    /// Why it doesn't, as far as is known.
    async fn serves(&self) -> Result<(), CallError>;

    /// What may be stopped now; asked once, within the time of a health probe.
    ///
    /// # Errors
    /// When it can't be asked.
    async fn limits(&self) -> Result<Limits, CallError>;

    /// State and type of an instance.
    ///
    /// # Errors
    /// When it can't be described.
    async fn describe_instance(&self, instance_id: &str) -> Result<Instance, CallError>;

    /// State and type of at most 200 instances, by id; those that don't exist are left out.
    ///
    /// # Errors
    /// When none can be described; within, when one can't.
    async fn describe_instances(
        &self,
        ids: Vec<String>,
    ) -> Result<HashMap<String, Result<Instance, CallError>>, CallError>;

    /// At most 100 types by name; unknown ones are left out.
    ///
    /// # Errors
    /// When they can't be read.
    async fn list_instance_types(&self, names: &[String]) -> Result<Vec<TypeInfo>, CallError>;

    /// Takes the action of a decision on. The same decision twice is one resize.
    ///
    /// # Errors
    /// [`Failure::Unsure`] when it may have been taken on nevertheless.
    async fn start_resize(
        &self,
        decision: &Decision,
        lease_epoch: u64,
    ) -> Result<Resize, CallError>;

    /// Metrics of at most 100 machines from the cloud's own store. It costs money.
    ///
    /// # Errors
    /// When they can't be read.
    async fn read_metrics(&self, wanted: &MetricsWanted) -> Result<MetricsRead, CallError>;

    /// A resize by id; `None` when it was never taken on.
    ///
    /// # Errors
    /// When it can't be asked.
    async fn get_resize(&self, resize_id: &str) -> Result<Option<Resize>, CallError>;

    /// A resize, step by step.
    ///
    /// # Errors
    /// When the stream can't be opened; within, when it breaks.
    async fn watch_resize(&self, resize_id: &str) -> Result<ResizeSteps, CallError>;
}

/// The actuator over gRPC.
#[derive(Clone)]
pub struct ActuatorClient {
    link: Link,
    clock: SharedClock,
}

impl ActuatorClient {
    /// Calls go over `link`.
    pub fn new(link: Link, clock: SharedClock) -> Self {
        Self { link, clock }
    }

    fn resize(&self, resize: Option<message::Resize>) -> Result<Resize, CallError> {
        let resize = resize
            .ok_or(BadAnswer("resize"))
            .and_then(|resize| self::resize(resize, self.clock.now()));
        self.link.understood(resize)
    }
}

#[async_trait]
impl Actuator for ActuatorClient {
    async fn health(&self) -> ServiceState {
        self.link.health().await
    }

    async fn serves(&self) -> Result<(), CallError> {
        let (was_answered, message) = match self.link.health().await.health {
            Health::Serving => return Ok(()),
            Health::NotServing => (
                true,
                "it does not serve: it is starting or ending, or can't use its journal or AWS; its log says which".to_owned(),
            ),
            Health::Unreachable(why) => (
                false,
                format!(
                    "can't be reached ({}); is it running, does it wait for a journal that another actuator holds, and is \
                     {} right?",
                    one_line(&why),
                    self.link.key
                ),
            ),
        };
        Err(self.link.unsure(was_answered, message))
    }

    async fn limits(&self) -> Result<Limits, CallError> {
        let answer = probe!(
            self.link,
            ActuatorServiceClient::get_limits(GetLimitsRequest {})
        )?;
        Ok(limits(answer))
    }

    async fn describe_instance(&self, instance_id: &str) -> Result<Instance, CallError> {
        let request = DescribeInstanceRequest {
            instance_id: instance_id.to_owned(),
        };
        let answer = call!(self.link, ActuatorServiceClient::describe_instance(request))?;
        let found = answer.instance.ok_or(BadAnswer("instance"));
        self.link
            .understood(found.and_then(|found| instance(found, answer.dry_run)))
    }

    async fn describe_instances(
        &self,
        ids: Vec<String>,
    ) -> Result<HashMap<String, Result<Instance, CallError>>, CallError> {
        let request = DescribeInstancesRequest { instance_ids: ids };
        let answer = call!(
            self.link,
            ActuatorServiceClient::describe_instances(request)
        )?;
        let one = |found: message::Instance| {
            let id = found.instance_id.clone();
            (id, self.link.understood(instance(found, answer.dry_run)))
        };
        Ok(answer.instances.into_iter().map(one).collect())
    }

    async fn list_instance_types(&self, names: &[String]) -> Result<Vec<TypeInfo>, CallError> {
        let request = ListInstanceTypesRequest {
            instance_types: names.to_vec(),
        };
        let answer = call!(
            self.link,
            ActuatorServiceClient::list_instance_types(request)
        )?;
        let one = |found: message::InstanceType| TypeInfo {
            name: found.instance_type,
            vcpus: found.vcpus,
            memory_mib: found.memory_mib,
        };
        Ok(answer.instance_types.into_iter().map(one).collect())
    }

    async fn start_resize(
        &self,
        decision: &Decision,
        lease_epoch: u64,
    ) -> Result<Resize, CallError> {
        let request = StartResizeRequest {
            resize_id: decision.id.clone(),
            instance_id: decision.instance_id.clone(),
            target_instance_type: decision.to_type.clone(),
            expected_instance_type: decision.from_type.clone(),
            lease_epoch,
            dry_run: decision.dry_run,
            reason: decision.reason.clone(),
        };
        let answer = call!(self.link, ActuatorServiceClient::start_resize(request))?;
        self.resize(answer.resize)
    }

    async fn read_metrics(&self, wanted: &MetricsWanted) -> Result<MetricsRead, CallError> {
        let metrics = wanted.metrics.iter().map(|metric| match metric {
            Metric::CpuUtilization => message::Metric::CpuUtilization.into(),
            Metric::CpuCreditBalance => message::Metric::CpuCreditBalance.into(),
            Metric::MemoryUsed => message::Metric::MemoryUsed.into(),
        });
        let request = ReadMetricsRequest {
            instance_ids: wanted.instance_ids.clone(),
            metrics: metrics.collect(),
            start: Some(to_proto(wanted.start)),
            end: Some(to_proto(wanted.end)),
            period_seconds: wanted.period_seconds,
        };
        let answer = call!(self.link, ActuatorServiceClient::read_metrics(request))?;
        let series: Result<Vec<Means>, BadAnswer> = answer.series.into_iter().map(means).collect();
        Ok(MetricsRead {
            series: self.link.understood(series)?,
            gaps: answer.gaps.iter().map(|gap| one_line(gap)).collect(),
        })
    }

    async fn get_resize(&self, resize_id: &str) -> Result<Option<Resize>, CallError> {
        let request = GetResizeRequest {
            resize_id: resize_id.to_owned(),
        };
        let answer = call!(self.link, ActuatorServiceClient::get_resize(request));
        match answer {
            Ok(answer) => self.resize(answer.resize).map(Some),
            Err(error) if error.failure == Failure::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn watch_resize(&self, resize_id: &str) -> Result<ResizeSteps, CallError> {
        let request = WatchResizeRequest {
            resize_id: resize_id.to_owned(),
        };
        let steps = call!(self.link, ActuatorServiceClient::watch_resize(request))?;
        let client = self.clone();
        let step = move |answer: Result<message::WatchResizeResponse, tonic::Status>| match answer {
            Ok(answer) => client.resize(answer.resize),
            Err(status) => Err(client.link.failed(&status)),
        };
        Ok(steps.map(step).boxed())
    }
}

/// An instance of an actuator that is, or isn't, in dry run.
fn instance(instance: message::Instance, dry_run: bool) -> Result<Instance, BadAnswer> {
    use message::InstanceState as Message;
    if instance.instance_type.is_empty() {
        return Err(BadAnswer("instance.instance_type"));
    }
    Ok(Instance {
        state: match instance.state() {
            Message::Unspecified => return Err(BadAnswer("instance.state")),
            Message::Pending => InstanceState::Pending,
            Message::Running => InstanceState::Running,
            Message::Stopping => InstanceState::Stopping,
            Message::Stopped => InstanceState::Stopped,
            Message::ShuttingDown => InstanceState::ShuttingDown,
            Message::Terminated => InstanceState::Terminated,
        },
        instance_type: instance.instance_type,
        private_ip: instance.private_ip,
        public_ip: instance.public_ip,
        dry_run,
        vcpus: (instance.vcpus > 0).then_some(instance.vcpus),
        started_at: instance.started_at.as_ref().and_then(from_proto),
    })
}

fn means(series: message::MetricSeries) -> Result<Means, BadAnswer> {
    let metric = match series.metric() {
        message::Metric::Unspecified => return Err(BadAnswer("series.metric")),
        message::Metric::CpuUtilization => Metric::CpuUtilization,
        message::Metric::CpuCreditBalance => Metric::CpuCreditBalance,
        message::Metric::MemoryUsed => Metric::MemoryUsed,
    };
    if series.timestamps.len() != series.values.len() {
        return Err(BadAnswer("series.values"));
    }
    Ok(Means {
        instance_id: series.instance_id,
        metric,
        means: series.timestamps.into_iter().zip(series.values).collect(),
    })
}

/// A resize; `now` stands in for an end without a time.
fn resize(resize: message::Resize, now: Timestamp) -> Result<Resize, BadAnswer> {
    use message::ResizePhase as Phase;
    let ended = |outcome| {
        Progress::Ended(Ending {
            outcome,
            instance_type: resize.running_instance_type.clone(),
            detail: describe_end(&resize, outcome),
            refused_for_good: resize.refused_for_good,
            at: resize
                .finished_at
                .as_ref()
                .and_then(from_proto)
                .unwrap_or(now),
        })
    };
    let progress = match resize.phase() {
        Phase::Unspecified => return Err(BadAnswer("resize.phase")),
        Phase::Preflight => Progress::UnderWay(Step::Preflight),
        Phase::Stopping => Progress::UnderWay(Step::Stopping),
        Phase::Modifying => Progress::UnderWay(Step::Modifying),
        Phase::Starting => Progress::UnderWay(Step::Starting),
        Phase::Checking => Progress::UnderWay(Step::Checking),
        Phase::Monitoring => Progress::UnderWay(Step::Monitoring),
        Phase::RollingBack => Progress::UnderWay(Step::RollingBack),
        Phase::Succeeded => ended(Outcome::Succeeded),
        Phase::RolledBack => ended(Outcome::RolledBack),
        Phase::FellBack => ended(Outcome::FellBack),
        Phase::Gone => ended(Outcome::Gone),
        Phase::Refused => ended(Outcome::Refused),
        Phase::DryRun => ended(Outcome::DryRun),
    };
    Ok(Resize {
        progress,
        dry_run: resize.dry_run,
    })
}

fn describe_end(resize: &message::Resize, outcome: Outcome) -> String {
    use message::MonitoringState;
    let (from, to) = (&resize.from_instance_type, &resize.target_instance_type);
    let running = &resize.running_instance_type;
    let mut text = match outcome {
        Outcome::Succeeded => format!("went from {from} to {to}"),
        Outcome::RolledBack => format!("could not go to {to}, runs on {running} again"),
        Outcome::FellBack => format!("could not go to {to}, runs on {running}"),
        Outcome::Gone => "was terminated by somebody else".to_owned(),
        Outcome::Refused => format!("was not taken to {to}"),
        Outcome::DryRun => format!("would go from {from} to {to}"),
        Outcome::NotStarted => format!("was never taken to {to}"),
    };
    if !resize.error.is_empty() {
        text += &format!(": {}", resize.error);
    }
    if resize.monitoring() == MonitoringState::Degraded {
        text += "; monitoring is degraded";
    }
    text
}

fn limits(limits: message::GetLimitsResponse) -> Limits {
    let breaker = limits.breaker.unwrap_or_default();
    let switch = limits.kill_switch.unwrap_or_default();
    Limits {
        dry_run: limits.dry_run,
        kill_switch: switch.on.then(|| KillSwitch {
            reason: one_line(&switch.reason),
            since: switch.since.as_ref().and_then(from_proto),
        }),
        breaker_open_until: breaker.open_until.as_ref().and_then(from_proto),
        failures: breaker.failures,
        failures_limit: breaker.limit,
        fence_epoch: limits.fence_epoch,
        journal_degraded: one_line(&limits.journal_degraded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resize_in(phase: message::ResizePhase) -> message::Resize {
        message::Resize {
            from_instance_type: "t2.small".into(),
            target_instance_type: "t2.medium".into(),
            running_instance_type: "t2.small".into(),
            error: "no capacity".into(),
            phase: phase.into(),
            ..Default::default()
        }
    }

    fn ending(resize: Resize) -> Option<Ending> {
        match resize.progress {
            Progress::UnderWay(_) => None,
            Progress::Ended(ending) => Some(ending),
        }
    }

    #[test]
    fn only_the_last_six_phases_end_a_resize() {
        use message::ResizePhase as Phase;
        let now = Timestamp::UNIX_EPOCH;
        for number in 1..=13 {
            let phase = Phase::try_from(number).unwrap();
            let resize = resize(resize_in(phase), now).unwrap();
            assert_eq!(ending(resize).is_some(), number >= 8, "{phase:?}");
        }
        let rolled_back = resize(resize_in(Phase::RolledBack), now).unwrap();
        let ending = ending(rolled_back).unwrap();
        assert_eq!(ending.outcome.name(), "rolled_back");
        assert_eq!(
            ending.detail,
            "could not go to t2.medium, runs on t2.small again: no capacity"
        );
        assert_eq!(
            resize(resize_in(Phase::Unspecified), now),
            Err(BadAnswer("resize.phase"))
        );
    }

    #[test]
    fn a_refusal_for_good_is_read() {
        let mut message = resize_in(message::ResizePhase::RolledBack);
        for refused_for_good in [true, false] {
            message.refused_for_good = refused_for_good;
            let ended = resize(message.clone(), Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(ending(ended).unwrap().refused_for_good, refused_for_good);
        }
    }
}
