//! `resizes`: what the actuator took on, and one of them to its end.

use std::{process::ExitCode, time::Duration};

use common::{metadata::outgoing, time::from_proto};
use owo_colors::OwoColorize as _;
use proto::actuator::v1::{GetResizeRequest, ListResizesRequest, Resize, ResizePhase};

use super::{
    Client, Failure,
    resize::{duration, interrupted},
};
use crate::output::{line, print_json, short, table, time};

const TIMEOUT: Duration = Duration::from_secs(10);

impl Client {
    /// Lists them, newest first.
    pub async fn resizes(
        &self,
        instance: Option<String>,
        active_only: bool,
        page_size: u32,
    ) -> Result<ExitCode, Failure> {
        let instance_id = match instance {
            Some(name) => self.find_instance(name).await?,
            None => String::new(),
        };
        let request = ListResizesRequest {
            instance_id,
            active_only,
            page_size,
        };
        let response = self
            .actuator()
            .list_resizes(outgoing(request, TIMEOUT))
            .await
            .map_err(self.actuator_failure())?
            .into_inner();
        if self.json {
            print_json(&response)?;
            return Ok(ExitCode::SUCCESS);
        }
        if response.resizes.is_empty() {
            line(match active_only {
                true => "no resize is under way",
                false => "there was no resize",
            });
            return Ok(ExitCode::SUCCESS);
        }
        table(
            [
                "BEGAN", "INSTANCE", "FROM", "TO", "PHASE", "LASTED", "ID", "WHY",
            ],
            response.resizes.iter().map(|resize| {
                [
                    time(resize.created_at.as_ref()),
                    resize.instance_id.clone(),
                    resize.from_instance_type.clone(),
                    resize.target_instance_type.clone(),
                    phase(resize),
                    lasted(resize),
                    resize.resize_id.clone(),
                    match resize.error.as_str() {
                        "" => resize.reason.clone(),
                        error => error.to_owned(),
                    },
                ]
            }),
        );
        if response
            .resizes
            .iter()
            .any(|resize| resize.finished_at.is_none())
        {
            line("to follow one that is under way: autoscaler resizes --follow ID");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Shows the steps of one until it has ended; the exit code says how, as that of `resize`.
    pub async fn follow_resize(&self, resize_id: String) -> Result<ExitCode, Failure> {
        let interrupted = interrupted();
        let resize = self
            .actuator()
            .get_resize(outgoing(GetResizeRequest { resize_id }, TIMEOUT))
            .await
            .map_err(self.actuator_failure())?
            .into_inner()
            .resize
            .unwrap_or_default();
        self.follow_to_the_end(resize, interrupted).await
    }
}

fn phase(resize: &Resize) -> String {
    let name = short(resize.phase().as_str_name(), "RESIZE_PHASE");
    match resize.phase() {
        ResizePhase::Succeeded => name.green().to_string(),
        ResizePhase::RolledBack | ResizePhase::FellBack => name.yellow().to_string(),
        ResizePhase::Gone | ResizePhase::Refused => name.red().to_string(),
        _ => name,
    }
}

fn lasted(resize: &Resize) -> String {
    let begun = resize.created_at.as_ref().and_then(from_proto);
    let ended = resize.finished_at.as_ref().and_then(from_proto);
    match begun.zip(ended) {
        Some((begun, ended)) => {
            duration(Duration::try_from(ended.duration_since(begun)).unwrap_or_default())
        }
        None => "-".to_owned(),
    }
}
