//! Stated probabilities against outcomes, as text: all sources together, by horizon.

use crate::score::{SeriesScore, reliability::Reliability};

/// As much may what was stated differ from what came, on average over all statements.
pub const LARGEST_ERROR: f64 = 0.03;

/// Of all sources at one horizon.
#[derive(Clone, Debug)]
pub struct Stated {
    horizon_seconds: u32,
    level: Reliability,
    peak: Reliability,
}

impl Stated {
    /// By horizon, ascending.
    pub fn new(scores: &[SeriesScore]) -> Vec<Self> {
        let mut horizons: Vec<u32> = scores.iter().map(|found| found.horizon_seconds).collect();
        horizons.sort_unstable();
        horizons.dedup();
        let of = |horizon_seconds: u32| {
            let mut all = Self {
                horizon_seconds,
                level: Reliability::default(),
                peak: Reliability::default(),
            };
            for found in scores {
                if found.horizon_seconds == horizon_seconds {
                    all.level.merge(&found.score.level.reliability);
                    all.peak.merge(&found.score.peak.reliability);
                }
            }
            all
        };
        horizons.into_iter().map(of).collect()
    }

    fn outputs(&self) -> [(&'static str, &Reliability); 2] {
        [("level", &self.level), ("peak", &self.peak)]
    }
}

/// Where the mean distance is above [`LARGEST_ERROR`], line by line.
pub fn unreliable(stated: &[Stated]) -> Vec<String> {
    let mut lines = Vec::new();
    for horizon in stated {
        for (name, reliability) in horizon.outputs() {
            let error = reliability.error();
            if error > LARGEST_ERROR {
                lines.push(format!(
                    "{name} at {} min: what was stated is off by {error:.3} on average",
                    horizon.horizon_seconds / 60
                ));
            }
        }
    }
    lines
}

/// As text: in each tenth of the stated probability, how often it came so.
pub fn text(stated: &[Stated]) -> String {
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
    for horizon in stated {
        for (name, reliability) in horizon.outputs() {
            let mut line = format!("{name:<5} {:>3}", horizon.horizon_seconds / 60);
            for tenth in &reliability.0 {
                let cell = match tenth.count {
                    0 => "-".to_owned(),
                    count => format!("{:.1}", 100.0 * tenth.came as f64 / count as f64),
                };
                line.push_str(&format!(" {cell:>6}"));
            }
            lines.push(format!("{line} | {:>6.3}", reliability.error()));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::testing, score::reliability::Tenth};

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
        let stated = Stated::new(&[found("a"), found("b")]);
        let text = text(&stated);
        assert!(text.contains("40.0") && text.contains("|  0.150"), "{text}");
        assert_eq!(
            unreliable(&stated),
            ["peak at 15 min: what was stated is off by 0.150 on average"]
        );
    }
}
