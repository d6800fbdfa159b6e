//! Gradient boosting for a quantile: each tree is grown on the gradient of the pinball loss, then each leaf is set to
//! the quantile of the residuals that fall into it.
//!
//! XGBoost 1.6.2 has neither the absolute nor the pinball loss. Growing by gradient and refitting the leaves is what
//! later versions do for the absolute loss (and Friedman, 2001, "Greedy function approximation", algorithm 3).

use forecasting::artifact::booster::{BoosterError, Grower};
use indicatif::ProgressBar;
use serde_json::{Value, json};

/// How one model is trained.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Which quantile; 0.5 is the absolute loss.
    pub quantile: f64,
    /// Trees.
    pub trees: u32,
    /// Share of each tree's correction that is taken.
    pub rate: f32,
    /// Seed for the features that each tree may use.
    pub seed: u64,
}

/// Grows the trees of one model; ticks `progress` for each. Returns a whole XGBoost model.
///
/// # Errors
/// When the library fails.
pub fn boost(
    grower: &mut Grower,
    targets: &[f32],
    weights: &[f32],
    plan: Plan,
    progress: &ProgressBar,
) -> Result<Value, BoosterError> {
    let q = plan.quantile as f32;
    let mut all: Vec<(f32, f32)> = targets
        .iter()
        .copied()
        .zip(weights.iter().copied())
        .collect();
    let base_score = weighted_quantile(&mut all, plan.quantile);
    let mut forecasts = vec![base_score; targets.len()];
    let mut gradients = vec![0.0; targets.len()];
    let mut trees = Vec::new();
    let mut whole = Value::Null;
    for round in 0..plan.trees {
        for (gradient, (target, forecast)) in
            gradients.iter_mut().zip(targets.iter().zip(&forecasts))
        {
            *gradient = if target > forecast { q } else { q - 1.0 };
        }
        let seed = plan
            .seed
            .wrapping_mul(1_000_003)
            .wrapping_add(u64::from(round));
        let grown = grower.grow(&gradients, seed & 0x7FFF_FFFF)?;
        let mut model = grown.model;
        let mut tree = model["learner"]["gradient_booster"]["model"]["trees"][0].take();
        let nodes = tree["left_children"].as_array().map_or(0, Vec::len);
        let mut residuals: Vec<Vec<(f32, f32)>> = vec![Vec::new(); nodes];
        for (row, leaf) in grown.leaves.iter().enumerate() {
            residuals[*leaf as usize].push((targets[row] - forecasts[row], weights[row]));
        }
        let values: Vec<f32> = residuals
            .iter_mut()
            .map(|leaf| match leaf.is_empty() {
                true => 0.0,
                false => short(plan.rate * weighted_quantile(leaf, plan.quantile)),
            })
            .collect();
        for (forecast, leaf) in forecasts.iter_mut().zip(&grown.leaves) {
            *forecast += values[*leaf as usize];
        }
        set_leaves(&mut tree, &values, round);
        trees.push(tree);
        if whole.is_null() {
            whole = model;
        }
        progress.inc(1);
    }
    let count = trees.len();
    let learner = &mut whole["learner"];
    let gbtree = &mut learner["gradient_booster"]["model"];
    gbtree["trees"] = Value::Array(trees);
    gbtree["tree_info"] = json!(vec![0; count]);
    gbtree["gbtree_model_param"]["num_trees"] = json!(count.to_string());
    learner["learner_model_param"]["base_score"] = json!(format!("{base_score:E}"));
    Ok(whole)
}

/// Puts the leaf values in, and drops what prediction doesn't need: half of the size.
fn set_leaves(tree: &mut Value, values: &[f32], id: u32) {
    tree["id"] = json!(id);
    for (node, value) in values.iter().enumerate() {
        let condition = match tree["left_children"][node] == json!(-1) {
            // Four decimals, but only of what is written. Rounded before the next tree is grown, the many small corrections
            // would be lost, and a thirtieth of the skill with them.
            true => (f64::from(*value) * 1e4).round() / 1e4,
            false => shortened(tree["split_conditions"][node].as_f64().unwrap_or(0.0)),
        };
        tree["split_conditions"][node] = json!(condition);
        tree["base_weights"][node] = json!(0.0);
        tree["loss_changes"][node] = json!(0.0);
        let weight = tree["sum_hessian"][node].as_f64().unwrap_or(0.0);
        tree["sum_hessian"][node] = json!(weight.round());
    }
}

