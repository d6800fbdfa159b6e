//! Between the contract's messages and the values inside.

use common::{
    request::Fields,
    status::{failed_precondition, unavailable},
    time::to_proto,
};
use jiff::Timestamp;
use proto::actuator::v1 as wire;
use std::{collections::HashMap, time::Duration};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    admission::NotAdmitted,
    cloud::{CloudError, ErrorKind, Instance, InstanceState, InstanceType},
    config::Config,
    journal::{Record, Refusal, Refused, Request, StepRecord, StoreError, fence},
    monitoring::SetUp,
    preflight::{Check, Verdict},
    rails::{KillSwitch, Objection, Reading, Standings},
    recovery::stranded::{Standing, Stranded},
    resize::{Monitoring, Outcome, Phase},
};

/// Of the reasons in error details.
const DOMAIN: &str = "autoscaler.actuator";
/// Instances whose budget is told.
const TOLD: usize = 100;

/// The id of a resize: 1 to 64 letters, digits and hyphens.
pub fn resize_id(fields: &mut Fields, value: &str) {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !((1..=64).contains(&value.len()) && value.bytes().all(allowed)) {
        fields.bad("resize_id", "must be 1 to 64 letters, digits and hyphens");
    }
}

/// The request of a resize, checked.
///
/// # Errors
/// INVALID_ARGUMENT.
pub fn request(message: wire::StartResizeRequest) -> Result<Request, Status> {
    let mut fields = Fields::default();
    resize_id(&mut fields, &message.resize_id);
    fields.instance_id("instance_id", &message.instance_id);
    fields.instance_type("target_instance_type", &message.target_instance_type);
    fields.instance_type("expected_instance_type", &message.expected_instance_type);
    if message.target_instance_type == message.expected_instance_type {
        fields.bad(
            "target_instance_type",
            "must differ from expected_instance_type",
        );
    }
    if message.reason.len() > 1_000 {
        fields.bad("reason", "must have at most 1,000 bytes");
    }
    fields.check()?;
    Ok(Request {
        resize_id: message.resize_id,
        instance_id: message.instance_id,
        target: message.target_instance_type,
        expected: message.expected_instance_type,
        lease_epoch: message.lease_epoch,
        dry_run: message.dry_run,
        reason: message.reason,
    })
}

/// An epoch that no clock can have given out: were it believed, it would shut everybody out.
///
/// # Errors
/// INVALID_ARGUMENT.
pub fn check_epoch(epoch: u64, now: Timestamp) -> Result<(), Status> {
    let mut fields = Fields::default();
    if fence::is_ahead(epoch, now) {
        fields.bad(
            "lease_epoch",
            format!(
                "{epoch} is the time in milliseconds of a moment more than {} minutes ahead of this machine's clock, {}; \
                 acquire the lease again, and see that the clocks of decision service and actuator agree",
                fence::TOLERANCE.as_secs() / 60,
                now.as_millisecond()
            ),
        );
    }
    fields.check()
}

/// A refusal of the journal.
fn refusal(refusal: &Refusal, now: Timestamp) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::OtherContent(_) => Status::already_exists(message),
        Refusal::Objection(no) => objection(no, now),
        Refusal::Store(error) if matches!(error, StoreError::Degraded(_)) => store_error(error),
        Refusal::Store(_) => unavailable(message, Duration::from_secs(5)),
        Refusal::Busy { active, .. } => failed_precondition("ACTIVE_RESIZE", active, &message),
        Refusal::StaleEpoch { highest, .. } => {
            failed_precondition("LEASE_EPOCH", &highest.to_string(), &message)
        }
    }
}

/// The journal can't be read or written.
pub fn store_error(error: &StoreError) -> Status {
    if matches!(error, StoreError::Degraded(_)) {
        return failed_precondition("JOURNAL_DEGRADED", "actuator", &error.to_string());
    }
    unavailable(error.to_string(), Duration::from_secs(5))
}

/// Why a resize was not taken on.
pub fn not_admitted(no: &NotAdmitted, now: Timestamp) -> Status {
    match no {
        NotAdmitted::ShuttingDown => Status::unavailable(no.to_string()),
        NotAdmitted::Cloud(error) => cloud_error(error),
        NotAdmitted::OtherType { instance_id, .. } => {
            failed_precondition("INSTANCE_TYPE", instance_id, &no.to_string())
        }
        NotAdmitted::Refused(no) => refusal(no, now),
    }
}

