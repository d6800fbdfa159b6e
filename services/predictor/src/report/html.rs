//! The report as one page that needs nothing else: styles and drawings are in it, there are no scripts.

use super::{
    ModelReport, OutputRow, Report, Row, bounds,
    examples::Example,
    plot::{Band, Colour, Line, Plot},
    table::{self, find},
};

const STYLE: &str = include_str!("page.css");

/// A skill that is drawn against the horizon.
struct Skill {
    heading: &'static str,
    text: &'static str,
    of: fn(&Row) -> f64,
}

const SKILLS: [Skill; 4] = [
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

/// The page.
///
/// # Errors
/// When something can't be drawn.
pub fn page(report: &Report, examples: &[Example]) -> anyhow::Result<String> {
    let models = &report.models;
    let mut body = String::from("<h1>How good the forecasts are</h1>\n");
    body.push_str(
        "<p>Rolling origins over the last 40 % of each series, history up to each origin only. All skills are shares of the \
         reference’s loss that the model saves: 1 is perfect, 0 is no better, below 0 is worse.</p>\n",
    );
    body.push_str(&model_legend(models));
    body.push_str("<h2>Skill by horizon</h2>\n");
    for skill in &SKILLS {
        body.push_str(&skill_plots(models, skill)?);
    }
    body.push_str(&reliability(models)?);
    if !examples.is_empty() {
        body.push_str(&example_plots(examples)?);
    }
    body.push_str("<h2>All scores</h2>\n");
    body.push_str(&scores(models));
    for (index, model) in models.iter().enumerate() {
        if let Some(comparison) = &model.comparison {
            let which = which(models, index);
            body.push_str(&format!(
                "<h2>Against the reference {which}</h2>\n<pre>{}</pre>\n",
                escape(&comparison.text())
            ));
        }
    }
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Forecast scores</title>\n<style>\n{STYLE}</style>\n<body>\n{body}</body>\n</html>\n"
    ))
}

/// Text that is no markup.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn which(models: &[ModelReport], index: usize) -> String {
    match models.len() {
        1 => String::new(),
        _ => table::letter(index).to_string(),
    }
}

fn legend(entries: impl Iterator<Item = (Colour, String)>) -> String {
    let items: Vec<String> = entries
        .map(|(colour, text)| {
            let text = escape(&text);
            format!(
                "<li><i style=\"background:{}\"></i>{text}</li>",
                colour.css()
            )
        })
        .collect();
    format!("<ul class=\"legend\">{}</ul>\n", items.join(""))
}

fn model_legend(models: &[ModelReport]) -> String {
    legend(models.iter().enumerate().map(|(index, model)| {
        let text = format!(
            "{} {} ({} {}, sha256 {:.12})",
            which(models, index),
            model.model,
            model.name,
            model.version,
            model.sha256
        );
        (Colour::Series(index), text)
    }))
}

fn figure(title: &str, detail: &str, svg: &str) -> String {
    format!(
        "<figure><figcaption>{} <span>{}</span></figcaption>{svg}</figure>\n",
        escape(title),
        escape(detail)
    )
}

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
fn skill_plots(models: &[ModelReport], skill: &Skill) -> anyhow::Result<String> {
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
fn reliability(models: &[ModelReport]) -> anyhow::Result<String> {
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
                    colour: Colour::Grid,
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
         horizons. Above 0 the quantile is too high, below 0 too low; the band is two points wide on each side.</p>\n\
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

fn example_plots(examples: &[Example]) -> anyhow::Result<String> {
    let mut plots = String::new();
    for example in examples.iter().filter(|example| !example.points.is_empty()) {
        let points = &example.points;
        let of = |value: fn(&super::examples::Point) -> f64| {
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
        let detail = format!(
            "CPU in %, {} min ahead, by hours before the end",
            example.horizon_seconds / 60
        );
        plots.push_str(&figure(&title, &detail, &plot.svg()?));
    }
    let entries = [
        (Colour::Ink, "what came".to_owned()),
        (Colour::Series(0), "median, and q05 to q95".to_owned()),
    ];
    Ok(format!(
        "<h2>Examples</h2>\n<p>The first series of each source, as the first model would have forecast it from the week \
         before each origin.</p>\n{}<div class=\"plots wide\">\n{plots}</div>\n",
        legend(entries.into_iter())
    ))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// One line for each source, horizon and model.
fn scores(models: &[ModelReport]) -> String {
    let mut lines = String::new();
    let Some(first) = models.first() else {
        return lines;
    };
    let headings: String = table::columns()
        .map(|column| {
            format!(
                "<th title=\"{}\">{}</th>",
                escape(column.meaning),
                column.heading
            )
        })
        .collect();
    for row in &first.rows {
        for (index, model) in models.iter().enumerate() {
            let Some(found) = find(&model.rows, &row.source, row.horizon_seconds) else {
                continue;
            };
            let cells: String = table::columns()
                .map(|column| {
                    let class = if column.is_bad(found) {
                        " class=\"bad\""
                    } else {
                        ""
                    };
                    format!("<td{class}>{}</td>", column.cell(found))
                })
                .collect();
            let class = if index == 0 { " class=\"first\"" } else { "" };
            lines.push_str(&format!(
                "<tr{class}><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td>{cells}</tr>\n",
                escape(&row.source),
                which(models, index),
                row.minutes(),
                found.forecasts,
                found.series
            ));
        }
    }
    format!(
        "<p>{}</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>source</th><th>min</th><th>n</th><th>series</th>{headings}</tr></thead>\n<tbody>\n{lines}</tbody></table></div>\n",
        escape(&table::legend())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{examples::Point, testing::model};

    fn report() -> Report {
        Report {
            models: vec![
                model(
                    "good<script>",
                    &[("a", 900, 1.0), ("a", 3_600, 1.5), ("b", 900, 1.0)],
                ),
                model("bad", &[("a", 900, 3.0), ("a", 3_600, 3.0)]),
            ],
        }
    }

    #[test]
    fn the_page_stands_alone_and_follows_the_theme() {
        let points = [-1.0, -0.5, 0.0].map(|hours| Point {
            hours,
            actual: 10.0,
            low: 5.0,
            median: 9.0,
            high: if hours == 0.0 { f64::NAN } else { 20.0 },
        });
        let example = Example {
            source: "a".to_owned(),
            series: "x&y".to_owned(),
            horizon_seconds: 3_600,
            points: points.into_iter().collect(),
        };
        let page = page(&report(), &[example]).unwrap();
        assert!(!page.contains("<script"), "names are no markup");
        assert!(page.contains("good&lt;script&gt;") && page.contains("x&amp;y"));
        for outside in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
        // Two sources for each skill, level and peak of each model, one example.
        assert_eq!(page.matches("<svg").count(), SKILLS.len() * 2 + 4 + 1);
    }

    #[test]
    fn what_is_bad_is_marked() {
        let page = page(&report(), &[]).unwrap();
        assert!(
            page.contains("<td class=\"bad\">-0.500</td>"),
            "v pers of the bad model"
        );
        assert!(page.contains("<td>0.500</td>"), "v pers of the good one");
        assert!(!page.contains("<h2>Examples"));
    }
}
