//! The report as one page that needs nothing else: styles and drawings are in it, there are no scripts.

mod markup;
mod parts;
mod plot;
mod plots;

use super::{
    examples::Example,
    model::{ModelReport, Report},
    rows::find,
    table,
};
use markup::escape;
use parts::{legend, which};
use plot::Colour;
use plots::{SKILLS, example_plots, reliability, skill_plots};

const STYLE: &str = include_str!("html/page.css");

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
    body.push_str(&means(models));
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

fn headings() -> String {
    table::columns()
        .map(|column| {
            let meaning = escape(column.meaning);
            format!("<th title=\"{meaning}\">{}</th>", column.heading)
        })
        .collect()
}

/// One line for each model: the mean of its lines.
fn means(models: &[ModelReport]) -> String {
    let lines: String = models
        .iter()
        .enumerate()
        .map(|(index, model)| {
            let cells: String = table::columns()
                .map(|column| format!("<td>{}</td>", column.mean(&model.rows)))
                .collect();
            let name = format!("mean {}", which(models, index));
            format!("<tr><td>{}</td>{cells}</tr>\n", name.trim())
        })
        .collect();
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th></th>{}</tr></thead>\n<tbody>\n{lines}</tbody></table></div>\n\
         <details><summary>What the columns are</summary><ul>{}</ul></details>\n",
        headings(),
        table::columns()
            .map(|column| format!(
                "<li><b>{}</b> {}</li>",
                column.heading,
                escape(column.meaning)
            ))
            .collect::<String>()
    )
}

/// One line for each source, horizon and model.
fn scores(models: &[ModelReport]) -> String {
    let mut lines = String::new();
    let Some(first) = models.first() else {
        return lines;
    };
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
        "<div class=\"scroll\"><table>\n<thead><tr><th>source</th><th>min</th><th>n</th><th>series</th>{}</tr></thead>\n\
         <tbody>\n{lines}</tbody></table></div>\n",
        headings()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{examples::Point, testing::model};

    fn report() -> Report {
        Report {
            peers: Vec::new(),
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