/// What speaks against a resize now: which limit it is stands in the details, as `PreconditionFailure` for what a person
/// decided, else as `ErrorInfo` beside the time when it passes.
fn objection(objection: &Objection, now: Timestamp) -> Status {
    let code = objection.rail.to_uppercase();
    let message = objection.reason.as_str();
    if objection.is_by_hand {
        return failed_precondition(&code, "actuator", message);
    }
    let mut details = ErrorDetails::new();
    details.set_error_info(code, DOMAIN, HashMap::new());
    if let Some(until) = objection.until {
        let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        details.set_retry_info(Some(wait));
    }
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// The kill switch; `None` is off.
pub fn kill_switch(switch: Option<KillSwitch>) -> wire::KillSwitch {
    match switch {
        None => wire::KillSwitch::default(),
        Some(switch) => wire::KillSwitch {
            on: true,
            reason: switch.reason,
            since: switch.since.map(to_proto),
        },
    }
}

/// How the limits stand; `active` is left at 0.
pub fn limits(standings: Standings, config: &Config) -> wire::GetLimitsResponse {
    let Standings {
        kill_switch: switch,
        breaker,
        fleet,
        instances,
    } = standings;
    wire::GetLimitsResponse {
        kill_switch: Some(kill_switch(switch)),
        breaker: Some(wire::CircuitBreaker {
            failures: breaker.count,
            limit: breaker.limit,
            open_until: breaker.until.map(to_proto),
        }),
        fleet: Some(budget(fleet)),
        instances: instances
            .into_iter()
            .take(TOLD)
            .map(|(instance_id, reading)| wire::InstanceBudget {
                instance_id,
                budget: Some(budget(reading)),
            })
            .collect(),
        instance_limit: config.limits.instance_per_day,
        fence_epoch: 0,
        active: 0,
        journal_degraded: String::new(),
        dry_run: config.dry_run,
        max_concurrent: u32::try_from(config.max_concurrent).unwrap_or(u32::MAX),
    }
}

fn budget(reading: Reading) -> wire::Budget {
    wire::Budget {
        used: reading.count,
        limit: reading.limit,
        frees_at: reading.until.map(to_proto),
    }
}

/// An error of the cloud, with its remedy. The one mapping there is.
pub fn cloud_error(error: &CloudError) -> Status {
    let message = error.with_remedy();
    let code = match error.kind {
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Unauthorized => Code::PermissionDenied,
        ErrorKind::Throttled
        | ErrorKind::LostReply
        | ErrorKind::Internal
        | ErrorKind::CredentialsMissing
        | ErrorKind::CredentialsExpired => return unavailable(message, Duration::from_secs(5)),
        ErrorKind::InsufficientCapacity | ErrorKind::LimitExceeded => Code::ResourceExhausted,
        ErrorKind::Unsupported
        | ErrorKind::NotForThisInstance
        | ErrorKind::WrongState
        | ErrorKind::TypeMismatch
        | ErrorKind::Protected
        | ErrorKind::Halted
        | ErrorKind::NotOnline
        | ErrorKind::NotConfigured
        | ErrorKind::Invalid => Code::FailedPrecondition,
    };
    let mut details = ErrorDetails::new();
    details.set_error_info(
        format!("{:?}", error.kind),
        DOMAIN,
        [("action".to_owned(), error.operation.action().to_owned())],
    );
    Status::with_error_details(code, message, details)
}

/// An instance.
pub fn instance(instance: Instance) -> wire::Instance {
    let state = match instance.state {
        InstanceState::Pending => wire::InstanceState::Pending,
        InstanceState::Running => wire::InstanceState::Running,
        InstanceState::Stopping => wire::InstanceState::Stopping,
        InstanceState::Stopped => wire::InstanceState::Stopped,
        InstanceState::ShuttingDown => wire::InstanceState::ShuttingDown,
        InstanceState::Terminated => wire::InstanceState::Terminated,
    };
    wire::Instance {
        instance_id: instance.instance_id,
        instance_type: instance.instance_type,
        state: state.into(),
        availability_zone: instance.availability_zone,
        private_ip: instance.private_ip.unwrap_or_default(),
        public_ip: instance.public_ip.unwrap_or_default(),
        architecture: instance.architecture,
        root_device_type: instance.root_device_type,
        spot: instance.spot,
        tags: instance.tags.into_iter().collect(),
        vcpus: instance.vcpus.unwrap_or_default(),
        started_at: instance.started_at.map(to_proto),
    }
}

/// An instance type.
pub fn instance_type(found: InstanceType) -> wire::InstanceType {
    wire::InstanceType {
        instance_type: found.name,
        vcpus: found.vcpus,
        memory_mib: found.memory_mib,
        architectures: found.architectures,
        burstable: found.burstable,
    }
}

/// A pre-flight check.
pub fn check(check: Check) -> wire::PreflightCheck {
    let verdict = match check.verdict {
        Verdict::Pass => wire::PreflightVerdict::Pass,
        Verdict::Block => wire::PreflightVerdict::Block,
        Verdict::Unknown => wire::PreflightVerdict::Unknown,
    };
    wire::PreflightCheck {
        name: check.name.to_owned(),
        verdict: verdict.into(),
        detail: check.detail,
    }
}

/// A resize as it stands.
pub fn resize(record: &Record) -> wire::Resize {
    let machine = &record.machine;
    let phase = match record.outcome() {
        Some(outcome) => Phase::Ended(outcome),
        // The last moment between the end and its being written down shows the step before.
        None => match machine.phase() {
            Phase::Ended(_) => record
                .steps
                .last()
                .map_or(Phase::Preflight, |step| step.phase),
            phase => phase,
        },
    };
    let running = match record.outcome() {
        Some(Outcome::Succeeded | Outcome::RolledBack | Outcome::FellBack) => {
            machine.seen_type().to_owned()
        }
        Some(Outcome::DryRun) => record.request.expected.clone(),
        _ => String::new(),
    };
    wire::Resize {
        resize_id: record.request.resize_id.clone(),
        instance_id: record.request.instance_id.clone(),
        from_instance_type: record.request.expected.clone(),
        target_instance_type: record.request.target.clone(),
        phase: phase_of(phase).into(),
        steps: record.steps.iter().map(step).collect(),
        created_at: Some(to_proto(record.created_at)),
        finished_at: record.finished_at.map(to_proto),
        dry_run: record.dry_run,
        running_instance_type: running,
        error: machine.error().unwrap_or_default().to_owned(),
        monitoring: monitoring(machine.monitoring()).into(),
        reason: record.request.reason.clone(),
        refused_for_good: record.is_refused_for_good(),
    }
}

/// A type that EC2 refused for good.
pub fn refused(refused: Refused) -> wire::TypeRefusal {
    wire::TypeRefusal {
        instance_id: refused.instance_id,
        instance_type: refused.target,
        detail: refused.words,
        refused_at: Some(to_proto(refused.at)),
    }
}

/// The resize as it was when `steps` of its steps had begun.
pub fn resize_until(record: &Record, steps: usize) -> wire::Resize {
    let mut message = resize(record);
    message.steps.truncate(steps);
    if let Some(last) = record.steps.get(steps.saturating_sub(1)) {
        message.phase = phase_of(last.phase).into();
    }
    message.finished_at = None;
    message.running_instance_type.clear();
    message.refused_for_good = false;
    message.monitoring = wire::MonitoringState::Unspecified.into();
    message
}

fn step(step: &StepRecord) -> wire::ResizeStep {
    wire::ResizeStep {
        name: step.name.clone(),
        started_at: Some(to_proto(step.started_at)),
        finished_at: step.finished_at.map(to_proto),
        detail: step.detail.clone(),
        failed: step.failed,
    }
}

fn phase_of(phase: Phase) -> wire::ResizePhase {
    match phase {
        Phase::Preflight => wire::ResizePhase::Preflight,
        Phase::Stopping => wire::ResizePhase::Stopping,
        Phase::Modifying => wire::ResizePhase::Modifying,
        Phase::Starting => wire::ResizePhase::Starting,
        Phase::Checking => wire::ResizePhase::Checking,
        Phase::Monitoring => wire::ResizePhase::Monitoring,
        Phase::RollingBack => wire::ResizePhase::RollingBack,
        Phase::Ended(Outcome::Succeeded) => wire::ResizePhase::Succeeded,
        Phase::Ended(Outcome::RolledBack) => wire::ResizePhase::RolledBack,
        Phase::Ended(Outcome::FellBack) => wire::ResizePhase::FellBack,
        Phase::Ended(Outcome::Gone) => wire::ResizePhase::Gone,
        Phase::Ended(Outcome::Refused) => wire::ResizePhase::Refused,
        Phase::Ended(Outcome::DryRun) => wire::ResizePhase::DryRun,
    }
}

fn monitoring(monitoring: Option<Monitoring>) -> wire::MonitoringState {
    match monitoring {
        None => wire::MonitoringState::Unspecified,
        Some(Monitoring::Ok) => wire::MonitoringState::Ok,
        Some(Monitoring::Degraded) => wire::MonitoringState::Degraded,
        Some(Monitoring::Skipped) => wire::MonitoringState::Skipped,
    }
}

/// An instance with a breadcrumb.
pub fn stranded(found: Stranded) -> wire::TaggedInstance {
    let (standing, detail) = match found.standing {
        Standing::UnderWay => (wire::TagStanding::UnderWay, String::new()),
        Standing::Ended => (wire::TagStanding::Ended, String::new()),
        Standing::Lost => (wire::TagStanding::Lost, String::new()),
        Standing::Unverified(why) => (wire::TagStanding::Unverified, why),
        Standing::Foreign => (wire::TagStanding::Foreign, String::new()),
    };
    let mut message = wire::TaggedInstance {
        instance: Some(instance(found.instance)),
        standing: standing.into(),
        detail,
        taken_up: found.taken_up,
        ..wire::TaggedInstance::default()
    };
    if let Some(breadcrumb) = found.breadcrumb {
        message.resize_id = breadcrumb.resize_id;
        message.from_instance_type = breadcrumb.from;
        message.target_instance_type = breadcrumb.target;
    }
    message
}

/// What a set-up of monitoring came to.
pub fn set_up(set_up: SetUp, dry_run: bool) -> wire::ConfigureMonitoringResponse {
    wire::ConfigureMonitoringResponse {
        monitoring: monitoring(Some(set_up.monitoring)).into(),
        command_id: set_up.command_id.unwrap_or_default(),
        output: set_up.output,
        dry_run,
    }
}
