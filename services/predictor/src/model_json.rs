//! XGBoost's JSON model format, made safe for the bundled 1.6.2: read right or refused, never misread.

use serde_json::{Value, json};

/// Objectives whose prediction is the plain sum of leaves, so that only that sum matters here.
const IDENTITY_OBJECTIVES: [&str; 6] = [
    "reg:squarederror",
    "reg:linear",
    "reg:absoluteerror",
    "reg:quantileerror",
    "reg:pseudohubererror",
    "reg:squaredlogerror",
];

/// How many of a model's trees count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trees {
    /// All of them, as `Booster.predict` does.
    #[default]
    All,
    /// Those up to `best_iteration`, as `XGBRegressor.predict` does after early stopping.
    BestIteration,
}

/// Why a model is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedModel {
    #[error("not an XGBoost JSON model: {0}")]
    Syntax(String),
    #[error("not an XGBoost JSON model: `{0}` is missing")]
    Missing(&'static str),
    #[error("booster `{0}` is not supported; train with booster=gbtree")]
    Booster(String),
    #[error("objective `{0}` is not supported; train with reg:squarederror or reg:absoluteerror")]
    Objective(String),
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    #[error("base_score `{0}` is not one finite number")]
    BaseScore(String),
    #[error(
        "the manifest asks for the best iteration, but the model records none within its trees"
    )]
    NoBestIteration,
}

/// A model that 1.6.2 reads as it was meant.
#[derive(Clone, Debug)]
pub struct ModelJson {
    /// The whole model.
    pub text: String,
    /// Features it was trained on.
    pub features: usize,
    /// Their names; empty when the model doesn't record them.
    pub feature_names: Vec<String>,
    /// Trees that count.
    pub trees: usize,
    /// What is added to the sum of the leaves.
    pub base_score: f32,
}

/// Checks and normalises `bytes`, a model saved by any XGBoost from 1.0 to 3.x as JSON.
///
/// # Errors
/// What of the model is not supported.
pub fn normalise(bytes: &[u8], keep: Trees) -> Result<ModelJson, RefusedModel> {
    let mut model: Value =
        serde_json::from_slice(bytes).map_err(|error| RefusedModel::Syntax(error.to_string()))?;
    let best_iteration = model["learner"]["attributes"]["best_iteration"]
        .as_str()
        .and_then(|text| text.parse::<usize>().ok());
    let learner = object(&mut model, "learner")?;
    check_objective(learner)?;

    let feature_names = learner["feature_names"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| name.as_str().unwrap_or_default().to_owned())
        .collect();
    let parameters = object(learner, "learner_model_param")?;
    for (key, most) in [("num_class", 0), ("num_target", 1)] {
        if number(parameters, key).is_some_and(|value| value > most) {
            return Err(RefusedModel::Unsupported(
                "a model of several targets or classes",
            ));
        }
    }
    let features = number(parameters, "num_feature").ok_or(RefusedModel::Missing("num_feature"))?;
    let base_score = base_score(&parameters["base_score"])?;
    parameters["base_score"] = json!(format!("{base_score:E}"));

    let booster = object(learner, "gradient_booster")?;
    match booster["name"].as_str() {
        Some("gbtree") => {}
        other => return Err(RefusedModel::Booster(other.unwrap_or("unnamed").to_owned())),
    }
    let gbtree = object(booster, "model")?;
    let parallel = number(&gbtree["gbtree_model_param"], "num_parallel_tree").unwrap_or(1);
    let trees = gbtree["trees"]
        .as_array_mut()
        .ok_or(RefusedModel::Missing("trees"))?;
    for tree in trees.iter() {
        check_tree(tree, features)?;
    }
    if keep == Trees::BestIteration {
        let best = best_iteration.ok_or(RefusedModel::NoBestIteration)?;
        let rounds = best.saturating_add(1).saturating_mul(parallel.max(1));
        if rounds > trees.len() {
            return Err(RefusedModel::NoBestIteration);
        }
        trees.truncate(rounds);
    }
    let kept = trees.len();
    if let Some(groups) = gbtree["tree_info"].as_array_mut() {
        groups.truncate(kept);
    }
    if let Some(rounds) = gbtree["iteration_indptr"].as_array_mut() {
        rounds.retain(|end| end.as_u64().is_some_and(|end| end <= kept as u64));
    }
    gbtree["gbtree_model_param"]["num_trees"] = json!(kept.to_string());
    Ok(ModelJson {
        text: model.to_string(),
        features,
        feature_names,
        trees: kept,
        base_score,
    })
}

