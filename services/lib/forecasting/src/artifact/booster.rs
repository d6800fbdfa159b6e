//! The only file that knows XGBoost: rows in, predictions out; and for training, one tree at a time.
//!
//! Matrices are built from sparse rows with explicit indices: the library's dense constructor takes every zero for a
//! missing value.

use serde_json::Value;
use xgboost_rs::{
    Booster as XgBooster, DMatrix,
    parameters::{
        BoosterParameters, BoosterType,
        learning::{LearningTaskParametersBuilder, Objective},
        tree::{TreeBoosterParameters, TreeBoosterParametersBuilder, TreeMethod},
    },
};

use crate::artifact::model_json::ModelJson;

/// What the library said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("xgboost: {0}")]
pub struct BoosterError(String);

/// The library adds a C++ stack trace to its messages; the first line says what is wrong.
fn failed(error: impl ToString) -> BoosterError {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    BoosterError(line.trim_start_matches("XGBoost error: ").to_owned())
}

/// Feature rows in the library's own memory. NaN stands for missing.
#[derive(Debug)]
pub struct Rows {
    matrix: DMatrix,
    rows: usize,
    columns: usize,
}

impl Rows {
    /// `values` row by row, `columns` (at least one) each.
    ///
    /// # Errors
    /// When the library can't take them.
    pub fn new(values: &[f32], columns: usize) -> Result<Self, BoosterError> {
        let rows = values.len() / columns.max(1);
        let known = values.iter().filter(|value| !value.is_nan()).count();
        let mut starts = Vec::with_capacity(rows + 1);
        let mut indices = Vec::with_capacity(known);
        let mut data = Vec::with_capacity(known);
        starts.push(0);
        for row in values.chunks_exact(columns.max(1)) {
            for (column, value) in row.iter().enumerate() {
                if !value.is_nan() {
                    indices.push(column);
                    data.push(*value);
                }
            }
            starts.push(data.len());
        }
        let matrix = DMatrix::from_csr(&starts, &indices, &data, Some(columns)).map_err(failed)?;
        Ok(Self {
            matrix,
            rows,
            columns,
        })
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

/// A loaded model. Predicting from several threads at once is safe: see `tests/it/concurrency.rs`.
pub struct Booster {
    inner: XgBooster,
    features: usize,
}

impl std::fmt::Debug for Booster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Booster({} features)", self.features)
    }
}

impl Booster {
    /// Loads a normalised model; each call to predict uses `threads` threads.
    ///
    /// # Errors
    /// When the library refuses it.
    pub fn load(model: &ModelJson, threads: u32) -> Result<Self, BoosterError> {
        let mut inner = XgBooster::load_buffer(&model.ubj).map_err(failed)?;
        // There is no setter for the thread count alone; the base score has to go along or it would become 0.5.
        let parameters = parameters(
            TreeBoosterParameters::default(),
            model.base_score,
            0,
            threads,
        )?;
        inner.set_params(&parameters).map_err(failed)?;
        Ok(Self {
            inner,
            features: model.features,
        })
    }

    /// One prediction for each row.
    ///
    /// # Errors
    /// When the number of columns isn't the model's, or a prediction is not finite.
    pub fn predict(&self, rows: &Rows) -> Result<Vec<f32>, BoosterError> {
        self.check_width(rows)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let predictions = self.inner.predict(&rows.matrix).map_err(failed)?;
        match predictions.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(BoosterError(format!("the model predicted {value}"))),
            None => Ok(predictions),
        }
    }

    /// For each row, what each feature adds to the prediction (TreeSHAP), and last what all predictions have in common.
    /// Together they are the prediction.
    ///
    /// # Errors
    /// When the number of columns isn't the model's, or the answer is not finite: a model whose nodes have no weight.
    pub fn contributions(&self, rows: &Rows) -> Result<Vec<Vec<f32>>, BoosterError> {
        self.check_width(rows)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let (shares, _) = self
            .inner
            .predict_contributions(&rows.matrix)
            .map_err(failed)?;
        let width = self.features + 1;
        if shares.len() != rows.rows * width || shares.iter().any(|share| !share.is_finite()) {
            return Err(BoosterError(
                "the model's predictions can't be taken apart".to_owned(),
            ));
        }
        Ok(shares.chunks_exact(width).map(<[f32]>::to_vec).collect())
    }

    fn check_width(&self, rows: &Rows) -> Result<(), BoosterError> {
        match rows.columns == self.features {
            true => Ok(()),
            false => Err(BoosterError(format!(
                "the model has {} features, the rows have {}",
                self.features, rows.columns
            ))),
        }
    }
}

fn parameters(
    tree: TreeBoosterParameters,
    base_score: f32,
    seed: u64,
    threads: u32,
) -> Result<BoosterParameters, BoosterError> {
    let learning = LearningTaskParametersBuilder::default()
        .objective(Objective::RegSquaredError)
        .base_score(base_score)
        .seed(seed)
        .build()
        .map_err(failed)?;
    let mut parameters = BoosterParameters::default();
    parameters.set_booster_type(BoosterType::Tree(tree));
    parameters.set_learning_params(learning);
    parameters.set_threads(threads);
    Ok(parameters)
}

/// How trees grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TreeShape {
    /// Levels of splits.
    pub depth: u32,
    /// Weight of rows that a leaf needs.
    pub min_leaf_weight: f32,
    /// Share of the features that each tree may use.
    pub feature_share: f32,
    /// L2 penalty on leaves, in units of row weight.
    pub penalty: f32,
}

