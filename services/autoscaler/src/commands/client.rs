//! Commands that ask running services.

use std::{process::ExitCode, time::Duration};

use common::{
    config::{Settings, invalid},
    grpc::{channel, local_url},
    health::{self, Health},
    metadata::outgoing,
    time::to_proto,
};
use jiff::Timestamp;
use owo_colors::OwoColorize as _;
use proto::{
    actuator::v1::actuator_service_client::ActuatorServiceClient,
    decision::v1::{
        Action, Decision, ExplainDecisionRequest, ListDecisionsRequest, ListDecisionsResponse,
        decision_service_client::DecisionServiceClient,
    },
    scheduler::v1::{
        GetStatusRequest, RunTickRequest, Standing, Target, TargetResult, Tick,
        scheduler_service_client::SchedulerServiceClient,
    },
};
use tonic::transport::Channel;

use super::{failure::Failure, standing};
use crate::output::{json, line, percent, print_json, short, table, time, warn};

const TIMEOUT: Duration = Duration::from_secs(10);
/// A tick may wait for a slow Prometheus; with `--wait` for whole resizes.
const TICK_TIMEOUT: Duration = Duration::from_secs(300);
const TICK_AND_RESIZE_TIMEOUT: Duration = Duration::from_secs(3_600);

type Answer = Result<ExitCode, Failure>;

/// Where the services are, from the configuration.
pub struct Client {
    scheduler: (String, Channel),
    decision: (String, Channel),
    actuator: (String, Channel),
    predictor: (String, Channel),
    /// Of this machine's configuration, which need not be the scheduler's.
    pub(super) targets: Vec<Target>,
    pub(super) json: bool,
}

impl Client {
    /// Reads the addresses; connects only when asked something.
    pub fn new(settings: &Settings, json: bool) -> Result<Self, Failure> {
        let config: scheduler::Config = scheduler::Config::read(settings)?;
        let connect = |key: &str, url: String| match channel(&url) {
            Ok(channel) => Ok((url, channel)),
            Err(error) => Err(invalid(key, format!("{url:?} is no URL: {error}"))),
        };
        let targets = config.targets.iter().map(|target| Target {
            target_id: target.id.clone(),
            instance_id: target.instance_id.clone(),
            ..Target::default()
        });
        let targets = targets.collect();
        let scheduler = connect("scheduler.listen", local_url(config.listen))?;
        let predictor = connect("scheduler.predictor_url", config.predictor_url)?;
        let decision = connect("scheduler.decision_url", config.decision_url)?;
        let actuator = connect("scheduler.actuator_url", config.actuator_url)?;
        Ok(Self {
            scheduler,
            decision,
            actuator,
            predictor,
            targets,
            json,
        })
    }

    pub(super) fn scheduler(&self) -> SchedulerServiceClient<Channel> {
        SchedulerServiceClient::new(self.scheduler.1.clone())
    }

    pub(super) fn decision(&self) -> DecisionServiceClient<Channel> {
        DecisionServiceClient::new(self.decision.1.clone())
    }

    pub(super) fn actuator(&self) -> ActuatorServiceClient<Channel> {
        ActuatorServiceClient::new(self.actuator.1.clone())
    }

