//! `resize` and `preflight`: one instance, by hand, with the progress as it happens.

use std::{
    future::Future,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use common::{
    clock::{Moment, machine},
    metadata::outgoing,
    time::from_proto,
};
use owo_colors::OwoColorize as _;
use proto::actuator::v1::{
    DescribeInstanceRequest, GetResizeResponse, Instance, MonitoringState, PreflightRequest,
    PreflightVerdict, Resize, ResizePhase, ResizeStep, StartResizeRequest, WatchResizeRequest,
};
use tonic::Code;

use super::{
    Client, Failure,
    failure::{EXIT_FELL_BACK, EXIT_GONE, EXIT_INTERRUPTED, EXIT_REFUSED, EXIT_ROLLED_BACK},
};
use crate::output::{line, print_json, short, table};

const TIMEOUT: Duration = Duration::from_secs(60);
/// One watch; a resize that finds no room goes on for longer, and is watched again.
const WATCH_TIMEOUT: Duration = Duration::from_secs(3_600);
/// An actuator that restarts takes its resizes up again, so it is asked for this long.
const RECONNECT: Duration = Duration::from_secs(120);

type Answer = Result<ExitCode, Failure>;

/// What `resize` was told.
pub struct Request {
    /// Its id, or the name of its target.
    pub instance: String,
    pub target: String,
    pub dry_run: bool,
    /// Don't ask.
    pub yes: bool,
    pub reason: String,
}

impl Client {
    /// The checks before a resize; exit 3 when one blocks.
    pub async fn preflight(&self, instance: String, target: String) -> Answer {
        let instance_id = self.find_instance(instance).await?;
        let request = PreflightRequest {
            instance_id: instance_id.clone(),
            target_instance_type: target.clone(),
        };
        let response = self
            .actuator()
            .preflight(outgoing(request, TIMEOUT))
            .await
            .map_err(self.actuator_failure())?
            .into_inner();
        let exit = match response.ok {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(EXIT_REFUSED),
        };
        if self.json {
            print_json(&response)?;
            return Ok(exit);
        }
        table(
            ["CHECK", "VERDICT", "DETAIL"],
            response.checks.iter().map(|check| {
                let verdict = short(check.verdict().as_str_name(), "PREFLIGHT_VERDICT");
                let verdict = match check.verdict() {
                    PreflightVerdict::Pass => verdict.green().to_string(),
                    PreflightVerdict::Unknown => verdict.yellow().to_string(),
                    _ => verdict.red().to_string(),
                };
                [check.name.clone(), verdict, check.detail.clone()]
            }),
        );
        line(match response.ok {
            true => format!("{instance_id} may be resized to {target}"),
            false => format!("{instance_id} must not be resized to {target} now"),
        });
        Ok(exit)
    }

    /// Resizes an instance and shows each step; the exit code says how it ended.
    pub async fn resize(&self, request: Request) -> Answer {
        let id = self.find_instance(request.instance).await?;
        let described = self
            .actuator()
            .describe_instance(outgoing(
                DescribeInstanceRequest {
                    instance_id: id.clone(),
                },
                TIMEOUT,
            ))
            .await
            .map_err(self.actuator_failure())?
            .into_inner();
        let Instance { instance_type, .. } = described.instance.unwrap_or_default();
        if instance_type == request.target {
            let why = format!("{id} runs on {instance_type} already");
            return Err(Failure::usage(why));
        }
        let dry_run = request.dry_run || described.dry_run;
        if !dry_run && !request.yes {
            confirm(&id, &instance_type, &request.target)?;
        }
        let start = StartResizeRequest {
            resize_id: format!("cli-{:016x}", rand::random::<u64>()),
            instance_id: id,
            target_instance_type: request.target,
            expected_instance_type: instance_type,
            lease_epoch: 0,
            dry_run: request.dry_run,
            reason: request.reason,
        };
        // From here on Ctrl-C ends the looking on, not the resize.
        let resize_id = start.resize_id.clone();
        let mut interrupted = std::pin::pin!(interrupted());
        let mut actuator = self.actuator();
        let begun = tokio::select! {
            begun = actuator.start_resize(outgoing(start, TIMEOUT)) => begun,
            () = &mut interrupted => return Ok(goes_on(&resize_id, "the resize may have begun")),
        };
        let begun = begun.map_err(|status| match status.code() {
            Code::FailedPrecondition | Code::ResourceExhausted => Failure::refused(&status),
            _ => self.actuator_failure()(status),
        })?;
        let resize = begun.into_inner().resize.unwrap_or_default();
        self.follow_to_the_end(resize, interrupted).await
    }

    /// Shows the steps, and tells how it ended; or, when Ctrl-C comes first, that it goes on.
    pub(super) async fn follow_to_the_end(
        &self,
        resize: Resize,
        interrupted: impl Future<Output = ()>,
    ) -> Answer {
        let resize_id = resize.resize_id.clone();
        let resize = tokio::select! {
            resize = self.follow(resize) => resize?,
            () = interrupted => return Ok(goes_on(&resize_id, "the resize goes on")),
        };
        if self.json {
            let response = GetResizeResponse {
                resize: Some(resize.clone()),
            };
            print_json(&response)?;
        } else {
            line(conclusion(&resize));
        }
        Ok(ExitCode::from(match resize.phase() {
            ResizePhase::Succeeded | ResizePhase::DryRun => 0,
            ResizePhase::Refused => EXIT_REFUSED,
            ResizePhase::RolledBack => EXIT_ROLLED_BACK,
            ResizePhase::FellBack => EXIT_FELL_BACK,
            ResizePhase::Gone => EXIT_GONE,
            _ => 1,
        }))
    }

    /// Shows the steps until the resize has ended, across restarts of the actuator.
    async fn follow(&self, mut resize: Resize) -> Result<Resize, Failure> {
        let mut progress = Progress::new(!self.json);
        progress.begin(&resize);
        let mut lost_since = None;
        while resize.finished_at.is_none() {
            let request = WatchResizeRequest {
                resize_id: resize.resize_id.clone(),
            };
            let watched = self
                .actuator()
                .watch_resize(outgoing(request, WATCH_TIMEOUT))
                .await;
            let status = match watched {
                Err(status) => status,
                Ok(stream) => {
                    let mut stream = stream.into_inner();
                    loop {
                        let message = tokio::select! {
                            message = stream.message() => message,
                            () = machine().sleep(Duration::from_secs(1)) => {
                                progress.tick();
                                continue;
                            }
                        };
                        match message {
                            Err(status) => break status,
                            Ok(None) => {
                                break tonic::Status::unavailable("the actuator ended the watch");
                            }
                            Ok(Some(message)) => {
                                lost_since = None;
                                resize = message.resize.unwrap_or_default();
                                progress.show(&resize);
                                if resize.finished_at.is_some() {
                                    return Ok(resize);
                                }
                            }
                        }
                    }
                }
            };
            let passing = matches!(
                status.code(),
                Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown
            );
            let since = *lost_since.get_or_insert_with(|| machine().monotonic());
            if !passing || machine().since(since) > RECONNECT {
                return Err(self.actuator_failure()(status));
            }
            progress
                .note("the actuator does not answer; it takes the resize up again when it is back");
            machine().sleep(Duration::from_secs(1)).await;
        }
        Ok(resize)
    }
}

/// Ends with Ctrl-C or SIGTERM. Without handlers for them it never does, and they end the process.
pub(super) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = (SignalKind::interrupt(), SignalKind::terminate());
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(kinds.0), signal(kinds.1)) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Says that nobody needs to look on, and how to look again.
fn goes_on(resize_id: &str, what: &str) -> ExitCode {
    anstream::eprintln!(
        "\n{what} at the actuator, which brings the instance up whatever happens here\n\
         to follow it: autoscaler resizes --follow {resize_id}"
    );
    ExitCode::from(EXIT_INTERRUPTED)
}

