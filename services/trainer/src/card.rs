//! `MODEL_CARD.md`: the manifest in words. Says nothing that the manifest doesn't, so the same artifact has the same card.

use std::fmt::Write as _;

use forecasting::artifact::manifest::{HeldOut, Manifest, Output};

use crate::score::Score;

/// Its name within an artifact.
pub const FILE: &str = "MODEL_CARD.md";

/// The card of an artifact, Markdown.
pub fn render(manifest: &Manifest) -> String {
    let mut card = String::new();
    let mut part = |text: String| {
        card.push_str(&text);
        card.push('\n');
    };
    part(purpose(manifest));
    part(contract(manifest));
    part(training(manifest));
    part(held_out(manifest));
    part(LIMITS.to_owned());
    part(reproduction(manifest));
    card.truncate(card.trim_end().len());
    card.push('\n');
    card
}

fn purpose(manifest: &Manifest) -> String {
    let count = |output| {
        let of = manifest
            .models
            .iter()
            .filter(|model| model.output == output);
        of.count()
    };
    format!(
        "# Model card: {} {}\n
Forecasts the CPU of one machine as a distribution, from its own history: how high it will be at a horizon, and how high
at most until then. Made for deciding whether an instance should become larger or smaller before it has to.\n
{} XGBoost models (gradient-boosted trees), one for each quantile: {} for CPU at the horizon, {} for its peak up to there.
They see {} features of the history, relative to its last value and scaled by how much it moves, so that one model serves
all machines. When it serves, the recent past of each series judges it: a naive forecast gets the weight that it earned,
and quantiles that missed too often are moved.\n",
        manifest.name,
        manifest.version,
        manifest.models.len(),
        count(Output::Level),
        count(Output::Peak),
        manifest.features.len(),
    )
}

fn contract(manifest: &Manifest) -> String {
    let minutes: Vec<f64> = manifest
        .horizons_seconds
        .iter()
        .map(|seconds| f64::from(*seconds) / 60.0)
        .collect();
    format!(
        "## Input and output\n
| | what | unit |
|---|---|---|
| in | time of each sample | seconds since the Unix epoch |
| in | CPU in use at that time | percent of capacity, or vCPU with the capacity given |
| in | history: at least {} s, better two days, a week where weeks differ | |
| in | step: samples are averaged onto a grid of {} s; at most 600 s apart | |
| out | CPU at {} minutes | that of the input, 0 to capacity |
| out | highest CPU up to there | that of the input, 0 to capacity |
| out | quantiles {} of both, never decreasing | |
| out | basis: the model, mixed, or naive; and why | |\n
Outside of that (short history, unknown step, mostly gaps) the answer is persistence with quantiles of past changes, and
says so.\n",
        manifest.least_history_seconds,
        list(&manifest.steps_seconds, " or "),
        list(&minutes, ", "),
        list(&manifest.quantiles, ", "),
    )
}

fn training(manifest: &Manifest) -> String {
    let training = &manifest.training;
    let mut text = format!(
        "## Training data\n
The first {:.0} % of the observations of each series. Some machines of each source were kept apart to correct the quantiles. Rows
come from weighted means of two of the others, too.\n
| source | series | rows | origin and licence |
|---|---|---|---|
",
        training.share * 100.0
    );
    for source in &training.sources {
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            cell(&source.name),
            source.series,
            source.rows,
            cell(&source.licence)
        );
    }
    text
}

fn held_out(manifest: &Manifest) -> String {
    if manifest.held_out.is_empty() {
        return "## Held-out scores\n\nNone were recorded.\n".to_owned();
    }
    let mut text = format!(
        "## Held-out scores\n
The last {:.0} % of the observations of the same series, history up to each forecast only; idle series (standard deviation below 0.3 %)
are left out. MAE in percent of capacity, of the median. Skill is 1 - loss / loss of the reference: MAE against
persistence and against the best of persistence, 12-point mean, weighted mean and same time yesterday; pinball over all
quantiles, and of the peak's q90 and q95, against persistence and peak-hold with quantiles of what they missed by in the
last week. Width is the mean distance from q05 to q95 of the level.\n
| source | min | forecasts | MAE | persistence | best naive | skill | v best | pinball | peak q90 | peak q95 | width |
|---|---|---|---|---|---|---|---|---|---|---|---|
",
        (1.0 - manifest.training.share) * 100.0
    );
    for row in &manifest.held_out {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {} | {:.3} | {:.3} | {} |",
            row.source,
            row.horizon_seconds / 60,
            row.forecasts,
            row.mae,
            row.persistence_mae,
            row.best_naive_mae,
            Score::skill(row.mae, row.persistence_mae),
            Score::skill(row.mae, row.best_naive_mae),
            known(row.pinball_skill, 3),
            row.peak_q90_skill,
            row.peak_q95_skill,
            known(row.width, 2),
        );
    }
    text.push_str(
        "\nCoverage: the share of outcomes at or below a quantile; what it should be stands in the heading.\n
| source | min | level 0.90 | level 0.95 | peak 0.90 | peak 0.95 |
|---|---|---|---|---|---|
",
    );
    for row in &manifest.held_out {
        let _ = writeln!(
            text,
            "| {} | {} | {:.3} | {} | {:.3} | {:.3} |",
            row.source,
            row.horizon_seconds / 60,
            row.coverage_q90,
            known(row.coverage_q95, 3),
            row.peak_coverage_q90,
            row.peak_coverage_q95,
        );
    }
    let _ = write!(text, "\n{}\n", weaknesses(&manifest.held_out));
    text
}

