//! Scores as a table for people: one line for each source and horizon, models side by side.

use super::{
    bounds,
    model::ModelReport,
    rows::{Row, find},
};

/// A score with its heading.
pub struct Column {
    pub heading: &'static str,
    /// What it is, for a legend.
    pub meaning: &'static str,
    decimals: usize,
    value: fn(&Row) -> f64,
    worth: Worth,
}

/// When a value is worth a second look.
#[derive(Clone, Copy)]
enum Worth {
    Nothing,
    /// Below 0.
    Skill,
    /// Outside of its bounds; which of [`bounds::COVERAGE`].
    Coverage(usize),
}

const COLUMNS: [Column; 16] = [
    Column {
        heading: "mae",
        meaning: "mean absolute error of the median, percent of capacity",
        decimals: 3,
        value: |row| row.mae,
        worth: Worth::Nothing,
    },
    Column {
        heading: "mase",
        meaning: "mae over the mean change from day to day before the scored part (MASE)",
        decimals: 3,
        value: |row| row.mase,
        worth: Worth::Nothing,
    },
    Column {
        heading: "wql",
        meaning: "weighted quantile loss of the level: twice its pinball loss over the mean of what came",
        decimals: 3,
        value: |row| row.wql,
        worth: Worth::Nothing,
    },
    skill("v pers", "1 - mae over that of persistence", |row| {
        row.skill_persistence
    }),
    skill(
        "v best",
        "1 - mae over that of the best naive forecast",
        |row| row.skill_best_naive,
    ),
    Column {
        heading: "behind",
        meaning: "series on which persistence was better",
        decimals: 0,
        value: |row| f64::from(row.series_behind_persistence),
        worth: Worth::Nothing,
    },
    skill(
        "level",
        "1 - pinball loss of the level's quantiles over that of persistence with empirical quantiles",
        |row| row.level.pinball_skill,
    ),
    skill(
        "peak",
        "1 - pinball loss of the peak's quantiles over that of peak-hold with empirical quantiles",
        |row| row.peak.pinball_skill,
    ),
    skill("pk q90", "the same of the peak's q90 alone", |row| {
        row.peak.skill_at(0.9)
    }),
    skill("pk q95", "the same of the peak's q95 alone", |row| {
        row.peak.skill_at(0.95)
    }),
    coverage("c90", "share of outcomes at or below q90", 0, |row| {
        row.level.coverage_at(0.9)
    }),
    coverage("c95", "share of outcomes at or below q95", 1, |row| {
        row.level.coverage_at(0.95)
    }),
    coverage("pc90", "share of peaks at or below q90", 0, |row| {
        row.peak.coverage_at(0.9)
    }),
    coverage("pc95", "share of peaks at or below q95", 1, |row| {
        row.peak.coverage_at(0.95)
    }),
    Column {
        heading: "width",
        meaning: "mean distance from q05 to q95 of the level",
        decimals: 2,
        value: |row| row.level.width,
        worth: Worth::Nothing,
    },
    Column {
        heading: "nwidth",
        meaning: "that of the naive reference",
        decimals: 2,
        value: |row| row.level.naive_width,
        worth: Worth::Nothing,
    },
];

/// Only when asked for: the model before the series' own past had a say.
const ALONE: [Column; 3] = [
    skill(
        "alone",
        "v pers of the model alone, before the series' own past has a say",
        |row| row.skill_persistence_model_alone,
    ),
    skill("al q90", "pk q90 of the model alone", |row| alone(row, 0.9)),
    skill("al q95", "pk q95 of the model alone", |row| {
        alone(row, 0.95)
    }),
];

const fn skill(heading: &'static str, meaning: &'static str, value: fn(&Row) -> f64) -> Column {
    Column {
        heading,
        meaning,
        decimals: 3,
        value,
        worth: Worth::Skill,
    }
}

const fn coverage(
    heading: &'static str,
    meaning: &'static str,
    bound: usize,
    value: fn(&Row) -> f64,
) -> Column {
    Column {
        heading,
        meaning,
        decimals: 3,
        value,
        worth: Worth::Coverage(bound),
    }
}

