//! Scores as a table for people: one line for each source and horizon, models side by side.

use super::{ModelReport, Row};

/// A column that every model has: its heading, and what stands in it.
struct Column {
    heading: &'static str,
    decimals: usize,
    value: fn(&Row) -> f64,
}

const COLUMNS: [Column; 14] = [
    column("mae", |row| row.mae),
    column("v pers", |row| row.skill_persistence),
    column("v best", |row| row.skill_best_naive),
    Column {
        heading: "behind",
        decimals: 0,
        value: |row| f64::from(row.series_behind_persistence),
    },
    column("level", |row| row.level.pinball_skill),
    column("peak", |row| row.peak.pinball_skill),
    column("pk q90", |row| row.peak.skill_at(0.9)),
    column("pk q95", |row| row.peak.skill_at(0.95)),
    column("c90", |row| row.level.coverage_at(0.9)),
    column("c95", |row| row.level.coverage_at(0.95)),
    column("pc90", |row| row.peak.coverage_at(0.9)),
    column("pc95", |row| row.peak.coverage_at(0.95)),
    Column {
        heading: "width",
        decimals: 2,
        value: |row| row.level.width,
    },
    Column {
        heading: "nwidth",
        decimals: 2,
        value: |row| row.level.naive_width,
    },
];

/// Only with `alone`: the model before the series' own past had a say.
const ALONE: [Column; 3] = [
    column("alone", |row| row.skill_persistence_model_alone),
    column("al q90", |row| alone(row, 0.9)),
    column("al q95", |row| alone(row, 0.95)),
];

const LEGEND: &str = "\
mae: mean absolute error of the median, percent of capacity; v pers, v best: 1 - mae over that of persistence, of the best
naive forecast; behind: series on which persistence was better; level, peak, pk q90, pk q95: 1 - pinball loss over that of
persistence and peak-hold with empirical quantiles; c90, c95, pc90, pc95: share of outcomes and of peaks at or below that
quantile; width, nwidth: mean distance from q05 to q95 of the level, of the model and of the naive reference";

const LEGEND_ALONE: &str = "\
alone, al q90, al q95: v pers, pk q90, pk q95 of the model before the series' own past had a say";

const fn column(heading: &'static str, value: fn(&Row) -> f64) -> Column {
    Column {
        heading,
        decimals: 3,
        value,
    }
}

fn alone(row: &Row, q: f64) -> f64 {
    row.peak.at(q).map_or(f64::NAN, |row| row.skill_model_alone)
}

/// The letter that stands for a model in headings.
pub fn letter(model: usize) -> char {
    char::from(b'A' + (model % 26) as u8)
}

/// The scores of `models` on the same series. `alone` adds those of the models by themselves.
pub fn table(models: &[ModelReport], with_alone: bool) -> String {
    let mut lines = Vec::new();
    let several = models.len() > 1;
    for (index, model) in models.iter().enumerate() {
        let which = match several {
            true => format!("{}: ", letter(index)),
            false => String::new(),
        };
        lines.push(format!(
            "{which}{} ({} {}, sha256 {:.12})",
            model.model, model.name, model.version, model.sha256
        ));
    }
    let columns: Vec<&Column> = match with_alone {
        true => COLUMNS.iter().chain(&ALONE).collect(),
        false => COLUMNS.iter().collect(),
    };
    let mut heading = format!("{:<22} {:>3} {:>7} {:>6}", "source", "min", "n", "series");
    for column in &columns {
        let width = 7 * models.len();
        heading.push_str(&format!(" |{:>width$}", column.heading));
    }
    lines.push(heading);
    if several {
        let mut letters = " ".repeat(41);
        for _ in &columns {
            letters.push_str(" |");
            for model in 0..models.len() {
                letters.push_str(&format!("{:>7}", letter(model)));
            }
        }
        lines.push(letters);
    }
    let Some(first) = models.first() else {
        return String::new();
    };
    for row in &first.rows {
        let mut line = format!(
            "{:<22} {:>3} {:>7} {:>6}",
            row.source,
            row.minutes(),
            row.forecasts,
            row.series
        );
        for column in &columns {
            let cells = models.iter().map(|model| {
                find(&model.rows, &row.source, row.horizon_seconds)
                    .map_or(f64::NAN, |row| (column.value)(row))
            });
            push(&mut line, column, cells);
        }
        lines.push(line);
    }
    let mut mean = format!("{:<41}", "mean of the lines");
    for column in &columns {
        let cells = models.iter().map(|model| {
            let sum: f64 = model.rows.iter().map(column.value).sum();
            sum / model.rows.len() as f64
        });
        push(&mut mean, column, cells);
    }
    lines.push(mean);
    lines.push(String::new());
    lines.push(LEGEND.to_owned());
    if with_alone {
        lines.push(LEGEND_ALONE.to_owned());
    }
    lines.join("\n")
}

fn push(line: &mut String, column: &Column, cells: impl Iterator<Item = f64>) {
    line.push_str(" |");
    for value in cells {
        match value.is_nan() {
            true => line.push_str("      -"),
            false => line.push_str(&format!("{value:>7.*}", column.decimals)),
        }
    }
}

/// The row of a source at a horizon.
pub fn find<'a>(rows: &'a [Row], source: &str, horizon_seconds: u32) -> Option<&'a Row> {
    rows.iter()
        .find(|row| row.source == source && row.horizon_seconds == horizon_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::model;

    #[test]
    fn models_stand_side_by_side_and_missing_rows_are_dashes() {
        let one = table(&[model("good", &[("a", 900, 1.0)])], false);
        let lines: Vec<&str> = one.lines().collect();
        assert!(lines[0].starts_with("good ("), "{one}");
        assert!(lines[1].contains("v best"), "{one}");
        // An error of 1 against persistence's 2.
        assert!(lines[2].contains("|  1.000 |  0.500 |  0.375 |"), "{one}");
        let two = table(
            &[
                model("good", &[("a", 900, 1.0), ("b", 900, 1.0)]),
                model("bad", &[("a", 900, 3.0)]),
            ],
            true,
        );
        let lines: Vec<&str> = two.lines().collect();
        assert!(lines[0].starts_with("A: good") && lines[1].starts_with("B: bad"));
        assert!(lines[3].contains("      A      B |"), "{two}");
        assert!(lines[4].contains("|  1.000  3.000 |"), "{two}");
        assert!(lines[5].contains("|  1.000      - |"), "{two}");
        let widths: Vec<usize> = lines[2..7].iter().map(|line| line.len()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{two}");
    }
}