/// Asks a person; without a terminal nobody can answer.
fn confirm(id: &str, from: &str, target: &str) -> Result<(), Failure> {
    let usage = |message: &str| Failure::usage(message.to_owned());
    if !std::io::stdin().is_terminal() {
        return Err(usage(
            "this stops the instance, and nobody is there to confirm it: add --yes",
        ));
    }
    let mut out = anstream::stderr();
    let _ = write!(
        out,
        "{id} runs {from}. Stop it, change it to {target} and start it again? [y/N] "
    );
    let _ = out.flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(usage("nothing was done")),
    }
}

/// One line for each step that has ended; on a terminal also the one that runs, with its time.
struct Progress {
    shown: bool,
    terminal: bool,
    /// Start times of steps whose line is printed.
    printed: Vec<Option<prost_types::Timestamp>>,
    running: Option<(String, Moment)>,
    noted: bool,
}

impl Progress {
    fn new(shown: bool) -> Self {
        Self {
            shown,
            terminal: shown && std::io::stdout().is_terminal(),
            printed: Vec::new(),
            running: None,
            noted: false,
        }
    }

    fn begin(&self, resize: &Resize) {
        if self.shown {
            let dry_run = if resize.dry_run { ", dry run" } else { "" };
            line(format!(
                "resize {}: {} from {} to {}{dry_run}",
                resize.resize_id,
                resize.instance_id,
                resize.from_instance_type,
                resize.target_instance_type
            ));
        }
    }

