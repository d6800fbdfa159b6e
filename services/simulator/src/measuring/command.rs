//! The command line.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser;

use crate::{
    closed_loop::{
        demand::Demand,
        entries::{self, Entry, Machine},
        oracle::floor::Frontier,
        rungs::RungsFile,
        table,
    },
    measuring::{
        data::{self, Part},
        forecasting::ForecastArgs,
    },
};

/// Plays recorded CPU through ways of choosing sizes: what they cost, how often they saturate and resize
#[derive(Debug, Parser)]
#[command(name = "closed-loop", version)]
pub struct Cli {
    /// Folder with <source>.csv, .csv.gz or .parquet files of columns series,timestamp,cpu, or of folders
    /// public_test_series, public_test_source and train of such files
    folder: PathBuf,
    /// Which part of a folder that has parts
    #[arg(long, value_enum, default_value = "public")]
    part: Part,
    /// File with the series to play, SOURCE/SERIES a line
    #[arg(long, value_name = "FILE")]
    series: Option<PathBuf>,
    /// Writes the rung of every scored step of one row as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The row that --json writes, by its name in the table
    #[arg(long, value_name = "NAME", requires = "json", default_value = entries::OURS)]
    row: String,
    #[command(flatten)]
    forecasts: ForecastArgs,
}

/// Runs the command; errors go to stderr.
pub fn run(cli: &Cli) -> ExitCode {
    match measure(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "closed-loop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli) -> anyhow::Result<()> {
    let recordings = data::read(&cli.folder, cli.part, cli.series.as_deref())?;
    let recorded = cli.forecasts.forecasts(&recordings.demands)?;
    let (model, forecasts) = match recorded {
        Some(recorded) => (Some(recorded.model_sha256), recorded.forecasts),
        None => (None, Vec::new()),
    };
    let mut forecasts = forecasts.into_iter();
    let machines: Vec<Machine> = recordings
        .demands
        .into_iter()
        .map(|demand| Machine {
            demand,
            forecasts: forecasts.next(),
        })
        .collect();
    let demands: Vec<&Demand> = machines.iter().map(|machine| &machine.demand).collect();
    let frontier = Frontier::of(&demands);
    let mut rows = entries::ours(&machines);
    rows.extend(entries::peers(&machines));
    rows.extend(entries::oracles(&machines, &frontier));
    let mut lines = table::table(&machines, &rows);
    lines.push(String::new());
    lines.extend(table::floor(&frontier));
    if !recordings.left_out.is_empty() {
        lines.push(String::new());
        lines.push("left out:".to_owned());
        lines.extend(recordings.left_out);
    }
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}").context("the table can't be printed")?;
    }
    if let Some(path) = &cli.json {
        write_rungs(path, &cli.row, &rows, &machines, model)?;
    }
    Ok(())
}

fn write_rungs(
    path: &Path,
    row: &str,
    rows: &[Entry],
    machines: &[Machine],
    model: Option<String>,
) -> anyhow::Result<()> {
    let names = || {
        let names: Vec<&str> = rows.iter().map(|entry| entry.name.as_str()).collect();
        format!("there is no row `{row}`; there are {}", names.join("; "))
    };
    let entry = rows.iter().find(|entry| entry.name == row);
    let file = RungsFile::of(entry.with_context(names)?, machines, model);
    let json = serde_json::to_vec(&file)?;
    std::fs::write(path, json).with_context(|| format!("{} can't be written", path.display()))
}
