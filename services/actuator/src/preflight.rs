//! The checks that come before a stop, each with a name and a verdict. Nothing here changes anything.
//!
//! [`ask`] asks the cloud; [`checks`] and [`fallbacks`] judge without asking.

mod ask;
mod case;
mod checks;
mod fallbacks;
mod finding;

use crate::{
    cloud::{Cloud, ErrorKind},
    config::{Config, UnknownChecks},
};

pub use self::{
    case::{Memory, Subject},
    checks::opted_in::lacks as lacks_required_tag,
    finding::{Check, Verdict},
};

/// All checks of one resize.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub checks: Vec<Check>,
    /// Types of the target's family to try when neither the target nor the old type starts, best first.
    pub fallbacks: Vec<String>,
    /// That the instance belongs to; empty where the cloud doesn't say.
    pub account: String,
}

impl Report {
    /// What stands in the way, one sentence with every check that does; `None` when nothing does.
    pub fn obstacle(&self, unknown: UnknownChecks) -> Option<String> {
        let against: Vec<String> = self
            .checks
            .iter()
            .filter(|check| match check.verdict {
                Verdict::Pass => false,
                Verdict::Block => true,
                Verdict::Unknown => unknown == UnknownChecks::Block && !check.advisory,
            })
            .map(|check| format!("{}: {}", check.name, check.detail))
            .collect();
        (!against.is_empty()).then(|| against.join("; "))
    }
}

/// Asks the cloud, and judges. It never fails: what can't be asked is an unknown check.
pub async fn run(
    cloud: &dyn Cloud,
    config: &Config,
    subject: Subject<'_>,
    memory: Memory,
) -> Report {
    let instance = match cloud.describe_instance(subject.instance_id).await {
        Ok(instance) => instance,
        Err(error) => {
            let check = Check {
                name: "instance_known",
                verdict: match error.kind {
                    ErrorKind::NotFound => Verdict::Block,
                    _ => Verdict::Unknown,
                },
                detail: error.with_remedy(),
                advisory: false,
            };
            return Report {
                checks: vec![check],
                fallbacks: Vec::new(),
                account: String::new(),
            };
        }
    };
    let (case, types) = ask::about(cloud, config, subject, memory, instance).await;
    let mut report = Report {
        checks: checks::findings(&case),
        fallbacks: fallbacks::of(&case, &types),
        account: case.instance.account.clone(),
    };
    if report.obstacle(UnknownChecks::Allow).is_none() {
        report.checks.extend(ask::permissions(cloud, &case).await);
    }
    report
}