fn check_objective(learner: &mut Value) -> Result<(), RefusedModel> {
    let name = learner["objective"]["name"].as_str();
    let name = name.ok_or(RefusedModel::Missing("objective"))?;
    if !IDENTITY_OBJECTIVES.contains(&name) {
        return Err(RefusedModel::Objective(name.to_owned()));
    }
    // 1.6.2 doesn't know the newer names; prediction is the same.
    learner["objective"] =
        json!({"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}});
    Ok(())
}

/// Since 3.1 this is an array in a string, `"[5.03E1]"`, of which 1.6.2 silently makes 0.5.
fn base_score(value: &Value) -> Result<f32, RefusedModel> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(&text);
    inner
        .trim()
        .parse::<f32>()
        .ok()
        .filter(|score| score.is_finite())
        .ok_or(RefusedModel::BaseScore(text))
}

fn check_tree(tree: &Value, features: usize) -> Result<(), RefusedModel> {
    let list = |key: &'static str| tree[key].as_array().ok_or(RefusedModel::Missing(key));
    let categorical = |key: &str| tree[key].as_array().is_some_and(|list| !list.is_empty());
    let nonzero = |value: &Value| value.as_u64() != Some(0) && value.as_bool() != Some(false);
    if categorical("categories_nodes")
        || tree["split_type"]
            .as_array()
            .is_some_and(|types| types.iter().any(nonzero))
    {
        return Err(RefusedModel::Unsupported("a categorical split"));
    }
    if number(&tree["tree_param"], "size_leaf_vector").is_some_and(|size| size > 1) {
        return Err(RefusedModel::Unsupported("a tree with vector leaves"));
    }
    // The C++ side trusts these indices.
    let (left, right) = (list("left_children")?, list("right_children")?);
    let nodes = left.len();
    let split_features = list("split_indices")?;
    let conditions = list("split_conditions")?;
    if nodes == 0 || [right.len(), split_features.len(), conditions.len()] != [nodes; 3] {
        return Err(RefusedModel::Unsupported(
            "a tree with arrays of different lengths",
        ));
    }
    for node in 0..nodes {
        let (left, right) = (left[node].as_i64(), right[node].as_i64());
        let leaf = left == Some(-1) && right == Some(-1);
        // Children come after their parent, so no walk can be endless.
        let inner = [left, right]
            .iter()
            .all(|child| child.is_some_and(|child| child > node as i64 && child < nodes as i64));
        let feature = split_features[node].as_u64();
        let known = feature.is_some_and(|feature| feature < features as u64);
        if !leaf && (!inner || !known) {
            return Err(RefusedModel::Unsupported("a tree with broken links"));
        }
        if !conditions[node].as_f64().is_some_and(f64::is_finite) {
            return Err(RefusedModel::Unsupported(
                "a tree with a number that is not finite",
            ));
        }
    }
    Ok(())
}

fn object<'a>(value: &'a mut Value, key: &'static str) -> Result<&'a mut Value, RefusedModel> {
    value
        .get_mut(key)
        .filter(|found| found.is_object())
        .ok_or(RefusedModel::Missing(key))
}

/// XGBoost writes its parameters as strings.
fn number(value: &Value, key: &str) -> Option<usize> {
    value[key].as_str()?.parse().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two stumps on two features: `a < 0.5 ? 1 : 2`, then `b < 1 ? 10 : 20`.
    pub(crate) fn stumps(base_score: &str) -> Value {
        let tree = |id: usize, feature: usize, threshold: f64, leaves: [f64; 2]| {
            json!({
                "base_weights": [0.0, leaves[0], leaves[1]],
                "categories": [], "categories_nodes": [], "categories_segments": [], "categories_sizes": [],
                "default_left": [0, 0, 0], "id": id,
                "left_children": [1, -1, -1], "right_children": [2, -1, -1],
                "loss_changes": [1.0, 0.0, 0.0], "parents": [2147483647, 0, 0],
                "split_conditions": [threshold, leaves[0], leaves[1]],
                "split_indices": [feature, 0, 0], "split_type": [0, 0, 0],
                "sum_hessian": [2.0, 1.0, 1.0],
                "tree_param": {"num_deleted": "0", "num_feature": "2", "num_nodes": "3", "size_leaf_vector": "0"}
            })
        };
        json!({
            "learner": {
                "attributes": {"best_iteration": "0"}, "feature_names": [], "feature_types": [],
                "gradient_booster": {"model": {
                    "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "2", "size_leaf_vector": "0"},
                    "tree_info": [0, 0],
                    "trees": [tree(0, 0, 0.5, [1.0, 2.0]), tree(1, 1, 1.0, [10.0, 20.0])]
                }, "name": "gbtree"},
                "learner_model_param": {"base_score": base_score, "num_class": "0", "num_feature": "2", "num_target": "1"},
                "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}
            },
            "version": [1, 6, 2]
        })
    }

    #[test]
    fn base_scores_of_all_versions_are_understood() {
        for (written, read) in [("5E-1", 0.5), ("[5.0303474E1]", 50.303_474), ("-3", -3.0)] {
            let model = normalise(stumps(written).to_string().as_bytes(), Trees::All).unwrap();
            assert_eq!(model.base_score, read, "{written}");
            assert!(!model.text.contains('[') || !model.text.contains("\"["));
        }
        for written in ["[1E0,2E0]", "", "nan", "[inf]"] {
            let refused = normalise(stumps(written).to_string().as_bytes(), Trees::All);
            assert!(
                matches!(refused, Err(RefusedModel::BaseScore(_))),
                "{written}"
            );
        }
    }

    #[test]
    fn what_would_be_misread_is_refused() {
        let gbtree = "/learner/gradient_booster/model";
        for (pointer, value, expected) in [
            (
                "/learner/gradient_booster/name",
                json!("dart"),
                "booster `dart`",
            ),
            (
                "/learner/gradient_booster/name",
                json!("gblinear"),
                "booster `gblinear`",
            ),
            (
                "/learner/objective/name",
                json!("binary:logistic"),
                "objective `binary:logistic`",
            ),
            (
                "/learner/learner_model_param/num_target",
                json!("2"),
                "several targets",
            ),
            (
                "/learner/learner_model_param/num_class",
                json!("3"),
                "several targets",
            ),
            (
                &format!("{gbtree}/trees/0/split_type"),
                json!([1, 0, 0]),
                "categorical",
            ),
            (
                &format!("{gbtree}/trees/0/categories_nodes"),
                json!([0]),
                "categorical",
            ),
            (
                &format!("{gbtree}/trees/0/left_children"),
                json!([0, -1, -1]),
                "broken links",
            ),
            (
                &format!("{gbtree}/trees/0/left_children"),
                json!([9, -1, -1]),
                "broken links",
            ),
            (
                &format!("{gbtree}/trees/0/split_indices"),
                json!([2, 0, 0]),
                "broken links",
            ),
            (
                &format!("{gbtree}/trees/0/split_indices"),
                json!([0]),
                "different lengths",
            ),
            (
                &format!("{gbtree}/trees/0/tree_param/size_leaf_vector"),
                json!("4"),
                "vector leaves",
            ),
        ] {
            let mut model = stumps("5E-1");
            *model.pointer_mut(pointer).unwrap() = value;
            let error = normalise(model.to_string().as_bytes(), Trees::All).unwrap_err();
            assert!(error.to_string().contains(expected), "{pointer}: {error}");
        }
        let text = stumps("5E-1").to_string();
        assert!(matches!(
            normalise(&text.as_bytes()[..text.len() / 2], Trees::All),
            Err(RefusedModel::Syntax(_))
        ));
        assert!(matches!(
            normalise(b"{}", Trees::All),
            Err(RefusedModel::Missing("learner"))
        ));
    }

    #[test]
    fn the_best_iteration_cuts_the_rest() {
        let mut model = stumps("5E-1");
        let all = normalise(model.to_string().as_bytes(), Trees::All).unwrap();
        let best = normalise(model.to_string().as_bytes(), Trees::BestIteration).unwrap();
        assert_eq!((all.trees, best.trees), (2, 1));
        for attributes in [
            json!({}),
            json!({"best_iteration": "2"}),
            json!({"best_iteration": "18446744073709551615"}),
        ] {
            model["learner"]["attributes"] = attributes;
            assert_eq!(
                normalise(model.to_string().as_bytes(), Trees::BestIteration).unwrap_err(),
                RefusedModel::NoBestIteration
            );
        }
    }
}
