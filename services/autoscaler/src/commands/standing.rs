//! What holds resizes back, for people.

use owo_colors::OwoColorize as _;
use proto::scheduler::v1::{PauseStanding, Standing};

use crate::output::{table, time};

/// Prints a table of it.
pub fn print(standing: &Standing) {
    table(["HOLDS BACK", "NOW", "DETAIL"], rows(standing));
}

fn rows(standing: &Standing) -> Vec<[String; 3]> {
    let mut rows = Vec::new();
    let mut row = |name: &str, now: String, detail: String| {
        rows.push([name.to_owned(), now, detail]);
    };
    let unknown = || "unknown".yellow().to_string();
    match standing.dry_run {
        Some(true) => row(
            "dry run",
            "on".yellow().to_string(),
            "nothing is changed at AWS (actuator.dry_run)".to_owned(),
        ),
        Some(false) => row("dry run", "off".to_owned(), String::new()),
        None => row("dry run", unknown(), String::new()),
    }
    match &standing.kill_switch {
        Some(switch) if switch.on => row(
            "kill switch",
            "on".red().to_string(),
            match &switch.since {
                Some(since) => format!("since {}: {}", time(Some(since)), switch.reason),
                None => switch.reason.clone(),
            },
        ),
        Some(_) => row("kill switch", "off".to_owned(), String::new()),
        None => row("kill switch", unknown(), String::new()),
    }
    match &standing.breaker {
        Some(breaker) => {
            let now = match &breaker.open_until {
                Some(until) => format!("open until {}", time(Some(until)))
                    .red()
                    .to_string(),
                None => "closed".to_owned(),
            };
            let failures = match breaker.limit {
                0 => format!("{} failures, no limit", breaker.failures),
                limit => format!("{} of {limit} failures", breaker.failures),
            };
            row("circuit breaker", now, failures);
        }
        None => row("circuit breaker", unknown(), String::new()),
    }
    match standing.journal_degraded.as_str() {
        "" if standing.kill_switch.is_none() => row("journal", unknown(), String::new()),
        "" => row("journal", "ok".to_owned(), String::new()),
        why => row("journal", "degraded".red().to_string(), why.to_owned()),
    }
    let prometheus = match standing.prometheus.as_str() {
        "reachable" => standing.prometheus.clone(),
        "unreachable" => standing.prometheus.red().to_string(),
        other => other.yellow().to_string(),
    };
    row(
        "prometheus",
        prometheus,
        match standing.prometheus_detail.as_str() {
            "" => "at the last tick".to_owned(),
            detail => detail.to_owned(),
        },
    );
    row(
        "lease",
        match standing.lease_epoch {
            0 => "not held".yellow().to_string(),
            _ => "held".to_owned(),
        },
        match (standing.lease_epoch, standing.fence_epoch) {
            (0, fence) => format!("the actuator takes epochs from {fence}"),
            (epoch, fence) => format!("epoch {epoch}, the actuator takes epochs from {fence}"),
        },
    );
    row(
        "pauses",
        match standing.pauses_in_force {
            0 => "none".to_owned(),
            count => count.to_string().yellow().to_string(),
        },
        standing.pauses.first().map(describe).unwrap_or_default(),
    );
    for pause in standing.pauses.iter().skip(1) {
        row("", String::new(), describe(pause));
    }
    let left_out = (standing.pauses_in_force as usize).saturating_sub(standing.pauses.len());
    if left_out > 0 {
        let more = format!("and {left_out} more: autoscaler pauses");
        row("", String::new(), more);
    }
    for why in &standing.unknown {
        row("", unknown(), why.clone());
    }
    rows
}

/// Whom, what, until when, by whom, why.
fn describe(pause: &PauseStanding) -> String {
    let whom = match pause.target_id.as_str() {
        "" => "the fleet",
        target => target,
    };
    let until = match &pause.until {
        Some(until) => format!("until {}", time(Some(until))),
        None => "until resumed".to_owned(),
    };
    let mut text = format!("{whom}, {}, {until}", pause.direction);
    if !pause.by.is_empty() {
        text += &format!(", by {}", pause.by);
    }
    if !pause.reason.is_empty() {
        text += &format!(": {}", pause.reason);
    }
    text
}

#[cfg(test)]
mod tests {
    use proto::scheduler::v1::{BreakerStanding, KillSwitchStanding};

    use super::*;

    fn said(standing: &Standing, name: &str) -> (String, String) {
        let plain = |cell: &str| anstream::adapter::strip_str(cell).to_string();
        let rows = rows(standing);
        let row = rows
            .iter()
            .find(|row| row[0] == name)
            .unwrap_or_else(|| panic!("no {name}"));
        (plain(&row[1]), plain(&row[2]))
    }

    #[test]
    fn what_is_not_known_is_not_called_fine() {
        let nothing = Standing {
            prometheus: "unknown".to_owned(),
            unknown: vec!["actuator at http://x: no answer within 2 s".to_owned()],
            ..Standing::default()
        };
        for name in [
            "dry run",
            "kill switch",
            "circuit breaker",
            "journal",
            "prometheus",
        ] {
            assert_eq!(said(&nothing, name).0, "unknown", "{name}");
        }
        assert!(said(&nothing, "").1.contains("no answer within 2 s"));
    }

    #[test]
    fn each_says_who_and_why() {
        let standing = Standing {
            dry_run: Some(false),
            kill_switch: Some(KillSwitchStanding {
                on: true,
                reason: "fire".to_owned(),
                since: None,
            }),
            breaker: Some(BreakerStanding {
                open_until: Some(prost_types::Timestamp::default()),
                failures: 3,
                limit: 3,
            }),
            pauses: vec![PauseStanding {
                target_id: "web".to_owned(),
                direction: "down".to_owned(),
                reason: "release".to_owned(),
                by: "ada@ops-1".to_owned(),
                ..PauseStanding::default()
            }],
            pauses_in_force: 2,
            journal_degraded: "it is full".to_owned(),
            prometheus: "unreachable".to_owned(),
            prometheus_detail: "Prometheus at x can't be reached".to_owned(),
            lease_epoch: 7,
            fence_epoch: 6,
            unknown: Vec::new(),
        };
        assert_eq!(said(&standing, "kill switch"), ("on".into(), "fire".into()));
        assert!(
            said(&standing, "circuit breaker")
                .0
                .starts_with("open until 1970")
        );
        assert_eq!(said(&standing, "journal").1, "it is full");
        assert_eq!(said(&standing, "prometheus").0, "unreachable");
        assert!(said(&standing, "lease").1.contains("epoch 7"));
        assert_eq!(
            said(&standing, "pauses"),
            (
                "2".into(),
                "web, down, until resumed, by ada@ops-1: release".into()
            )
        );
        assert!(said(&standing, "").1.contains("and 1 more"));
    }
}
