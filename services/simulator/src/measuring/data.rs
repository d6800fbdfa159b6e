//! Which recordings are played.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use traces::read_folder;

use crate::closed_loop::{cells::Cells, demand::Demand};

/// A part of a folder that is laid out in parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Part {
    /// `public_test_series` and `public_test_source`: what figures are published on.
    Public,
    /// `train`: what settings are chosen on.
    Training,
}

impl Part {
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Public => &["public_test_series", "public_test_source"],
            Self::Training => &["train"],
        }
    }

    /// The series that are played of it, `source/name` a line.
    fn list(self) -> &'static str {
        match self {
            Self::Public => include_str!("../../closed-loop/public.txt"),
            Self::Training => include_str!("../../closed-loop/training.txt"),
        }
    }
}

/// What was read.
#[derive(Debug)]
pub struct Recordings {
    pub demands: Vec<Demand>,
    /// Of each series that could not be played: its name, and why.
    pub left_out: Vec<String>,
}

/// The series of `folder`: those of its `part` when it is laid out in parts, else all that are long enough and move. Those on
/// the list `only` (`source/name` a line), when there is one.
///
/// # Errors
/// Names the file; a series on a list that isn't there, or no series at all.
pub fn read(folder: &Path, part: Part, only: Option<&Path>) -> anyhow::Result<Recordings> {
    let parts: Vec<PathBuf> = part
        .folders()
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.is_dir())
        .collect();
    let list = match only {
        Some(path) => Some(
            std::fs::read_to_string(path)
                .with_context(|| format!("{} can't be read", path.display()))?,
        ),
        None => (!parts.is_empty()).then(|| part.list().to_owned()),
    };
    let folders = if parts.is_empty() {
        vec![folder.to_owned()]
    } else {
        parts
    };
    let mut wanted: Option<BTreeSet<String>> = list.map(|list| {
        list.split_whitespace()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    });
    let (mut demands, mut left_out) = (Vec::new(), Vec::new());
    for folder in folders {
        for source in read_folder(&folder)? {
            let source = source?;
            for series in source.series {
                let name = format!("{}/{}", source.name, series.name);
                if wanted.as_mut().is_some_and(|wanted| !wanted.remove(&name)) {
                    continue;
                }
                let cells = Cells::of(&series.timestamps_seconds, &series.cpu_percent);
                match Demand::new(&source.name, &series.name, cells) {
                    Ok(demand) => demands.push(demand),
                    Err(why) => left_out.push(format!("{name}: {why}")),
                }
            }
        }
    }
    let missing: Vec<String> = wanted.into_iter().flatten().collect();
    anyhow::ensure!(
        missing.is_empty(),
        "{} does not hold {}",
        folder.display(),
        missing.join(", ")
    );
    anyhow::ensure!(
        !demands.is_empty(),
        "{} holds no series that can be played; {}",
        folder.display(),
        left_out.first().map_or("it is empty", String::as_str)
    );
    Ok(Recordings { demands, left_out })
}
