//! `refusals`: types that EC2 refused an instance for good.

use std::{process::ExitCode, time::Duration};

use common::metadata::outgoing;
use proto::actuator::v1::{ForgetRefusalsRequest, ListRefusalsRequest};

use super::{Client, Failure};
use crate::output::{line, print_json, table, time};

const TIMEOUT: Duration = Duration::from_secs(10);

impl Client {
    /// Lists them, of one instance or type or all; with `forget` forgets these instead.
    pub async fn refusals(
        &self,
        instance: Option<String>,
        instance_type: Option<String>,
        forget: bool,
    ) -> Result<ExitCode, Failure> {
        let instance = match instance {
            Some(name) => Some(self.find_instance(name).await?),
            None => None,
        };
        if forget {
            let request = ForgetRefusalsRequest {
                instance_id: instance.unwrap_or_default(),
                instance_type: instance_type.unwrap_or_default(),
            };
            let response = self
                .actuator()
                .forget_refusals(outgoing(request, TIMEOUT))
                .await
                .map_err(self.actuator_failure())?
                .into_inner();
            if self.json {
                print_json(&response)?;
            } else {
                line(format!("{} forgotten", response.forgotten));
            }
            return Ok(ExitCode::SUCCESS);
        }
        let mut response = self
            .actuator()
            .list_refusals(outgoing(ListRefusalsRequest {}, TIMEOUT))
            .await
            .map_err(self.actuator_failure())?
            .into_inner();
        response.refusals.retain(|one| {
            instance.as_ref().is_none_or(|id| one.instance_id == *id)
                && instance_type
                    .as_ref()
                    .is_none_or(|name| one.instance_type == *name)
        });
        if self.json {
            print_json(&response)?;
        } else if response.refusals.is_empty() {
            line("EC2 refused no type for good");
        } else {
            table(
                ["INSTANCE", "TYPE", "AT", "EC2 SAID"],
                response.refusals.into_iter().map(|one| {
                    [
                        one.instance_id,
                        one.instance_type,
                        time(one.refused_at.as_ref()),
                        one.detail,
                    ]
                }),
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}