    pub(super) fn actuator_failure(&self) -> impl FnOnce(tonic::Status) -> Failure + '_ {
        |status| Failure::from_status("actuator", &self.actuator.0, &status)
    }

    pub(super) fn scheduler_failure(&self) -> impl FnOnce(tonic::Status) -> Failure + '_ {
        |status| Failure::from_status("scheduler", &self.scheduler.0, &status)
    }

    pub(super) fn decision_failure(&self) -> impl FnOnce(tonic::Status) -> Failure + '_ {
        |status| Failure::from_status("decision", &self.decision.0, &status)
    }

    /// Runs a tick; exit 1 when a target had an error.
    pub async fn tick(&self, names: Vec<String>, wait_for_resizes: bool) -> Answer {
        let mut target_ids = Vec::new();
        for name in &names {
            target_ids.push(self.find_target(name).await?.id);
        }
        let timeout = match wait_for_resizes {
            true => TICK_AND_RESIZE_TIMEOUT,
            false => TICK_TIMEOUT,
        };
        let request = RunTickRequest {
            target_ids,
            wait_for_resizes,
        };
        let response = self
            .scheduler()
            .run_tick(outgoing(request, timeout))
            .await
            .map_err(self.scheduler_failure())?
            .into_inner();
        let tick = response.tick.clone().unwrap_or_default();
        if self.json {
            print_json(&response)?;
        } else {
            print_tick(&tick);
        }
        let failed = tick.results.iter().any(|result| !result.error.is_empty());
        Ok(ExitCode::from(u8::from(failed)))
    }

    /// The scheduler's status.
    pub async fn status(&self) -> Answer {
        let status = self
            .scheduler()
            .get_status(outgoing(GetStatusRequest {}, TIMEOUT))
            .await
            .map_err(self.scheduler_failure())?
            .into_inner();
        if self.json {
            print_json(&status)?;
            return Ok(ExitCode::SUCCESS);
        }
        line(format!(
            "scheduler {} since {}, {} {}, next {}",
            status.version,
            time(status.started_at.as_ref()),
            status.ticks,
            if status.ticks == 1 { "tick" } else { "ticks" },
            time(status.next_tick_at.as_ref()),
        ));
        table(
            ["SERVICE", "STATE", "DETAIL"],
            status
                .services
                .into_iter()
                .map(|service| [service.service, service.state, service.detail]),
        );
        if let Some(standing) = &status.standing {
            standing::print(standing);
        }
        if let Some(tick) = &status.last_tick {
            print_tick(tick);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Decisions, newest first.
    pub async fn decisions(&self, target: Option<String>, limit: u32, actions: bool) -> Answer {
        let response = match target {
            None => self.list_decisions(String::new(), limit, actions).await?,
            Some(name) => match self.find_target(&name).await {
                Ok(found) => {
                    let response = self.list_decisions(found.id, limit, actions).await?;
                    if let (Some(why), true) = (found.unchecked, response.decisions.is_empty()) {
                        warn(&format!(
                            "whether there is a target {name} is not known ({why})"
                        ));
                    }
                    response
                }
                // One that was taken out of the configuration has a history all the same.
                Err(failure) => {
                    let response = self.list_decisions(name, limit, actions).await?;
                    if response.decisions.is_empty() {
                        return Err(failure);
                    }
                    response
                }
            },
        };
        if self.json {
            print_json(&response)?;
            return Ok(ExitCode::SUCCESS);
        }
        if response.decisions.is_empty() {
            line(if actions {
                "no actions so far"
            } else {
                "no decisions so far"
            });
            return Ok(ExitCode::SUCCESS);
        }
        table(
            [
                "TIME", "TARGET", "ACTION", "FROM", "TO", "CONF", "OUTCOME", "ID", "REASON",
            ],
            response.decisions.into_iter().map(|decision| {
                [
                    time(decision.decided_at.as_ref()),
                    decision.target_id.clone(),
                    short(decision.action().as_str_name(), "ACTION"),
                    decision.from_instance_type.clone(),
                    decision.to_instance_type.clone(),
                    format!("{:.2}", decision.confidence),
                    outcome(&decision),
                    decision.decision_id.clone(),
                    reason(decision),
                ]
            }),
        );
        Ok(ExitCode::SUCCESS)
    }

    async fn list_decisions(
        &self,
        target_id: String,
        page_size: u32,
        actions_only: bool,
    ) -> Result<ListDecisionsResponse, Failure> {
        let request = ListDecisionsRequest {
            target_id,
            page_size,
            actions_only,
            ..Default::default()
        };
        let response = self
            .decision()
            .list_decisions(outgoing(request, TIMEOUT))
            .await
            .map_err(self.decision_failure())?;
        Ok(response.into_inner())
    }

    /// One decision in words: the one with an id, or the one about a target that was the newest at a time.
    pub async fn explain(&self, decision: String, at: Option<Timestamp>) -> Answer {
        let mut request = ExplainDecisionRequest {
            at: at.map(to_proto),
            ..ExplainDecisionRequest::default()
        };
        // No target has such a name but on purpose.
        if decision.parse::<uuid::fmt::Hyphenated>().is_ok() {
            request.decision_id = decision;
        } else {
            // One that was taken out of the configuration has a history all the same.
            let found = self.find_target(&decision).await;
            request.target_id = found.map_or(decision, |found| found.id);
        }
        let response = self
            .decision()
            .explain_decision(outgoing(request, TIMEOUT))
            .await
            .map_err(self.decision_failure())?
            .into_inner();
        if self.json {
            print_json(&response)?;
        } else {
            line(response.text.trim_end());
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Asks all four; exit 0 when all serve.
    pub async fn health(&self) -> Answer {
        let services = [
            ("scheduler", &self.scheduler.0, &self.scheduler.1),
            ("decision", &self.decision.0, &self.decision.1),
            ("predictor", &self.predictor.0, &self.predictor.1),
            ("actuator", &self.actuator.0, &self.actuator.1),
        ];
        let mut rows = Vec::new();
        let mut all_serve = true;
        for (name, url, channel) in services {
            let health = health::check(channel.clone(), Duration::from_secs(3)).await;
            all_serve &= health == Health::Serving;
            let detail = health.why_not("it").unwrap_or_default();
            rows.push([name.to_owned(), health.to_string(), url.clone(), detail]);
        }
        let standing = self.ask_standing().await;
        if self.json {
            let services: Vec<_> = rows
                .iter()
                .map(|[name, state, url, detail]| {
                    serde_json::json!({"service": name, "state": state, "url": url, "detail": detail})
                })
                .collect();
            let standing = standing.as_ref().map(json).transpose()?;
            line(serde_json::json!({"ok": all_serve, "services": services, "standing": standing}));
        } else {
            table(["SERVICE", "STATE", "URL", "DETAIL"], rows);
            if let Some(standing) = &standing {
                standing::print(standing);
            }
        }
        Ok(ExitCode::from(u8::from(!all_serve)))
    }

    /// What holds resizes back, when the scheduler can say.
    async fn ask_standing(&self) -> Option<Standing> {
        let status = self
            .scheduler()
            .get_status(outgoing(GetStatusRequest {}, TIMEOUT))
            .await;
        status.ok()?.into_inner().standing
    }
}

/// Why, and how many holds in a row had the same reason.
fn reason(decision: Decision) -> String {
    match decision.run {
        Some(run) if run.newest_decision_id == decision.decision_id => format!(
            "{} (the newest of {} holds for this reason since {})",
            decision.reason,
            run.holds,
            time(run.since.as_ref())
        ),
        _ => decision.reason,
    }
}

fn outcome(decision: &Decision) -> String {
    if decision.pending {
        return "pending".to_owned();
    }
    match short(decision.outcome().as_str_name(), "OUTCOME").as_str() {
        "unspecified" if decision.dry_run && decision.action() != Action::Hold => {
            "dry_run".to_owned()
        }
        "unspecified" => "-".to_owned(),
        outcome => outcome.to_owned(),
    }
}

fn print_tick(tick: &Tick) {
    line(format!(
        "tick {} at {}{}",
        tick.tick_id,
        time(tick.started_at.as_ref()),
        if tick.dry_run { ", dry run" } else { "" }
    ));
    table(
        [
            "TARGET", "TYPE", "CPU", "FORECAST", "CONF", "ACTION", "TO", "TAKEN", "REASON",
        ],
        tick.results.iter().map(|result| {
            [
                result.target_id.clone(),
                result.instance_type.clone(),
                percent(result.cpu_percent),
                percent(result.predicted_cpu_percent),
                format!("{:.2}", result.confidence),
                coloured_action(result),
                result.target_instance_type.clone(),
                result.action_taken.clone(),
                match result.error.as_str() {
                    "" => result.reason.clone(),
                    error => error.red().to_string(),
                },
            ]
        }),
    );
}

fn coloured_action(result: &TargetResult) -> String {
    match result.action.as_str() {
        "scale_up" => result.action.yellow().to_string(),
        "scale_down" => result.action.cyan().to_string(),
        _ => result.action.clone(),
    }
}
