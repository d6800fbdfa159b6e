//! `replay`: a decision made again, beside the one that was made.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use common::{config::Settings, metadata::outgoing};
use proto::decision::v1::{Action, Decision, ReplayDecisionRequest, ReplayDecisionResponse};

use super::{Client, Failure};
use crate::output::{line, print_json};

const TIMEOUT: Duration = Duration::from_secs(10);

impl Client {
    /// Decides again, by the policy of a file where one is named; without one exit 1 when it comes out otherwise.
    pub async fn replay(
        &self,
        decision_id: String,
        policy: Option<PathBuf>,
    ) -> Result<ExitCode, Failure> {
        let policy = policy.map(|file| -> Result<_, Failure> {
            let settings = Settings::load(Some(&file))?;
            Ok(decision::messages::policy(&decision::Policy::read(
                &settings,
            )?))
        });
        let is_another = policy.is_some();
        let request = ReplayDecisionRequest {
            decision_id,
            policy: policy.transpose()?,
        };
        let replayed = self
            .decision()
            .replay_decision(outgoing(request, TIMEOUT))
            .await
            .map_err(self.decision_failure())?
            .into_inner();
        if self.json {
            print_json(&replayed)?;
        } else {
            line(text(&replayed));
        }
        Ok(ExitCode::from(u8::from(!is_another && !replayed.same)))
    }
}

/// What was decided, what is now, and the checks that say something else.
fn text(replayed: &ReplayDecisionResponse) -> String {
    let (made, again) = (
        replayed.made.clone().unwrap_or_default(),
        replayed.again.clone().unwrap_or_default(),
    );
    let mut lines = vec![
        format!("{} ({})", made.target_id, made.instance_id),
        format!("Decided   {}", told(&made)),
    ];
    if replayed.same {
        lines.push(format!(
            "Again     the same, to the letter, by policy {}",
            again.policy_version
        ));
        return lines.join("\n");
    }
    lines.push(format!("Again     {}", told(&again)));
    for check in &again.checks {
        let mut before = made.checks.iter();
        let before = before.find(|before| before.name == check.name);
        if before.is_some_and(|before| before == check) {
            continue;
        }
        let was = before.map_or("was not made", |before| &before.detail);
        lines.push(format!("{:<9} {was}", check.name));
        lines.push(format!("{:<9} now: {}", "", check.detail));
    }
    lines.join("\n")
}

fn told(decision: &Decision) -> String {
    let from = &decision.from_instance_type;
    let what = match decision.action() {
        Action::ScaleUp => format!("scale up from {from} to {}", decision.to_instance_type),
        Action::ScaleDown => format!("scale down from {from} to {}", decision.to_instance_type),
        Action::Hold | Action::Unspecified => format!("hold on {from}"),
    };
    format!(
        "{what}, by policy {}: {}",
        decision.policy_version, decision.reason
    )
}