    fn show(&mut self, resize: &Resize) {
        if !self.shown {
            return;
        }
        self.noted = false;
        self.clear();
        // A step begins where the one before has ended: what is waited in between belongs to it.
        let mut since = resize.created_at;
        for step in &resize.steps {
            // A long story loses its middle, so position alone says nothing.
            if step.finished_at.is_some() && !self.printed.contains(&step.started_at) {
                self.printed.push(step.started_at);
                line(step_line(step, since));
            }
            since = step.finished_at;
        }
        let running = resize
            .steps
            .last()
            .filter(|step| step.finished_at.is_none());
        let name = running.map(|step| step.name.clone());
        let same = match (&self.running, &name) {
            (Some((shown, _)), Some(name)) => shown == name,
            _ => false,
        };
        if !same {
            self.running = name.map(|name| (name, machine().monotonic()));
        }
        self.tick();
    }

    fn note(&mut self, text: &str) {
        if self.shown && !self.noted {
            self.noted = true;
            self.clear();
            line(text.yellow());
        }
    }

    fn tick(&self) {
        if let (true, Some((name, since))) = (self.terminal, &self.running) {
            let mut out = anstream::stdout();
            let _ = write!(
                out,
                "\r  {name:<14}{:>8} …",
                duration(machine().since(*since))
            );
            let _ = out.flush();
        }
    }

    fn clear(&self) {
        if self.terminal {
            let _ = write!(anstream::stdout(), "\r\x1b[K");
        }
    }
}

fn step_line(step: &ResizeStep, since: Option<prost_types::Timestamp>) -> String {
    let times = since
        .as_ref()
        .and_then(from_proto)
        .zip(step.finished_at.as_ref().and_then(from_proto));
    let lasted = times.map(|(start, end)| {
        duration(Duration::try_from(end.duration_since(start)).unwrap_or_default())
    });
    let text = format!(
        "  {:<14}{:>8}  {}",
        step.name,
        lasted.unwrap_or_default(),
        step.detail
    );
    match step.failed {
        true => text.red().to_string(),
        false => text,
    }
}

/// What runs now, in one line.
fn conclusion(resize: &Resize) -> String {
    let id = &resize.instance_id;
    let from = &resize.from_instance_type;
    let target = &resize.target_instance_type;
    let runs = &resize.running_instance_type;
    let error = &resize.error;
    let monitoring = match resize.monitoring() {
        MonitoringState::Ok => "; monitoring runs",
        MonitoringState::Degraded => "; monitoring degraded, see its step above",
        _ => "",
    };
    let begun = resize.created_at.as_ref().and_then(from_proto);
    let ended = resize.finished_at.as_ref().and_then(from_proto);
    let lasted = begun.zip(ended).map(|(begun, ended)| {
        duration(Duration::try_from(ended.duration_since(begun)).unwrap_or_default())
    });
    let lasted = lasted.unwrap_or_default();
    match resize.phase() {
        ResizePhase::Succeeded => {
            format!("{id} runs {runs} (it was {from}), after {lasted}{monitoring}")
                .green()
                .to_string()
        }
        ResizePhase::RolledBack => {
            format!("{id} runs {runs} as before, after {lasted}: {error}{monitoring}")
                .yellow()
                .to_string()
        }
        ResizePhase::FellBack => {
            format!("{id} runs {runs}, not {target}, after {lasted}: {error}{monitoring}")
                .yellow()
                .to_string()
        }
        ResizePhase::Gone => format!("{id} is gone: {error}").red().to_string(),
        ResizePhase::Refused => format!("{id} was not touched: {error}").red().to_string(),
        ResizePhase::DryRun => {
            format!("{id} was not touched (dry run); it could be resized to {target}")
        }
        _ => format!("{id}: the resize has not ended"),
    }
}

/// `0.4 s`, `12.0 s`, `2 m 05 s`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    format!(
        "{} m {:02} s",
        duration.as_secs() / 60,
        duration.as_secs() % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (milliseconds, expected) in [
            (0, "0.0 s"),
            (12_340, "12.3 s"),
            (125_000, "2 m 05 s"),
            (3_725_000, "62 m 05 s"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn the_last_line_says_what_runs_now() {
        let mut resize = Resize {
            instance_id: "i-1".to_owned(),
            from_instance_type: "t2.small".to_owned(),
            target_instance_type: "t2.large".to_owned(),
            error: "no room".to_owned(),
            ..Resize::default()
        };
        for (phase, runs, expected) in [
            (
                ResizePhase::Succeeded,
                "t2.large",
                "i-1 runs t2.large (it was t2.small)",
            ),
            (
                ResizePhase::RolledBack,
                "t2.small",
                "i-1 runs t2.small as before",
            ),
            (
                ResizePhase::FellBack,
                "t2.xlarge",
                "i-1 runs t2.xlarge, not t2.large",
            ),
            (ResizePhase::Gone, "", "i-1 is gone: no room"),
            (ResizePhase::Refused, "", "i-1 was not touched: no room"),
            (ResizePhase::DryRun, "", "could be resized to t2.large"),
        ] {
            resize.phase = phase.into();
            resize.running_instance_type = runs.to_owned();
            let text = conclusion(&resize);
            assert!(text.contains(expected), "{text}");
        }
    }
}
