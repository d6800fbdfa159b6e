//! Others on the same origins, as text: ours, the best naive forecast, and those that were asked for.

use serde::Serialize;

use super::rows::{Row, find, rows};
use crate::{evaluate::peers::Peer, score::SeriesScore};

/// The scores of one.
#[derive(Clone, Debug, Serialize)]
pub struct PeerReport {
    pub peer: Peer,
    /// By source and horizon.
    pub rows: Vec<Row>,
}

impl PeerReport {
    /// From its scores.
    pub fn new(peer: Peer, scores: &[SeriesScore]) -> Self {
        Self {
            peer,
            rows: rows(scores),
        }
    }
}

/// A figure that all are compared by; the smaller the better.
struct Figure {
    heading: &'static str,
    of: fn(&Row) -> f64,
    /// That of the naive forecast which was best, or of the naive quantiles.
    naive: fn(&Row) -> f64,
}

const FIGURES: [Figure; 4] = [
    Figure {
        heading: "mae",
        of: |row| row.mae,
        naive: |row| row.best_naive_mae,
    },
    Figure {
        heading: "mase",
        of: |row| row.mase,
        naive: |row| row.mase * row.best_naive_mae / row.mae,
    },
    Figure {
        heading: "wql",
        of: |row| row.wql,
        naive: |row| row.wql * row.level.naive_pinball / row.level.pinball,
    },
    Figure {
        heading: "peak pinball",
        of: |row| row.peak.pinball,
        naive: |row| row.peak.naive_pinball,
    },
];

/// `ours` beside `peers`, one line for each source and horizon.
pub fn text(ours: &[Row], peers: &[PeerReport]) -> String {
    let names: Vec<&str> = ["ours", "naive"]
        .into_iter()
        .chain(peers.iter().map(|report| report.peer.name()))
        .collect();
    let width = 9 * names.len();
    let mut heading = format!("{:<22} {:>3} {:>7}", "source", "min", "n");
    let mut below = " ".repeat(heading.len());
    for figure in &FIGURES {
        heading.push_str(&format!(" |{:>width$}", figure.heading));
        below.push_str(" |");
        for name in &names {
            below.push_str(&format!("{name:>9}"));
        }
    }
    let mut lines = vec![
        "Beside forecasts that need no training; the smaller the better. naive: the best of the naive forecasts; of quantiles, \
         persistence and peak-hold with quantiles of their misses."
            .to_owned(),
        heading,
        below,
    ];
    for row in ours {
        let mut line = format!(
            "{:<22} {:>3} {:>7}",
            row.source,
            row.minutes(),
            row.forecasts
        );
        for figure in &FIGURES {
            line.push_str(" |");
            let theirs = peers.iter().map(|report| {
                find(&report.rows, &row.source, row.horizon_seconds).map_or(f64::NAN, figure.of)
            });
            for value in [(figure.of)(row), (figure.naive)(row)]
                .into_iter()
                .chain(theirs)
            {
                match value.is_finite() {
                    true => line.push_str(&format!("{value:>9.3}")),
                    false => line.push_str(&format!("{:>9}", "-")),
                }
            }
        }
        lines.push(line);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::model;

    #[test]
    fn all_stand_side_by_side_and_what_is_missing_is_a_dash() {
        let ours = model("m", &[("a", 900, 1.0), ("b", 900, 1.0)]);
        let theirs = model("p", &[("a", 900, 1.5)]);
        let peer = PeerReport {
            peer: Peer::Flair,
            rows: theirs.rows,
        };
        let text = text(&ours.rows, &[peer]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].contains("ours    naive    flair"), "{text}");
        let figures = |line: &str| -> Vec<String> {
            let figures = line.split('|').nth(1).unwrap().split_whitespace();
            figures.map(str::to_owned).collect()
        };
        assert_eq!(figures(lines[3]), ["1.000", "1.600", "1.500"], "{text}");
        assert_eq!(figures(lines[4]), ["1.000", "1.600", "-"], "{text}");
    }
}
