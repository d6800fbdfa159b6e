//! What is said of one target: pauses, and the names that stand for it.
//!
//! The scheduler knows the targets. A name that it doesn't know is refused, or a safety command would say that it worked
//! and do nothing. While it can't be asked, a pause is stored all the same: it is asked for when things go wrong.

use std::{process::ExitCode, time::Duration};

use common::{metadata::outgoing, names, text::one_line};
use proto::{
    decision::v1::{
        ListPausesRequest, ListPausesResponse, PauseDirection, PauseRequest, PauseState,
        ResumeRequest, ResumeResponse,
    },
    scheduler::v1::{ListTargetsRequest, Target},
};

use super::{Client, Failure};
use crate::{
    arguments::Direction,
    output::{line, print_json, short, table, time, warn},
};

const TIMEOUT: Duration = Duration::from_secs(10);
/// A pause must not wait long for a scheduler that does not answer.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// The fleet, which has no name.
const FLEET: &str = "";

type Answer = Result<ExitCode, Failure>;

/// A target, as far as it is known.
pub(super) struct Found {
    /// Its name, or what was given for it.
    pub id: String,
    /// Empty when nobody knows it.
    pub instance_id: String,
    /// Why nobody can tell whether there is such a target.
    pub unchecked: Option<String>,
}

impl Client {
    /// The target that `name` stands for: its name, or the id of its instance.
    ///
    /// # Errors
    /// There is none; says the nearest names.
    pub(super) async fn find_target(&self, name: &str) -> Result<Found, Failure> {
        let listed = self
            .scheduler()
            .list_targets(outgoing(ListTargetsRequest {}, LOOK_UP_TIMEOUT))
            .await;
        match listed {
            Ok(response) => {
                let targets = response.into_inner().targets;
                match pick(&targets, name) {
                    Some(target) => Ok(Found {
                        id: target.target_id.clone(),
                        instance_id: target.instance_id.clone(),
                        unchecked: None,
                    }),
                    None => Err(Failure::not_found(unknown(name, &targets))),
                }
            }
            Err(status) => {
                let why = self.scheduler_failure()(status).to_string();
                // The configuration of this machine may know the instance.
                let target = pick(&self.targets, name).cloned().unwrap_or(Target {
                    target_id: name.to_owned(),
                    ..Target::default()
                });
                Ok(Found {
                    id: target.target_id,
                    instance_id: target.instance_id,
                    unchecked: Some(why),
                })
            }
        }
    }

    /// The instance that `name` stands for: its id, or the name of its target.
    ///
    /// # Errors
    /// There is no such target, or nobody who knows its instance answers.
    pub(super) async fn find_instance(&self, name: String) -> Result<String, Failure> {
        if name.starts_with("i-") {
            return Ok(name);
        }
        let found = self.find_target(&name).await?;
        match found.unchecked {
            Some(why) if found.instance_id.is_empty() => Err(Failure::not_found(format!(
                "which instance {} has is not known ({why}); give the id of the instance",
                one_line(&name)
            ))),
            _ => Ok(found.instance_id),
        }
    }

