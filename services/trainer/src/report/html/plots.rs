//! The drawings of the page: skill by horizon, calibration, examples.

use super::{
    parts::{figure, legend, which},
    plot::{Band, Colour, Line, Plot},
};
use crate::report::{
    bounds,
    examples::{Example, Point},
    model::ModelReport,
    rows::{OutputRow, Row, find},
};

/// A skill that is drawn against the horizon.
pub struct Skill {
    heading: &'static str,
    text: &'static str,
    of: fn(&Row) -> f64,
}

pub const SKILLS: [Skill; 4] = [
    Skill {
        heading: "Median against persistence",
        text: "1 − MAE / MAE of “as now”. Up to 0.28 of it is what averaging white noise gives.",
        of: |row| row.skill_persistence,
    },
    Skill {
        heading: "Median against the best naive forecast",
        text: "1 − MAE / MAE of the best of persistence, mean of 12 points, weighted mean and same time yesterday.",
        of: |row| row.skill_best_naive,
    },
    Skill {
        heading: "Quantiles of the level",
        text: "1 − pinball loss / that of persistence with quantiles of what it missed by in the last week.",
        of: |row| row.level.pinball_skill,
    },
    Skill {
        heading: "q95 of the peak",
        text: "1 − pinball loss / that of peak-hold with a quantile of what it missed by in the last week. Sizing rests on it.",
        of: |row| row.peak.skill_at(0.95),
    },
];

/// Sources in the order of the rows.
fn sources(rows: &[Row]) -> Vec<&str> {
    let mut names: Vec<&str> = rows.iter().map(|row| row.source.as_str()).collect();
    names.dedup();
    names
}

fn horizons(models: &[ModelReport]) -> Vec<u32> {
    let rows = models.iter().flat_map(|model| &model.rows);
    let mut horizons: Vec<u32> = rows.map(|row| row.horizon_seconds).collect();
    horizons.sort_unstable();
    horizons.dedup();
    horizons
}

