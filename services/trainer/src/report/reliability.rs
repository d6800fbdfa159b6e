//! Stated probabilities against outcomes, as text: all sources together, by horizon.

use super::{bounds::outputs, rows::Row};

/// As much may what was stated differ from what came, on average over all statements.
pub const LARGEST_ERROR: f64 = 0.03;

/// Where the mean distance is above [`LARGEST_ERROR`] in `pooled`, the rows of all sources together, line by line.
pub fn unreliable(pooled: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for row in pooled {
        for (name, output) in outputs(row) {
            let error = output.reliability_error;
            if error > LARGEST_ERROR {
                lines.push(format!(
                    "{name} at {} min: what was stated is off by {error:.3} on average",
                    row.minutes()
                ));
            }
        }
    }
    lines
}

/// The same rows as text: in each tenth of the stated probability, how often it came so.
pub fn text(pooled: &[Row]) -> String {
    let mut heading = format!("{:<5} {:>3}", "", "min");
    for tenth in 0..10 {
        heading.push_str(&format!(
            " {:>6}",
            format!("{}-{} %", tenth * 10, tenth * 10 + 10)
        ));
    }
    let mut lines = vec![
        "how often the CPU passed a level that the forecast called as likely, percent; \
         levels are quantiles of each series' past"
            .to_owned(),
        format!("{heading} |    off"),
    ];
    for row in pooled {
        for (name, output) in outputs(row) {
            let mut line = format!("{name:<5} {:>3}", row.minutes());
            for tenth in &output.reliability {
                let cell = match tenth.statements {
                    0 => "-".to_owned(),
                    _ => format!("{:.1}", 100.0 * tenth.came),
                };
                line.push_str(&format!(" {cell:>6}"));
            }
            lines.push(format!("{line} | {:>6.3}", output.reliability_error));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{rows::pooled, testing},
        score::{SeriesScore, reliability::Tenth},
    };

    #[test]
    fn tenths_of_all_sources_are_summed_and_judged() {
        let mut score = testing::score(1.0);
        score.peak.reliability.0[2] = Tenth {
            count: 50,
            stated: 12.5,
            came: 20,
        };
        let found = |source: &str| SeriesScore {
            source: source.to_owned(),
            series: "one".to_owned(),
            horizon_seconds: 900,
            score: score.clone(),
        };
        let pooled = pooled(&[found("a"), found("b")]);
        let text = text(&pooled);
        assert!(text.contains("40.0") && text.contains("|  0.150"), "{text}");
        assert_eq!(
            unreliable(&pooled),
            ["peak at 15 min: what was stated is off by 0.150 on average"]
        );
    }
}