    /// Forbids actions.
    pub async fn pause(
        &self,
        target: Option<String>,
        reason: String,
        duration: Option<Duration>,
        direction: Direction,
    ) -> Answer {
        // How long, not until when: the demo's clock is another.
        let lasting = duration.map(prost_types::Duration::try_from).transpose();
        let lasting = lasting.map_err(|_| {
            Failure::usage("--for is too long; leave it out to pause until resumed".to_owned())
        })?;
        let target_id = match &target {
            None => FLEET.to_owned(),
            Some(name) => {
                let found = self.find_target(name).await?;
                if let Some(why) = &found.unchecked {
                    warn(&format!(
                        "whether there is a target {} is not known ({why}); it is paused all the same if the decision service answers",
                        found.id
                    ));
                }
                found.id
            }
        };
        let request = PauseRequest {
            target_id,
            direction: match direction {
                Direction::Both => PauseDirection::Both,
                Direction::Up => PauseDirection::Up,
                Direction::Down => PauseDirection::Down,
            }
            .into(),
            reason,
            until: None,
            by: whoami(),
            lasting,
        };
        let response = self
            .decision()
            .pause(outgoing(request, TIMEOUT))
            .await
            .map_err(self.decision_failure())?
            .into_inner();
        if self.json {
            print_json(&response)?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(replaced) = &response.replaced {
            line(format!("instead of: {}", describe(replaced)));
        }
        let pause = response.pause.unwrap_or_default();
        line(format!("paused: {}", describe(&pause)));
        Ok(ExitCode::SUCCESS)
    }

    /// Takes a pause back, under whatever name it was stored.
    pub async fn resume(&self, target: Option<String>) -> Answer {
        let Some(name) = target else {
            return self.take_back("the fleet", &[FLEET.to_owned()]).await;
        };
        let stored = self.all_pauses().await?;
        let is_stored = stored.iter().any(|pause| pause.target_id == name);
        let names = match self.find_target(&name).await {
            Ok(found) => {
                if let (Some(why), false) = (&found.unchecked, is_stored) {
                    warn(&format!(
                        "whether there is a target {name} is not known ({why})"
                    ));
                }
                // It may have been paused by the id of its instance, too.
                vec![name.clone(), found.id, found.instance_id]
            }
            // A pause of a name that no target bears any more.
            Err(_) if is_stored => vec![name.clone()],
            Err(failure) => return Err(failure),
        };
        let names: Vec<String> = stored
            .into_iter()
            .map(|pause| pause.target_id)
            .filter(|stored| *stored != FLEET && names.contains(stored))
            .collect();
        self.take_back(&name, &names).await
    }

    async fn take_back(&self, whom: &str, names: &[String]) -> Answer {
        let mut resumed = false;
        for target_id in names {
            let request = ResumeRequest {
                target_id: target_id.clone(),
            };
            let response = self
                .decision()
                .resume(outgoing(request, TIMEOUT))
                .await
                .map_err(self.decision_failure())?;
            resumed |= response.into_inner().resumed;
        }
        if self.json {
            print_json(&ResumeResponse { resumed })?;
        } else if resumed {
            line(format!("resumed: {whom}"));
        } else {
            line(format!("{whom} was not paused"));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The pauses in force.
    pub async fn pauses(&self) -> Answer {
        let pauses = self.all_pauses().await?;
        if self.json {
            print_json(&ListPausesResponse {
                pauses,
                next_page_token: String::new(),
            })?;
            return Ok(ExitCode::SUCCESS);
        }
        if pauses.is_empty() {
            line("nothing is paused");
            return Ok(ExitCode::SUCCESS);
        }
        table(
            ["TARGET", "FORBIDS", "SINCE", "UNTIL", "BY", "REASON"],
            pauses.iter().map(|pause| {
                [
                    whom(pause).to_owned(),
                    short(pause.direction().as_str_name(), "PAUSE_DIRECTION"),
                    time(pause.since.as_ref()),
                    match &pause.until {
                        Some(until) => time(Some(until)),
                        None => "resumed".to_owned(),
                    },
                    match pause.by.as_str() {
                        "" => "-".to_owned(),
                        by => by.to_owned(),
                    },
                    pause.reason.clone(),
                ]
            }),
        );
        Ok(ExitCode::SUCCESS)
    }

    async fn all_pauses(&self) -> Result<Vec<PauseState>, Failure> {
        let mut pauses = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListPausesRequest {
                page_size: 0,
                page_token,
            };
            let page = self
                .decision()
                .list_pauses(outgoing(request, TIMEOUT))
                .await
                .map_err(self.decision_failure())?
                .into_inner();
            pauses.extend(page.pauses);
            if page.next_page_token.is_empty() {
                return Ok(pauses);
            }
            page_token = page.next_page_token;
        }
    }
}

/// By name, else by instance.
fn pick<'a>(targets: &'a [Target], name: &str) -> Option<&'a Target> {
    let by_name = targets.iter().find(|target| target.target_id == name);
    by_name.or_else(|| targets.iter().find(|target| target.instance_id == name))
}

fn unknown(name: &str, targets: &[Target]) -> String {
    let known: Vec<&str> = targets
        .iter()
        .map(|target| target.target_id.as_str())
        .collect();
    let what = match name.starts_with("i-") {
        true => "no target has the instance",
        false => "there is no target",
    };
    format!("{what} {}{}", one_line(name), names::hint(name, &known))
}

fn whom(pause: &PauseState) -> &str {
    match pause.target_id.as_str() {
        FLEET => "the fleet",
        target => target,
    }
}

fn describe(pause: &PauseState) -> String {
    let until = match &pause.until {
        Some(until) => format!("until {}", time(Some(until))),
        None => "until resumed".to_owned(),
    };
    format!(
        "{}, {}, {until}",
        whom(pause),
        short(pause.direction().as_str_name(), "PAUSE_DIRECTION")
    )
}

/// Who types, for whoever finds the pause: a name, no proof.
fn whoami() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("SUDO_USER")
        .or_else(|| variable("USER"))
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_else(|| "somebody".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let who = match host.trim() {
        "" => user,
        host => format!("{user}@{host}"),
    };
    one_line(&who).chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> Vec<Target> {
        [("web", "i-1"), ("api", "i-2"), ("i-1", "i-3")]
            .map(|(id, instance)| Target {
                target_id: id.to_owned(),
                instance_id: instance.to_owned(),
                ..Target::default()
            })
            .to_vec()
    }

    #[test]
    fn a_name_comes_before_an_instance_and_nothing_else_will_do() {
        let targets = targets();
        for (name, expected) in [
            ("web", Some("web")),
            ("i-2", Some("api")),
            ("i-1", Some("i-1")),
            ("Web", None),
            ("we", None),
            ("", None),
        ] {
            let found = pick(&targets, name).map(|target| target.target_id.as_str());
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(
            unknown("wbe", &targets),
            "there is no target wbe; did you mean web?"
        );
        assert!(unknown("i-9999", &targets).starts_with("no target has the instance i-9999; "));
    }
}