/// One small plot for each source, all with the same scale.
pub fn skill_plots(models: &[ModelReport], skill: &Skill) -> anyhow::Result<String> {
    let horizons = horizons(models);
    let all = models
        .iter()
        .flat_map(|model| model.rows.iter().map(skill.of));
    let (low, high) = all
        .filter(|value| value.is_finite())
        .fold((0.0_f64, 0.3_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    let y = (low - 0.05).max(-0.6)..(high + 0.05).min(1.0);
    let mut plots = String::new();
    let Some(first) = models.first() else {
        return Ok(plots);
    };
    for source in sources(&first.rows) {
        let lines = models.iter().enumerate().map(|(index, model)| Line {
            colour: Colour::Series(index),
            points: horizons
                .iter()
                .enumerate()
                .map(|(position, horizon)| {
                    let row = find(&model.rows, source, *horizon);
                    (position as f64, row.map_or(f64::NAN, skill.of))
                })
                .collect(),
            marked: true,
        });
        let plot = Plot {
            label: format!("{}, {source}, by horizon in minutes", skill.heading),
            size: (360, 190),
            x: -0.2..horizons.len() as f64 - 0.8,
            y: y.clone(),
            x_names: horizons
                .iter()
                .map(|horizon| format!("{} min", horizon / 60))
                .collect(),
            x_ticks: horizons.len(),
            y_decimals: 1,
            bands: Vec::new(),
            rules: vec![0.0],
            lines: lines.collect(),
        };
        let rows = first.rows.iter().filter(|row| row.source == source);
        let (series, forecasts) = rows.fold((0, 0), |(series, forecasts), row| {
            (series.max(row.series), forecasts + row.forecasts)
        });
        let detail = format!("{series} series, {forecasts} forecasts");
        plots.push_str(&figure(source, &detail, &plot.svg()?));
    }
    Ok(format!(
        "<h3>{}</h3>\n<p>{}</p>\n<div class=\"plots\">\n{plots}</div>\n",
        skill.heading, skill.text
    ))
}

/// Observed minus promised coverage for each quantile: one plot for each model and output, one line for each source.
pub fn reliability(models: &[ModelReport]) -> anyhow::Result<String> {
    let mut plots = String::new();
    for (index, model) in models.iter().enumerate() {
        for output in 0..2 {
            let Some(row) = model.rows.first() else {
                continue;
            };
            let (name, first) = bounds::outputs(row)[output];
            let quantiles: Vec<f64> = first.quantiles.iter().map(|row| row.quantile).collect();
            let lines: Vec<Line> = sources(&model.rows)
                .into_iter()
                .enumerate()
                .map(|(number, source)| Line {
                    colour: Colour::Series(number),
                    points: quantiles
                        .iter()
                        .enumerate()
                        .map(|(position, q)| {
                            let of = model.rows.iter().filter(|row| row.source == source);
                            let rows = of.map(|row| bounds::outputs(row)[output].1);
                            (position as f64, mean_coverage(rows, *q) - q)
                        })
                        .collect(),
                    marked: true,
                })
                .collect();
            let last = quantiles.len() as f64 - 1.0;
            let plot = Plot {
                label: format!("Observed minus promised coverage of the {name} by quantile"),
                size: (540, 260),
                x: -0.3..last + 0.3,
                y: -0.15..0.15,
                x_names: quantiles.iter().map(ToString::to_string).collect(),
                x_ticks: quantiles.len() + 1,
                y_decimals: 2,
                bands: vec![Band {
                    colour: Colour::Ink,
                    edges: vec![(-0.3, -0.02, 0.02), (last + 0.3, -0.02, 0.02)],
                }],
                rules: vec![0.0],
                lines,
            };
            let title = format!("{} {name}", which(models, index));
            plots.push_str(&figure(
                title.trim(),
                "observed − promised, by quantile",
                &plot.svg()?,
            ));
        }
    }
    let names = models
        .first()
        .map(|model| sources(&model.rows))
        .unwrap_or_default();
    let entries = names.into_iter().enumerate();
    let legend = legend(entries.map(|(index, source)| (Colour::Series(index), source.to_owned())));
    Ok(format!(
        "<h2>Calibration</h2>\n<p>The share of outcomes at or below each quantile, minus what it promises, mean over \
         horizons. Above 0 the quantile is too high, below 0 too low; the band is two points wide on each side, and what lies \
         further off is drawn at the edge. Ties count: machines that rest at one value cover more than a low quantile promises.</p>\n\
         {legend}<div class=\"plots wide\">\n{plots}</div>\n"
    ))
}

fn mean_coverage<'a>(rows: impl Iterator<Item = &'a OutputRow>, q: f64) -> f64 {
    let (sum, count) = rows
        .map(|row| row.coverage_at(q))
        .fold((0.0, 0.0), |(sum, count), covered| {
            (sum + covered, count + 1.0)
        });
    sum / count
}

pub fn example_plots(examples: &[Example]) -> anyhow::Result<String> {
    let mut plots = String::new();
    for example in examples.iter().filter(|example| !example.points.is_empty()) {
        let points = &example.points;
        let of = |value: fn(&Point) -> f64| {
            points
                .iter()
                .map(|point| (point.hours, value(point)))
                .collect()
        };
        let highest = points
            .iter()
            .flat_map(|point| [point.actual, point.high])
            .fold(5.0, f64::max);
        let plot = Plot {
            label: format!("Forecasts and outcomes of one series of {}", example.source),
            size: (540, 230),
            x: points[0].hours..0.0,
            y: 0.0..(highest * 1.08).min(100.0),
            x_names: Vec::new(),
            x_ticks: 8,
            y_decimals: 0,
            bands: vec![Band {
                colour: Colour::Series(0),
                edges: points
                    .iter()
                    .filter(|point| !point.low.is_nan())
                    .map(|point| (point.hours, point.low, point.high))
                    .collect(),
            }],
            rules: Vec::new(),
            lines: vec![
                Line {
                    colour: Colour::Ink,
                    points: of(|point| point.actual),
                    marked: false,
                },
                Line {
                    colour: Colour::Series(0),
                    points: of(|point| point.median),
                    marked: false,
                },
            ],
        };
        let title = format!("{} · {}", example.source, shortened(&example.series));
        let detail = format!("{} min ahead", example.horizon_seconds / 60);
        plots.push_str(&figure(&title, &detail, &plot.svg()?));
    }
    let entries = [
        (Colour::Ink, "what came".to_owned()),
        (Colour::Series(0), "median, and q05 to q95".to_owned()),
    ];
    Ok(format!(
        "<h2>Examples</h2>\n<p>The first series of each source, as the first model would have forecast it from the week \
         before each origin. CPU in percent of capacity, by hours before the end of the series.</p>\n{}<div class=\"plots wide\">\n{plots}</div>\n",
        legend(entries.into_iter())
    ))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
