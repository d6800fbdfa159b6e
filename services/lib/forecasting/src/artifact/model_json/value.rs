//! Values of XGBoost's format, and why they are refused.

use serde_json::Value;

/// Why a model is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedModel {
    #[error("not an XGBoost model in JSON or UBJ: {0}")]
    Syntax(String),
    #[error("not an XGBoost model: `{0}` is missing")]
    Missing(&'static str),
    #[error(
        "it begins like neither JSON nor UBJ; if it is in the old binary format, load it with XGBoost and save it under a name that ends in .json"
    )]
    OldBinary,
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

/// The object under a key.
pub fn object<'a>(value: &'a Value, key: &'static str) -> Result<&'a Value, RefusedModel> {
    value
        .get(key)
        .filter(|found| found.is_object())
        .ok_or(RefusedModel::Missing(key))
}

/// The entries of a list that may be absent.
pub fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// XGBoost writes its parameters as strings.
pub fn number(value: &Value, key: &str) -> Option<usize> {
    value[key].as_str()?.parse().ok()
}
