//! XGBoost's model format, JSON or UBJ, made safe for the bundled 1.6.2: read right or refused, never misread.

mod tree;
mod value;

use serde_json::Value;

use crate::artifact::ubj::{self, Writer};
use tree::Tree;
use value::{list, number, object};

pub use value::RefusedModel;

const SEVERAL_TARGETS: &str = "a model of several targets or classes";

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

/// A model that 1.6.2 reads as it was meant.
#[derive(Clone, Debug)]
pub struct ModelJson {
    /// The whole model as UBJ: the library reads it several times as fast as JSON.
    pub ubj: Vec<u8>,
    /// Features it was trained on.
    pub features: usize,
    /// Their names; empty when the model doesn't record them.
    pub feature_names: Vec<String>,
    /// Trees that count.
    pub trees: usize,
    /// What is added to the sum of the leaves.
    pub base_score: f32,
}

/// Checks `bytes`, a model saved by any XGBoost from 1.0 to 3.x as JSON or UBJ, and writes it anew as 1.6.2 would.
///
/// Nothing is passed on unread: what isn't known here can't mislead the library, which trusts what it loads.
///
/// # Errors
/// What of the model is not supported.
pub fn normalise(bytes: &[u8], keep: Trees) -> Result<ModelJson, RefusedModel> {
    let model = parse(bytes)?;
    let learner = object(&model, "learner")?;
    check_objective(learner)?;
    // Such a feature is a code, not a quantity; since 3.1 the model may even recode it.
    if list(learner, "feature_types").any(|kind| kind == "c") {
        return Err(RefusedModel::Unsupported("a categorical feature"));
    }
    let parameters = object(learner, "learner_model_param")?;
    for (key, most) in [("num_class", 0), ("num_target", 1)] {
        if number(parameters, key).is_some_and(|value| value > most) {
            return Err(RefusedModel::Unsupported(SEVERAL_TARGETS));
        }
    }
    let features = number(parameters, "num_feature").ok_or(RefusedModel::Missing("num_feature"))?;
    let base_score = base_score(&parameters["base_score"])?;

    let booster = object(learner, "gradient_booster")?;
    match booster["name"].as_str() {
        Some("gbtree") => {}
        other => return Err(RefusedModel::Booster(other.unwrap_or("unnamed").to_owned())),
    }
    let gbtree = object(booster, "model")?;
    if list(gbtree, "tree_info").any(|group| group.as_u64() != Some(0)) {
        return Err(RefusedModel::Unsupported(SEVERAL_TARGETS));
    }
    let all = gbtree["trees"]
        .as_array()
        .ok_or(RefusedModel::Missing("trees"))?;
    if number(&gbtree["gbtree_model_param"], "num_trees") != Some(all.len()) {
        return Err(RefusedModel::Unsupported(
            "another number of trees than it says",
        ));
    }
    let kept = match keep {
        Trees::All => all.len(),
        Trees::BestIteration => best_trees(learner, gbtree)
            .filter(|best| (1..=all.len()).contains(best))
            .ok_or(RefusedModel::NoBestIteration)?,
    };
    let trees = all[..kept]
        .iter()
        .map(|tree| tree::rebuild(tree, features))
        .collect::<Result<Vec<Tree>, _>>()?;
    Ok(ModelJson {
        ubj: written(&trees, features, base_score),
        features,
        feature_names: list(learner, "feature_names")
            .map(|name| name.as_str().unwrap_or_default().to_owned())
            .collect(),
        trees: kept,
        base_score,
    })
}

/// The trees up to the best iteration, as far as the model says.
fn best_trees(learner: &Value, gbtree: &Value) -> Option<usize> {
    let attributes = &learner["attributes"];
    let rounds = number(attributes, "best_iteration")?.saturating_add(1);
    let parallel = number(&gbtree["gbtree_model_param"], "num_parallel_tree");
    Some(match (parallel, number(attributes, "best_ntree_limit")) {
        (Some(parallel), _) => rounds.saturating_mul(parallel.max(1)),
        (None, Some(trees)) => trees,
        // Before 1.5 nothing says how many trees make a round. Almost always it is one; golden rows tell.
        (None, None) => rounds,
    })
}

/// A model in the words of 1.6.2. It doesn't know the newer objectives' names; prediction is the same.
fn written(trees: &[Tree], features: usize, base_score: f32) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(|model| {
        model
            .key("version")
            .list([1, 6, 2].into_iter(), Writer::integer);
        model.key("learner").object(|learner| {
            learner.key("attributes").object(|_| {});
            learner.key("learner_model_param").object(|parameters| {
                let base_score = format!("{base_score:E}");
                parameters.key("base_score").text(&base_score);
                parameters.key("num_class").text("0");
                parameters.key("num_feature").text(&features.to_string());
                parameters.key("num_target").text("1");
            });
            learner.key("objective").object(|objective| {
                objective.key("name").text("reg:squarederror");
                objective.key("reg_loss_param").object(|parameters| {
                    parameters.key("scale_pos_weight").text("1");
                });
            });
            learner.key("gradient_booster").object(|booster| {
                booster.key("name").text("gbtree");
                booster.key("model").object(|model| {
                    model.key("gbtree_model_param").object(|parameters| {
                        parameters.key("num_parallel_tree").text("1");
                        parameters.key("num_trees").text(&trees.len().to_string());
                        parameters.key("size_leaf_vector").text("0");
                    });
                    model
                        .key("tree_info")
                        .list(trees.iter(), |info, _| info.integer(0));
                    model
                        .key("trees")
                        .list(trees.iter().enumerate(), |list, (id, tree)| {
                            tree.write(id, features, list);
                        });
                });
            });
        });
    });
    writer.into_bytes()
}

fn parse(bytes: &[u8]) -> Result<Value, RefusedModel> {
    if bytes
        .trim_ascii_start()
        .first()
        .is_some_and(|first| *first != b'{')
    {
        return Err(RefusedModel::OldBinary);
    }
    if ubj::is_ubj(bytes) {
        return ubj::decode(bytes).map_err(|error| RefusedModel::Syntax(error.to_string()));
    }
    serde_json::from_slice(bytes).map_err(|error| RefusedModel::Syntax(error.to_string()))
}

fn check_objective(learner: &Value) -> Result<(), RefusedModel> {
    match learner["objective"]["name"].as_str() {
        None => Err(RefusedModel::Missing("objective")),
        Some(name) if IDENTITY_OBJECTIVES.contains(&name) => Ok(()),
        Some(name) => Err(RefusedModel::Objective(name.to_owned())),
    }
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

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
            let written = ubj::decode(&model.ubj).unwrap();
            let score = &written["learner"]["learner_model_param"]["base_score"];
            assert_eq!(*score, format!("{read:E}"), "{written}");
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
                &format!("{gbtree}/tree_info"),
                json!([0, 1]),
                "several targets",
            ),
            (
                "/learner/feature_types",
                json!(["float", "c"]),
                "categorical feature",
            ),
            (
                &format!("{gbtree}/gbtree_model_param/num_trees"),
                json!("3"),
                "another number of trees",
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
        assert!(matches!(
            normalise(b"binf\0\0", Trees::All),
            Err(RefusedModel::OldBinary)
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