/// Where a forecast without a model would have been better.
fn weaknesses(rows: &[HeldOut]) -> String {
    let lost = |against: fn(&HeldOut) -> bool| {
        let lost = rows.iter().filter(|row| against(row));
        let named = lost.map(|row| format!("{} at {} min", row.source, row.horizon_seconds / 60));
        named.collect::<Vec<_>>().join(", ")
    };
    let medians = lost(|row| row.mae > row.best_naive_mae);
    let quantiles = lost(|row| row.pinball_skill.is_some_and(|skill| skill < 0.0));
    let mut lines = Vec::new();
    if !medians.is_empty() {
        lines.push(format!(
            "A naive forecast had the better median on: {medians}."
        ));
    }
    if !quantiles.is_empty() {
        lines.push(format!("Naive quantiles were better on: {quantiles}."));
    }
    match lines.is_empty() {
        true => "Nowhere in this table was a naive forecast better.".to_owned(),
        false => lines.join("\n"),
    }
}

const LIMITS: &str = "\
## Limits

- It knows nothing but the series: a deployment, a campaign, an incident without precedent in the history is not foreseen.
- It looks no further than its last horizon, and does not say when a peak begins, only how high it gets until then.
- Percent mean nothing across sizes: after a resize the caller has to express the history in the capacity of now.
- At 95 % and above CPU is a lower bound of demand; so is what was learned from it.
- Coverage holds on average over forecasts and machines; a single machine can be off for days, more so with a short
  history.
- It learned from the sources above. Other machines may behave differently: score it on your own data before you trust it
  (`trainer evaluate`), and look at the error that it reports with each forecast.
- Samples more than 600 s apart, and histories of mostly gaps, get the naive forecast.
";

fn reproduction(manifest: &Manifest) -> String {
    let training = &manifest.training;
    let arguments = match training.arguments.is_empty() {
        true => format!("--seed {} --threads {}", training.seed, training.threads),
        false => training.arguments.join(" "),
    };
    format!(
        "## Reproduce\n
```sh
trainer train --data DIR --out DIR {arguments}
```\n
The same data, arguments and program give the same bytes in every file of this folder. `manifest.json` holds what a
program needs of all this, the SHA-256 of each model file, and rows whose predictions are checked before it is served.\n",
    )
}

fn known(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

fn list<T: ToString>(values: &[T], between: &str) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use forecasting::artifact::{Artifact, Location, manifest::Source};

    fn manifest() -> Manifest {
        Artifact::open(&Location::Embedded, 1).unwrap().manifest
    }

    #[test]
    fn the_card_says_what_the_manifest_says() {
        let mut manifest = manifest();
        manifest.training.arguments = vec!["--seed 7".to_owned(), "--trees 3".to_owned()];
        manifest.training.sources.push(Source {
            name: "mine".to_owned(),
            series: 3,
            rows: 17,
            licence: "none | of yours".to_owned(),
        });
        manifest.held_out[0].source = "mine".to_owned();
        manifest.held_out[0].mae = 2.0;
        manifest.held_out[0].persistence_mae = 4.0;
        manifest.held_out[0].best_naive_mae = 1.0;
        manifest.held_out[0].pinball_skill = None;
        manifest.held_out[1].source = "other".to_owned();
        manifest.held_out[1].pinball_skill = Some(-0.1);
        let card = render(&manifest);
        let minutes = manifest.held_out[0].horizon_seconds / 60;
        for expected in [
            &format!("# Model card: {} {}\n", manifest.name, manifest.version),
            "| mine | 3 | 17 | none \\| of yours |",
            "| 2.000 | 4.000 | 1.000 | 0.500 | -1.000 | - |",
            &format!("better median on: mine at {minutes} min"),
            "Naive quantiles were better on: other at",
            "trainer train --data DIR --out DIR --seed 7 --trees 3\n",
            "| out | CPU at 5, 15, 30, 60, 180, 360 minutes |",
        ] {
            assert!(card.contains(expected), "{card}\nlacks {expected:?}");
        }
        assert_eq!(card, render(&manifest));
        manifest.held_out.clear();
        assert!(render(&manifest).contains("None were recorded."));
    }

    #[test]
    fn without_losses_the_card_says_so() {
        let mut rows = manifest().held_out;
        for row in &mut rows {
            row.mae = row.best_naive_mae;
            row.pinball_skill = Some(0.0);
        }
        assert!(weaknesses(&rows).starts_with("Nowhere"));
    }
}
