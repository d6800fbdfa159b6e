//! Which command the arguments stand for.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use common::{config::Settings, service};

use crate::{
    arguments::{Cli, Command, SwitchTo},
    commands::{self, Failure},
};

/// Parses the arguments, runs the command, returns its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout and are no error.
            let _ = error.print();
            return match error.use_stderr() {
                true => ExitCode::from(service::EXIT_USAGE),
                false => ExitCode::SUCCESS,
            };
        }
    };
    if let Command::Completions { shell } = cli.command {
        let mut command = Cli::command();
        // Into memory first: it panics where a reader goes away.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "autoscaler", &mut script);
        return match std::io::Write::write_all(&mut std::io::stdout(), &script) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    if let Command::Run = cli.command {
        return commands::run::run(&cli.config);
    }
    let settings = match &cli.command {
        // The demo is the same everywhere: unless a file is named, none changes it, and no variable.
        Command::Demo(_) if cli.config.config.is_none() => Settings::from_yaml_text(""),
        _ => cli.config.load(),
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return service::usage_error("autoscaler", &error),
    };
    match cli.command {
        Command::Demo(args) => {
            let manner = crate::demo::Manner { json: cli.json };
            crate::demo::run(args, settings, manner)
        }
        Command::CheckConfig => commands::check_config::run(&settings, cli.json),
        Command::PublishDocument { dry_run } => commands::block_on(
            commands::publish_document::run(&settings, dry_run, cli.json),
        ),
        command => commands::block_on(async move {
            let client = commands::Client::new(&settings, cli.json)?;
            match command {
                Command::Tick { targets, wait } => client.tick(targets, wait).await,
                Command::Status => client.status().await,
                Command::Decisions {
                    target,
                    limit,
                    actions,
                } => client.decisions(target, limit, actions).await,
                Command::Explain { decision, at } => client.explain(decision, at).await,
                Command::Replay { decision, policy } => client.replay(decision, policy).await,
                Command::Pause {
                    target,
                    reason,
                    duration,
                    direction,
                } => client.pause(target, reason, duration, direction).await,
                Command::Resume { target } => client.resume(target).await,
                Command::Pauses => client.pauses().await,
                Command::Resizes {
                    instance,
                    active,
                    limit,
                    follow,
                } => match follow {
                    Some(resize_id) => client.follow_resize(resize_id).await,
                    None => client.resizes(instance, active, limit).await,
                },
                Command::Resize {
                    instance,
                    instance_type,
                    dry_run,
                    yes,
                    reason,
                } => {
                    let request = commands::resize::Request {
                        instance,
                        target: instance_type,
                        dry_run,
                        yes,
                        reason,
                    };
                    client.resize(request).await
                }
                Command::Preflight {
                    instance,
                    instance_type,
                } => client.preflight(instance, instance_type).await,
                Command::KillSwitch { to, reason } => {
                    let on = (to != SwitchTo::Status).then_some(to == SwitchTo::On);
                    client.kill_switch(on, reason).await
                }
                Command::Recover { apply } => client.recover(apply).await,
                Command::Limits { close_breaker } => client.limits(close_breaker).await,
                Command::Refusals {
                    instance,
                    instance_type,
                    forget,
                } => client.refusals(instance, instance_type, forget).await,
                Command::Health => client.health().await,
                Command::Run
                | Command::Demo(_)
                | Command::CheckConfig
                | Command::PublishDocument { .. }
                | Command::Completions { .. } => Ok::<_, Failure>(ExitCode::SUCCESS),
            }
        }),
    }
}