/// A grown tree.
#[derive(Clone, Debug)]
pub struct GrownTree {
    /// A whole one-tree model.
    pub model: Value,
    /// The leaf (node number) of each row.
    pub leaves: Vec<u32>,
}

/// Grows regression trees on one set of rows. The bins of the histogram method are made once and shared by all trees.
#[derive(Debug)]
pub struct Grower {
    rows: Rows,
    shape: TreeShape,
    threads: u32,
}

impl Grower {
    /// `weights` has one entry for each row.
    ///
    /// # Errors
    /// When the library refuses the weights.
    pub fn new(
        mut rows: Rows,
        weights: &[f32],
        shape: TreeShape,
        threads: u32,
    ) -> Result<Self, BoosterError> {
        rows.matrix.set_weights(weights).map_err(failed)?;
        Ok(Self {
            rows,
            shape,
            threads,
        })
    }

    /// The tree that fits `targets` best in squared error.
    ///
    /// # Errors
    /// When the library fails.
    pub fn grow(&mut self, targets: &[f32], seed: u64) -> Result<GrownTree, BoosterError> {
        self.rows.matrix.set_labels(targets).map_err(failed)?;
        let shape = self.shape;
        let tree = TreeBoosterParametersBuilder::default()
            .tree_method(TreeMethod::Hist)
            .max_depth(shape.depth)
            .min_child_weight(shape.min_leaf_weight)
            .colsample_bytree(shape.feature_share)
            .lambda(shape.penalty)
            .eta(1.0)
            .max_bin(128_u32)
            .build()
            .map_err(failed)?;
        let parameters = parameters(tree, 0.0, seed, self.threads)?;
        let matrix = &self.rows.matrix;
        let mut booster =
            XgBooster::new_with_cached_dmats(&parameters, &[matrix]).map_err(failed)?;
        booster.update(matrix, 0).map_err(failed)?;
        let (leaves, _) = booster.predict_leaf(matrix).map_err(failed)?;
        let text = booster.save_to_buffer("json".to_owned()).map_err(failed)?;
        Ok(GrownTree {
            model: serde_json::from_str(&text).map_err(failed)?,
            leaves: leaves.into_iter().map(|leaf| leaf as u32).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::model_json::{Trees, normalise, tests::stumps};

    fn booster(base_score: &str, trees: Trees) -> Booster {
        let model = normalise(stumps(base_score).to_string().as_bytes(), trees).unwrap();
        Booster::load(&model, 1).unwrap()
    }

    #[test]
    fn zero_is_a_value_and_nan_is_missing() {
        let rows = Rows::new(&[0.0, 0.0, 1.0, 5.0, f32::NAN, 0.0, f32::NAN, f32::NAN], 2).unwrap();
        let predictions = booster("[5E1]", Trees::All).predict(&rows).unwrap();
        // Missing goes right in these stumps.
        assert_eq!(predictions, [61.0, 72.0, 62.0, 72.0]);
        let predictions = booster("5E-1", Trees::BestIteration)
            .predict(&rows)
            .unwrap();
        assert_eq!(predictions, [1.5, 2.5, 2.5, 2.5]);
    }

    #[test]
    fn contributions_add_up_to_the_prediction() {
        let rows = Rows::new(&[0.0, 0.0, 1.0, 5.0, f32::NAN, 0.0], 2).unwrap();
        let booster = booster("[5E1]", Trees::All);
        let shares = booster.contributions(&rows).unwrap();
        let predictions = booster.predict(&rows).unwrap();
        assert_eq!(shares.len(), 3);
        for (shares, prediction) in shares.iter().zip(&predictions) {
            assert_eq!(shares.len(), 3);
            let sum: f32 = shares.iter().sum();
            assert!((sum - prediction).abs() < 1e-4, "{shares:?} {prediction}");
        }
        // Both leaves of a stump have half of the rows: a feature moves half of their difference, either way.
        assert_eq!(shares[0], [-0.5, -5.0, 66.5]);
        assert_eq!(shares[1], [0.5, 5.0, 66.5]);
        assert!(
            booster
                .contributions(&Rows::new(&[0.0; 3], 3).unwrap())
                .is_err()
        );
    }

    #[test]
    fn the_wrong_width_is_an_error() {
        // Whoever serves a model hears of it before, from the artifact.
        let wide = Rows::new(&[0.0; 3], 3).unwrap();
        assert!(booster("0", Trees::All).predict(&wide).is_err());
        let none = Rows::new(&[], 2).unwrap();
        assert!(booster("0", Trees::All).predict(&none).unwrap().is_empty());
    }

    #[test]
    fn trees_grow_the_same_twice() {
        let values: Vec<f32> = (0..200).map(|index| (index % 17) as f32).collect();
        let targets: Vec<f32> = (0..100).map(|index| ((index * 2) % 17) as f32).collect();
        let grow = || {
            let shape = TreeShape {
                depth: 3,
                min_leaf_weight: 1.0,
                feature_share: 1.0,
                penalty: 0.0,
            };
            let rows = Rows::new(&values, 2).unwrap();
            let mut grower = Grower::new(rows, &[1.0; 100], shape, 1).unwrap();
            (
                grower.grow(&targets, 1).unwrap(),
                grower.grow(&targets, 1).unwrap(),
            )
        };
        let (first, again) = grow();
        assert_eq!(first.model, again.model);
        assert_eq!(first.leaves, grow().0.leaves);
        assert!(first.leaves.iter().max() > Some(&2));
    }
}
