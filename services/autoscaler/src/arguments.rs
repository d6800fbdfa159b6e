//! The arguments of the command line, and what their help says.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use common::service;

/// Predictive autoscaler for EC2 instances: forecasts CPU, decides with reasons, resizes with safe hands
#[derive(Debug, Parser)]
#[command(
    name = "autoscaler",
    version,
    after_help = "Exit codes: 0 done, 1 something failed, 3 refused (3 to 6: see `resize --help`), 64 bad arguments or configuration, 66 not found, \
                  69 a service can't be reached."
)]
pub struct Cli {
    #[command(flatten)]
    pub config: service::ConfigArg,
    /// Prints JSON for scripts instead of tables for people
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// One command
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs all four services in this process until Ctrl-C or SIGTERM
    Run,
    /// Shows the whole loop on a simulated fleet: no AWS account, no Prometheus, no Docker
    Demo(DemoArgs),
    /// Checks the configuration and prints it merged with defaults and environment, secrets masked
    CheckConfig,
    /// Runs a tick now and shows what was decided
    Tick {
        /// Only these targets, by their names or their instances' ids
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
        /// Waits until the resizes that this tick started have ended
        #[arg(long)]
        wait: bool,
    },
    /// Shows the last tick, the next one, and how each service is
    Status,
    /// Lists decisions, newest first
    Decisions {
        /// Only of this target, by its name or its instance's id
        #[arg(long)]
        target: Option<String>,
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        /// Leaves out decisions to hold
        #[arg(long)]
        actions: bool,
    },
    /// Explains one decision: what was seen, forecast, checked and done
    Explain {
        /// The decision's id, or a target, whose newest decision is meant
        decision: String,
        /// With a target: the decision that was the newest then, such as 2026-03-01T12:00:00Z
        #[arg(long)]
        at: Option<jiff::Timestamp>,
    },
    /// Decides again what was decided, from what was stored with it, by the same policy or by another one
    #[command(
        after_help = "Exit codes: 0 decided, 1 without --policy when this version of the program decides otherwise than was decided."
    )]
    Replay {
        /// The decision's id
        decision: String,
        /// Configuration whose section `policy` decides, in place of the policy that was in force; read as --config is
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// Forbids actions, for one target or for all; a target has one pause, and the next replaces it
    Pause {
        /// The target, by its name or its instance's id [default: all]
        target: Option<String>,
        /// Why, for whoever finds it
        #[arg(long, default_value = "")]
        reason: String,
        /// Ends by itself after this time, such as 30m or 2h
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        duration: Option<std::time::Duration>,
        /// What it forbids
        #[arg(long, value_enum, default_value_t = Direction::Both)]
        direction: Direction,
    },
    /// Takes a pause back
    Resume {
        /// The target, by its name or its instance's id [default: the pause of the whole fleet]
        target: Option<String>,
    },
    /// Lists the pauses in force: of whom, by whom, why, until when
    Pauses,
    /// Lists resizes, newest first, or follows one to its end
    #[command(after_help = "Exit codes of --follow: those of `resize`.")]
    Resizes {
        /// Only of this instance, or the instance of this target
        #[arg(long, conflicts_with = "follow")]
        instance: Option<String>,
        /// Only those that have not ended
        #[arg(long, conflicts_with = "follow")]
        active: bool,
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        /// Shows the steps of this one until it has ended
        #[arg(long, value_name = "ID")]
        follow: Option<String>,
    },
    /// Resizes an instance by hand, and shows each step with its time; the last line says what runs now
    #[command(
        after_help = "Exit codes: 0 it runs the type (or dry run), 3 refused and untouched, 4 rolled back to the \
                            old type, 5 runs another type of the family, 6 it was terminated meanwhile."
    )]
    Resize {
        /// The instance, such as i-0123456789abcdef0, or the name of its target
        instance: String,
        /// The type it is to have, such as t3.large
        #[arg(value_name = "TYPE")]
        instance_type: String,
        /// Checks everything and changes nothing
        #[arg(long)]
        dry_run: bool,
        /// Does not ask first
        #[arg(long, short)]
        yes: bool,
        /// Why, for the journal
        #[arg(long, default_value = "by hand")]
        reason: String,
    },
    /// Shows every check that comes before a resize, and changes nothing; exit 3 when one blocks
    Preflight {
        /// The instance, such as i-0123456789abcdef0, or the name of its target
        instance: String,
        /// The type it is to have, such as t3.large
        #[arg(value_name = "TYPE")]
        instance_type: String,
    },
    /// Stops all stopping: with the switch on no instance goes down any more, and those that are down come up
    KillSwitch {
        /// What to do
        #[arg(value_enum)]
        to: SwitchTo,
        /// Why, for whoever finds it; needed for `on`
        #[arg(long, default_value = "", required_if_eq("to", "on"))]
        reason: String,
    },
    /// Lists instances that bear the tag of a resize: stopped for one, and not known to have come back
    Recover {
        /// Brings back those whose resize the journal does not know
        #[arg(long)]
        apply: bool,
    },
    /// Shows kill switch, circuit breaker and budgets: what may be stopped now
    Limits {
        /// Closes the circuit breaker before its time
        #[arg(long)]
        close_breaker: bool,
    },
    /// Shows types that EC2 refused an instance for good: they are not tried again until one of them changes
    Refusals {
        /// Only those of this instance, such as i-0123456789abcdef0, or of the instance of this target
        instance: Option<String>,
        /// Only those of this type, such as t3.large
        #[arg(value_name = "TYPE")]
        instance_type: Option<String>,
        /// Forgets them, so that they are tried again
        #[arg(long)]
        forget: bool,
    },
    /// Makes the SSM documents that set monitoring up what this release's script is, in the actuator's account and region
    #[command(
        after_help = "Run it once per account and region, and again after an upgrade whose script is another one. Instances are not \
                            touched: the actuator sends the documents after a resize, and only while their content is this release's.\n\n\
                            It calls AWS itself and needs the rights in deploy/iam/setup-policy.json, which the actuator has not. Credentials \
                            and region are found as the actuator's are: AWS_PROFILE, keys, or the machine's role; where actuator.profile is \
                            set, AUTOSCALER__ACTUATOR__PROFILE names another one. While actuator.dry_run is on it only tells; DRY_RUN=false \
                            in front of it turns that off for this command."
    )]
    PublishDocument {
        /// Only tells what would be made
        #[arg(long)]
        dry_run: bool,
    },
    /// Asks each service how it is; exit 0 when all serve
    Health,
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What `kill-switch` does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum SwitchTo {
    /// Nothing is stopped any more
    On,
    /// Back to normal
    Off,
    /// Only tells
    Status,
}