/// Four significant digits: the rest of a leaf is noise.
fn short(value: f32) -> f32 {
    format!("{value:.3E}").parse().unwrap_or(value)
}

/// Five significant digits of a threshold, never above it: what is equal to it stays on its right.
fn shortened(threshold: f64) -> f64 {
    let five_digits = |value: f64| format!("{value:.4E}").parse().unwrap_or(value);
    let nearest: f64 = five_digits(threshold);
    if nearest <= threshold {
        return nearest;
    }
    let last_digit = 10.0_f64.powf(threshold.abs().log10().floor() - 4.0);
    five_digits(nearest - last_digit)
}

/// The `q`-quantile of (value, weight) pairs: the lowest value with at least that share of the weight at or below it.
pub fn weighted_quantile(pairs: &mut [(f32, f32)], q: f64) -> f32 {
    pairs.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
    let total: f64 = pairs.iter().map(|pair| f64::from(pair.1)).sum();
    let mut below = 0.0;
    for (value, weight) in pairs.iter() {
        below += f64::from(*weight);
        if below >= q * total {
            return *value;
        }
    }
    pairs.last().map_or(0.0, |pair| pair.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use forecasting::artifact::{
        booster::{Booster, Rows, TreeShape},
        model_json::{Trees, normalise},
    };

    #[test]
    fn weights_count_in_quantiles() {
        let mut pairs = [(3.0, 1.0), (1.0, 1.0), (2.0, 8.0)];
        for (q, expected) in [(0.05, 1.0), (0.5, 2.0), (0.95, 3.0)] {
            assert_eq!(weighted_quantile(&mut pairs, q), expected, "{q}");
        }
        assert_eq!(weighted_quantile(&mut [], 0.5), 0.0);
    }

    #[test]
    fn thresholds_lose_digits_downwards() {
        for (threshold, expected) in [
            (0.0, 0.0),
            (0.3, 0.3),
            (-2.5, -2.5),
            (0.33333334, 0.33333),
            (0.66666669, 0.66666),
            (-0.66666669, -0.66667),
            (-0.33333334, -0.33334),
            (99.99999, 99.999),
            (123_456.0, 123_450.0),
            (2.0000002e-7, 2e-7),
        ] {
            let got = shortened(threshold);
            assert!(got <= threshold, "{threshold}: {got}");
            assert_eq!(got as f32, expected as f32, "{threshold}");
        }
    }

    #[test]
    fn a_quantile_of_each_group_is_learned() {
        // Two groups, outcomes 0..100 and 200..300.
        let values: Vec<f32> = (0..2_000).map(|row| (row % 2) as f32).collect();
        let targets: Vec<f32> = (0..2_000)
            .map(|row| (row % 2) as f32 * 200.0 + (row / 2 % 101) as f32)
            .collect();
        let weights = vec![1.0; 2_000];
        let shape = TreeShape {
            depth: 2,
            min_leaf_weight: 5.0,
            feature_share: 1.0,
            penalty: 0.0,
        };
        let mut grower = Grower::new(Rows::new(&values, 1).unwrap(), &weights, shape, 1).unwrap();
        let plan = Plan {
            quantile: 0.9,
            trees: 60,
            rate: 0.2,
            seed: 1,
        };
        let progress = ProgressBar::hidden();
        let model = boost(&mut grower, &targets, &weights, plan, &progress).unwrap();
        let again = boost(&mut grower, &targets, &weights, plan, &progress).unwrap();
        assert_eq!(model, again);
        let normal = normalise(model.to_string().as_bytes(), Trees::All).unwrap();
        assert_eq!(normal.trees, 60);
        let booster = Booster::load(&normal, 1).unwrap();
        let predictions = booster
            .predict(&Rows::new(&[0.0, 1.0], 1).unwrap())
            .unwrap();
        for (got, expected) in predictions.iter().zip([90.0, 290.0]) {
            assert!((got - expected).abs() < 3.0, "{predictions:?}");
        }
    }
}
