//! A decision in words, and the proof that it can be made again.

use jiff::Timestamp;
use sizing::pool;

use crate::{
    decide::{
        alternatives::{Alternative, Way},
        input::{Input, State},
        outlook::Outlook,
        record::{Decision, Stored},
        replay,
        run::Run,
        verdict::Action,
    },
    policy::document::{Policy, Strategy},
    text,
};

/// A few lines for a person: what was seen, forecast, checked and done.
///
/// `run` is the run of holds that it is one of, and `reviewed` is when the review was made that is kept with all its
/// candidates.
pub fn explain(
    stored: &Stored,
    alternatives: &[Alternative],
    run: Option<&Run>,
    reviewed: Option<Timestamp>,
) -> String {
    let Stored {
        decision,
        input,
        state,
        policy,
    } = stored;
    let mut lines = vec![headline(decision)];
    lines.push(format!("Because   {}", decision.verdict.reason));
    lines.push(format!(
        "Decided   {} as {} in tick {}, by policy {}",
        text::time(decision.decided_at),
        decision.decision_id,
        decision.tick_id,
        decision.policy_version
    ));
    lines.extend(run.and_then(holds));
    lines.push(format!("Seen      {}", seen(input, decision.decided_at)));
    for (index, note) in input.notes.iter().enumerate() {
        let label = if index == 0 { "Notes" } else { "" };
        lines.push(format!("{label:<9} {note}"));
    }
    lines.push(format!("Forecast  {}", forecast(policy, input)));
    if let Some(rule) = rule(policy, state) {
        lines.push(format!("Rule      {rule}"));
    }
    if let Some(guide) = &state.guide {
        lines.push(format!(
            "Review    {}: {}",
            text::time(guide.reviewed_at),
            guide.why
        ));
        if reviewed != Some(guide.reviewed_at) {
            lines.push(format!(
                "{:<9} its other candidates are not kept any more",
                ""
            ));
        }
    }
    for (index, check) in decision.verdict.checks.iter().enumerate() {
        let label = if index == 0 { "Checks" } else { "" };
        lines.push(format!(
            "{label:<9} {:<5} {:<10}  {}",
            check.verdict.name(),
            check.name,
            check.detail
        ));
    }
    lines.extend(others(alternatives));
    lines.push(format!("Done      {}", done(decision)));
    let replayed = replay::again(stored).verdict;
    lines.push(if decision.verdict.is_made_again_by(&replayed) {
        "Replay    the stored input gives the same decision again".to_owned()
    } else {
        format!(
            "Replay    this version of the program decides otherwise: {}, {}",
            words(replayed.action),
            replayed.reason
        )
    });
    lines.join("\n")
}

/// The same for a hold of which only its run is known: that, and its newest hold.
pub fn explain_merged(
    decision: &Decision,
    run: &Run,
    newest: &Stored,
    alternatives: &[Alternative],
    reviewed: Option<Timestamp>,
) -> String {
    let mut lines = vec![headline(decision)];
    lines.push(format!(
        "Decided   {} as {}, by policy {}; not kept whole, for it held for the same reason as those around it",
        text::time(decision.decided_at),
        decision.decision_id,
        decision.policy_version
    ));
    lines.extend(holds(run));
    lines.push("\nThe newest of them:".to_owned());
    lines.push(explain(newest, alternatives, None, reviewed));
    lines.join("\n")
}

/// A run of more than one hold.
fn holds(run: &Run) -> Option<String> {
    if run.count() < 2 {
        return None;
    }
    let seen = &run.extremes;
    let ranges = [
        ("CPU", seen.cpu_percent),
        ("memory", seen.memory_percent),
        ("forecast peak", seen.forecast_peak_percent),
    ];
    let ranges = ranges.into_iter().filter_map(|(what, range)| {
        let range = range?;
        Some(format!("{what} {:.1} to {:.1} %", range.min, range.max))
    });
    let ranges: Vec<String> = ranges.collect();
    let seen = match ranges.as_slice() {
        [] => String::new(),
        ranges => format!(": {}", ranges.join(", ")),
    };
    Some(format!(
        "Run       {} holds in a row for this reason, from {} as {} to {} as {}{seen}",
        run.count(),
        text::time(run.since()),
        run.first_id(),
        text::time(run.until()),
        run.newest_id()
    ))
}