fn alone(row: &Row, q: f64) -> f64 {
    row.peak.at(q).map_or(f64::NAN, |row| row.skill_model_alone)
}

impl Column {
    /// What stands in a row.
    pub fn cell(&self, row: &Row) -> String {
        self.shown((self.value)(row))
    }

    /// Whether that is worth a second look.
    pub fn is_bad(&self, row: &Row) -> bool {
        let value = (self.value)(row);
        match self.worth {
            Worth::Nothing => false,
            Worth::Skill => value < 0.0,
            Worth::Coverage(bound) => !bounds::COVERAGE[bound].within.contains(&value),
        }
    }

    /// The mean over `rows`.
    pub fn mean(&self, rows: &[Row]) -> String {
        let sum: f64 = rows.iter().map(self.value).sum();
        self.shown(sum / rows.len() as f64)
    }

    fn shown(&self, value: f64) -> String {
        match value.is_nan() {
            true => "-".to_owned(),
            false => format!("{value:.*}", self.decimals),
        }
    }
}

/// The columns that every table has.
pub fn columns() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter()
}

/// The letter that stands for a model in headings.
pub fn letter(model: usize) -> char {
    char::from(b'A' + (model % 26) as u8)
}

/// The scores of `models` on the same series. `with_alone` adds those of the models by themselves.
pub fn table(models: &[ModelReport], with_alone: bool) -> String {
    let Some(first) = models.first() else {
        return String::new();
    };
    let several = models.len() > 1;
    let mut lines: Vec<String> = models
        .iter()
        .enumerate()
        .map(|(index, model)| {
            let which = match several {
                true => format!("{}: ", letter(index)),
                false => String::new(),
            };
            let ModelReport {
                model,
                name,
                version,
                sha256,
                ..
            } = model;
            format!("{which}{model} ({name} {version}, sha256 {sha256:.12})")
        })
        .collect();
    let columns: Vec<&Column> = match with_alone {
        true => COLUMNS.iter().chain(&ALONE).collect(),
        false => COLUMNS.iter().collect(),
    };
    let mut heading = format!("{:<22} {:>3} {:>7} {:>6}", "source", "min", "n", "series");
    let mut letters = " ".repeat(heading.len());
    for column in &columns {
        let width = 7 * models.len();
        heading.push_str(&format!(" |{:>width$}", column.heading));
        letters.push_str(" |");
        for model in 0..models.len() {
            letters.push_str(&format!("{:>7}", letter(model)));
        }
    }
    lines.push(heading);
    if several {
        lines.push(letters);
    }
    for row in &first.rows {
        let mut line = format!(
            "{:<22} {:>3} {:>7} {:>6}",
            row.source,
            row.minutes(),
            row.forecasts,
            row.series
        );
        for column in &columns {
            line.push_str(" |");
            for model in models {
                let found = find(&model.rows, &row.source, row.horizon_seconds);
                let cell = found.map_or("-".to_owned(), |row| column.cell(row));
                line.push_str(&format!("{cell:>7}"));
            }
        }
        lines.push(line);
    }
    let mut mean = format!("{:<41}", "mean of the lines");
    for column in &columns {
        mean.push_str(" |");
        for model in models {
            mean.push_str(&format!("{:>7}", column.mean(&model.rows)));
        }
    }
    lines.push(mean);
    lines.push(String::new());
    for column in &columns {
        lines.push(format!("{:<7} {}", column.heading, column.meaning));
    }
    lines.join("\n")
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
        assert!(
            lines[2].contains("|  1.000 |  0.250 |  0.050 |  0.500 |  0.375 |"),
            "{one}"
        );
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

    #[test]
    fn what_is_worth_a_second_look_is_known() {
        let mut row = model("m", &[("a", 900, 3.0)]).rows.remove(0);
        row.peak.quantiles[2].coverage = 0.93;
        let bad: Vec<&str> = columns()
            .filter(|column| column.is_bad(&row))
            .map(|column| column.heading)
            .collect();
        assert_eq!(
            bad,
            [
                "v pers", "v best", "level", "peak", "pk q90", "pk q95", "pc90"
            ]
        );
    }
}
