//! `trainer promote`: a new artifact takes the place of the served one when it is better on data that it was not
//! trained on, and calibrated.

mod swap;
mod verdict;

use std::path::PathBuf;

use forecasting::artifact::Location;
use traces::DataArgs;

use crate::{data, evaluate::Caller, report::model::score};

/// What `trainer promote` can be told.
#[derive(Clone, Debug, clap::Args)]
pub struct PromoteArgs {
    /// Artifact folder that may take over
    #[arg(long, value_name = "DIR")]
    candidate: PathBuf,
    /// Artifact folder that is served; made when it is not there
    #[arg(long, value_name = "DIR")]
    served: PathBuf,
    #[command(flatten)]
    pub data: DataArgs,
    /// Score every n-th origin
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    stride: u32,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Scores both on the series of `folders` and replaces the served one, or doesn't; returns the checks.
///
/// # Errors
/// When the candidate is not good enough, with every check; unreadable data or models; a folder that can't be written.
pub fn run(args: &PromoteArgs, folders: &[PathBuf]) -> anyhow::Result<String> {
    let sources = data::read(folders, args.data.cpu_unit)?;
    let location = |folder: &PathBuf| Location::Folder(folder.clone());
    let (candidate, _, _) = score(
        &location(&args.candidate),
        &sources,
        args.stride,
        Caller::Carrying,
    )?;
    let served = match args.served.exists() {
        true => Some(
            score(
                &location(&args.served),
                &sources,
                args.stride,
                Caller::Carrying,
            )?
            .0,
        ),
        false => None,
    };
    let checks = verdict::checks(&candidate, served.as_ref());
    let lines: Vec<String> = checks.iter().map(ToString::to_string).collect();
    let lines = lines.join("\n");
    let served = args.served.display();
    if !checks.iter().all(|check| check.passed) {
        anyhow::bail!("not promoted, {served} stays as it is\n{lines}");
    }
    if args.dry_run {
        return Ok(format!(
            "{lines}\n{} would replace {served}",
            args.candidate.display()
        ));
    }
    let backup = swap::replace(&args.candidate, &args.served, &candidate.sha256)?;
    Ok(match backup {
        Some(backup) => format!(
            "{lines}\n{served} is now version {} (sha256 {:.12}); what it was lies in {}",
            candidate.version,
            candidate.sha256,
            backup.display()
        ),
        None => format!(
            "{lines}\n{served} is now version {} (sha256 {:.12})",
            candidate.version, candidate.sha256
        ),
    })
}