/// What a pause forbids.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Direction {
    /// Every action
    Both,
    /// Scaling up
    Up,
    /// Scaling down
    Down,
}

/// Arguments of the demo.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Ends after this many simulated days [default: goes on until Ctrl-C]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub days: Option<u32>,
    /// Seconds that a simulated day takes at least; 0 goes as fast as it can
    #[arg(long, default_value_t = 120.0, value_parser = parse_non_negative)]
    pub day_seconds: f64,
    /// Replays CPU series from a CSV file (columns timestamp in seconds or ISO 8601, cpu in percent, optionally series; .gz
    /// and .parquet are fine; cpu_ratio is 0 to 1, timestamp_ms in milliseconds)
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Prints every decision, also those that repeat the one before
    #[arg(long)]
    pub all: bool,
    /// Moves to free ports where the usual ones are taken
    #[arg(long)]
    pub any_port: bool,
    /// Seed of the simulated workload
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

fn parse_non_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("expected a number of at least 0".to_owned()),
    }
}

fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let duration: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "expected a duration such as 30m or 2h".to_owned())?;
    std::time::Duration::try_from(duration).map_err(|_| "must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_written_as_people_do() {
        assert_eq!(parse_duration("30m").unwrap().as_secs(), 1_800);
        assert_eq!(parse_duration("1h30m").unwrap().as_secs(), 5_400);
        assert!(parse_duration("soon").is_err());
        assert!(parse_duration("-5m").is_err());
        assert!(parse_duration("99999999999999999999h").is_err());
    }
}