/// What would have led to each other type.
fn others(alternatives: &[Alternative]) -> Vec<String> {
    let width = alternatives.iter().map(|other| other.instance_type.len());
    let width = width.max().unwrap_or_default();
    let mut lines = Vec::new();
    for (index, other) in alternatives.iter().enumerate() {
        let label = if index == 0 { "Otherwise" } else { "" };
        let way = match &other.way {
            Way::LoadAtMost(load) => format!("at {:.2} times this load, or less", floor(*load)),
            Way::LoadAtLeast(load) => format!("at {:.2} times this load, or more", ceil(*load)),
            Way::Never(why) => format!("at no load: {why}"),
        };
        lines.push(format!("{label:<9} {:<width$}  {way}", other.instance_type));
    }
    if alternatives
        .iter()
        .any(|other| !matches!(other.way, Way::Never(_)))
    {
        lines.push(format!(
            "{:<9} (load: what is used, was used, and is forecast, all alike)",
            ""
        ));
    }
    lines
}

/// To two digits, so that what is said leads there.
fn floor(load: f64) -> f64 {
    (load * 100.0).floor() / 100.0
}

fn ceil(load: f64) -> f64 {
    (load * 100.0).ceil() / 100.0
}

fn words(action: Action) -> &'static str {
    match action {
        Action::Hold => "hold",
        Action::ScaleUp => "scale up",
        Action::ScaleDown => "scale down",
    }
}

fn headline(decision: &Decision) -> String {
    let Decision {
        target_id,
        instance_id,
        from_instance_type: from,
        verdict,
        ..
    } = decision;
    let what = match verdict.action {
        Action::Hold if from.is_empty() => "hold".to_owned(),
        Action::Hold => format!("hold on {from}"),
        action => format!(
            "{} from {from} to {}",
            words(action),
            verdict.to_instance_type
        ),
    };
    let dry_run = if decision.dry_run { " (dry run)" } else { "" };
    format!("{target_id} ({instance_id}): {what}{dry_run}")
}

fn seen(input: &Input, now: Timestamp) -> String {
    let unknown = input
        .unknown
        .as_ref()
        .map(|unknown| format!("; {}", unknown.reason))
        .unwrap_or_default();
    let Some(seen) = &input.observation else {
        return format!("nothing{unknown}");
    };
    let memory = match (seen.memory_percent, seen.memory_peak_mib) {
        (None, None) => "memory unknown".to_owned(),
        (Some(percent), None) => format!("memory {percent:.1} %, peak unknown"),
        (None, Some(peak)) => format!("memory peak {peak:.0} MiB"),
        (Some(percent), Some(peak)) => format!("memory {percent:.1} %, peak {peak:.0} MiB"),
    };
    let disk = match seen.disk_bytes_per_second {
        Some(bytes) => format!("disk {:.1} kB/s", bytes / 1_000.0),
        None => "disk unknown".to_owned(),
    };
    let saturated = match seen.saturated_seconds {
        0 => String::new(),
        seconds => format!(", at 95 % or above for {}", text::duration(seconds.into())),
    };
    format!(
        "CPU {:.1} % at {} ({} earlier, {} samples){saturated}; {memory}; {disk}{unknown}",
        seen.cpu_percent,
        text::time(seen.observed_at),
        text::duration(text::seconds_between(seen.observed_at, now)),
        seen.samples
    )
}

fn forecast(policy: &Policy, input: &Input) -> String {
    match Outlook::new(policy, input) {
        Ok(outlook) => format!(
            "{:.1} % in {} from {}, by {}; above {} % with probability {:.2}, below {} % with {:.2}",
            outlook.cpu_percent,
            text::duration(outlook.horizon_seconds.into()),
            text::time(outlook.origin),
            outlook.basis_words(),
            policy.scale_up_cpu,
            outlook.distribution.above(policy.scale_up_cpu),
            policy.scale_down_cpu,
            outlook.distribution.below(policy.scale_down_cpu),
        ),
        Err(why) => format!("none: {why}"),
    }
}

/// The sizing rule that decided, where one did.
fn rule(policy: &Policy, state: &State) -> Option<String> {
    match policy.strategy {
        Strategy::Threshold => None,
        Strategy::Headroom => Some(format!("{}, the policy's", policy.headroom)),
        Strategy::Adaptive => Some(match &state.guide {
            Some(guide) => format!("{}, this machine's own", guide.rule),
            None => format!(
                "{}, upwards only: its past was not reviewed yet",
                pool::COMMON
            ),
        }),
    }
}

fn done(decision: &Decision) -> String {
    match &decision.end {
        None if decision.verdict.action == Action::Hold => "nothing was to be done".to_owned(),
        None if decision.pending => "under way: its end has not been reported".to_owned(),
        None => "dry run: nothing was changed".to_owned(),
        Some(end) => {
            let runs = if end.instance_type.is_empty() {
                String::new()
            } else {
                format!(", runs on {}", end.instance_type)
            };
            let detail = if end.detail.is_empty() {
                String::new()
            } else {
                format!(": {}", end.detail)
            };
            format!(
                "{} at {}{runs}{detail}",
                end.outcome.words(),
                text::time(end.at)
            )
        }
    }
}
