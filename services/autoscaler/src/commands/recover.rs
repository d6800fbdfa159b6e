//! `recover`: instances that were stopped for a resize and are not known to have come back.

use std::{process::ExitCode, time::Duration};

use common::metadata::outgoing;
use owo_colors::OwoColorize as _;
use proto::actuator::v1::{RecoverRequest, TagStanding, TaggedInstance};

use super::{Client, Failure};
use crate::output::{line, print_json, short, table};

/// All instances of the account are searched.
const TIMEOUT: Duration = Duration::from_secs(120);

impl Client {
    /// Lists them; with `apply` brings back those whose resize the journal does not know. Exit 1 while one is left.
    pub async fn recover(&self, apply: bool) -> Result<ExitCode, Failure> {
        let response = self
            .actuator()
            .recover(outgoing(RecoverRequest { apply }, TIMEOUT))
            .await
            .map_err(self.actuator_failure())?
            .into_inner();
        let down = |found: &TaggedInstance| {
            let standing = found.standing();
            matches!(standing, TagStanding::Lost | TagStanding::Unverified) && !found.taken_up
        };
        let lost = response.instances.iter().any(down);
        let exit = ExitCode::from(u8::from(lost));
        if self.json {
            print_json(&response)?;
            return Ok(exit);
        }
        if response.instances.is_empty() {
            line("no instance bears the tag of a resize");
            return Ok(exit);
        }
        table(
            [
                "INSTANCE", "STATE", "TYPE", "STANDING", "FROM", "TO", "RESIZE",
            ],
            response.instances.iter().map(|found| {
                let instance = found.instance.clone().unwrap_or_default();
                let standing = short(found.standing().as_str_name(), "TAG_STANDING");
                let standing = match (found.standing(), found.taken_up) {
                    (_, true) => format!("{standing}, taken up"),
                    (TagStanding::Lost | TagStanding::Unverified, false) => {
                        standing.red().to_string()
                    }
                    _ => standing,
                };
                [
                    instance.instance_id.clone(),
                    short(instance.state().as_str_name(), "INSTANCE_STATE"),
                    instance.instance_type,
                    standing,
                    found.from_instance_type.clone(),
                    found.target_instance_type.clone(),
                    found.resize_id.clone(),
                ]
            }),
        );
        for found in &response.instances {
            if let Some(instance) = &found.instance
                && !found.detail.is_empty()
            {
                line(format!("{}: {}", instance.instance_id, found.detail));
            }
        }
        if lost && !apply {
            line(
                "`autoscaler recover --apply` brings back what is lost, and starts what is unverified as it is",
            );
        }
        Ok(exit)
    }
}
