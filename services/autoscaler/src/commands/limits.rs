//! `kill-switch` and `limits`: what may be stopped now, and who says so.

use std::{process::ExitCode, time::Duration};

use common::metadata::outgoing;
use owo_colors::OwoColorize as _;
use proto::actuator::v1::{
    CloseBreakerRequest, GetLimitsRequest, GetLimitsResponse, InstanceBudget, KillSwitch,
    SetKillSwitchRequest,
};

use super::{Client, Failure};
use crate::output::{line, print_json, table, time};

const TIMEOUT: Duration = Duration::from_secs(10);

type Answer = Result<ExitCode, Failure>;

impl Client {
    /// Turns the kill switch on or off; `None` only tells.
    pub async fn kill_switch(&self, on: Option<bool>, reason: String) -> Answer {
        let Some(on) = on else {
            let switch = self.ask_limits().await?.kill_switch.unwrap_or_default();
            if self.json {
                print_json(&switch)?;
            } else {
                line(describe(&switch));
            }
            return Ok(ExitCode::SUCCESS);
        };
        let response = self
            .actuator()
            .set_kill_switch(outgoing(SetKillSwitchRequest { on, reason }, TIMEOUT))
            .await
            .map_err(self.actuator_failure())?
            .into_inner();
        if self.json {
            print_json(&response)?;
        } else {
            line(describe(&response.kill_switch.unwrap_or_default()));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Kill switch, breaker, budgets; closes the breaker first when asked to.
    pub async fn limits(&self, close_breaker: bool) -> Answer {
        if close_breaker {
            self.actuator()
                .close_breaker(outgoing(CloseBreakerRequest {}, TIMEOUT))
                .await
                .map_err(self.actuator_failure())?;
        }
        let limits = self.ask_limits().await?;
        if self.json {
            print_json(&limits)?;
            return Ok(ExitCode::SUCCESS);
        }
        let switch = limits.kill_switch.clone().unwrap_or_default();
        let breaker = limits.breaker.unwrap_or_default();
        let fleet = limits.fleet.unwrap_or_default();
        let breaker_standing = match &breaker.open_until {
            Some(until) => format!("open until {}", time(Some(until)))
                .yellow()
                .to_string(),
            None => "closed".to_owned(),
        };
        let free = match &fleet.frees_at {
            Some(at) => format!("used up until {}", time(Some(at)))
                .yellow()
                .to_string(),
            None => "resizes in 24 hours, all instances".to_owned(),
        };
        let of = |used: u32, limit: u32| match limit {
            0 => format!("{used} (no limit)"),
            limit => format!("{used} of {limit}"),
        };
        let on = match switch.on {
            true => "on".red().to_string(),
            false => "off".to_owned(),
        };
        table(
            ["LIMIT", "NOW", "DETAIL"],
            [
                ["kill switch".to_owned(), on, switch.reason],
                [
                    "circuit breaker".to_owned(),
                    breaker_standing,
                    format!("{} failures", of(breaker.failures, breaker.limit)),
                ],
                ["fleet budget".to_owned(), of(fleet.used, fleet.limit), free],
                [
                    "instance budget".to_owned(),
                    match limits.instances.first() {
                        Some(InstanceBudget {
                            budget: Some(fullest),
                            ..
                        }) => of(fullest.used, limits.instance_limit),
                        _ => of(0, limits.instance_limit),
                    },
                    match limits.instances.first() {
                        Some(fullest) => format!(
                            "resizes in 24 hours of {}, which had most of them",
                            fullest.instance_id
                        ),
                        None => "resizes in 24 hours, each instance".to_owned(),
                    },
                ],
                [
                    "at once".to_owned(),
                    of(limits.active, limits.max_concurrent),
                    "resizes under way".to_owned(),
                ],
                [
                    "dry run".to_owned(),
                    if limits.dry_run { "on" } else { "off" }.to_owned(),
                    "actuator.dry_run".to_owned(),
                ],
            ],
        );
        Ok(ExitCode::SUCCESS)
    }

    async fn ask_limits(&self) -> Result<GetLimitsResponse, Failure> {
        let response = self
            .actuator()
            .get_limits(outgoing(GetLimitsRequest {}, TIMEOUT))
            .await
            .map_err(self.actuator_failure())?;
        Ok(response.into_inner())
    }
}

fn describe(switch: &KillSwitch) -> String {
    match switch.on {
        false => "kill switch off: instances may be stopped".to_owned(),
        true => format!(
            "kill switch on since {}: nothing is stopped, and what is down is started ({})",
            time(switch.since.as_ref()),
            switch.reason
        ),
    }
}
