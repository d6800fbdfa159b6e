//! One tree, checked node by node and written anew.

use serde_json::{Value, json};

use super::{RefusedModel, list, number};

/// What the parent of the root is called.
const NOBODY: u32 = i32::MAX as u32;

/// A tree as it is stored: arrays with one entry for each node.
struct Stored<'a> {
    left: &'a [Value],
    right: &'a [Value],
    features: &'a [Value],
    /// Thresholds of inner nodes, values of leaves.
    conditions: &'a [Value],
    default_left: &'a [Value],
    /// Weight of the training rows that came by; what TreeSHAP averages with.
    weights: &'a [Value],
}

impl<'a> Stored<'a> {
    fn read(tree: &'a Value) -> Result<Self, RefusedModel> {
        let read = |key: &'static str| match tree[key].as_array() {
            Some(list) => Ok(list.as_slice()),
            None => Err(RefusedModel::Missing(key)),
        };
        let stored = Self {
            left: read("left_children")?,
            right: read("right_children")?,
            features: read("split_indices")?,
            conditions: read("split_conditions")?,
            default_left: read("default_left")?,
            weights: read("sum_hessian")?,
        };
        let nodes = stored.left.len();
        let lengths = [
            stored.right.len(),
            stored.features.len(),
            stored.conditions.len(),
            stored.default_left.len(),
            stored.weights.len(),
        ];
        if nodes == 0 || lengths != [nodes; 5] {
            return Err(RefusedModel::Unsupported(
                "a tree with arrays of different lengths",
            ));
        }
        Ok(stored)
    }

    /// Both children, or neither of a leaf.
    fn children(&self, node: usize) -> Result<Option<[usize; 2]>, RefusedModel> {
        let child = |list: &[Value]| list[node].as_i64();
        let (left, right) = (child(self.left), child(self.right));
        if (left, right) == (Some(-1), Some(-1)) {
            return Ok(None);
        }
        let index = |child: Option<i64>| {
            child
                .and_then(|child| usize::try_from(child).ok())
                .filter(|child| *child < self.left.len())
                .ok_or(BROKEN)
        };
        Ok(Some([index(left)?, index(right)?]))
    }
}

const BROKEN: RefusedModel = RefusedModel::Unsupported("a tree with broken links");

/// The tree with the nodes that can be reached, the root first and every child after its parent. What pruning deleted
/// stays behind.
pub fn rebuild(tree: &Value, id: usize, features: usize) -> Result<Value, RefusedModel> {
    let nonzero = |value: &Value| value.as_u64() != Some(0) && value.as_bool() != Some(false);
    if list(tree, "categories_nodes").next().is_some() || list(tree, "split_type").any(nonzero) {
        return Err(RefusedModel::Unsupported("a categorical split"));
    }
    if number(&tree["tree_param"], "size_leaf_vector").is_some_and(|size| size > 1) {
        return Err(RefusedModel::Unsupported("a tree with vector leaves"));
    }
    let stored = Stored::read(tree)?;
    let mut seen = vec![false; stored.left.len()];
    seen[0] = true;
    // Positions in this list are the new numbers.
    let mut reached = vec![(0, NOBODY)];
    let (mut left, mut right, mut parents) = (Vec::new(), Vec::new(), Vec::new());
    let (mut split, mut conditions) = (Vec::new(), Vec::new());
    let (mut default_left, mut weights) = (Vec::new(), Vec::new());
    let mut number = 0;
    while let Some(&(node, parent)) = reached.get(number) {
        parents.push(parent);
        conditions.push(finite(&stored.conditions[node])?);
        weights.push(finite(&stored.weights[node])?);
        match stored.children(node)? {
            None => {
                left.push(-1);
                right.push(-1);
                split.push(0);
                default_left.push(0);
            }
            Some(children) => {
                for child in children {
                    if std::mem::replace(&mut seen[child], true) {
                        return Err(BROKEN);
                    }
                }
                let feature = stored.features[node]
                    .as_u64()
                    .filter(|feature| *feature < features as u64)
                    .ok_or(BROKEN)?;
                left.push(reached.len() as i64);
                right.push(reached.len() as i64 + 1);
                split.push(feature);
                default_left.push(u8::from(side(&stored.default_left[node])?));
                reached.extend(children.map(|child| (child, number as u32)));
            }
        }
        number += 1;
    }
    let unused = vec![0.0; number];
    Ok(json!({
        "base_weights": unused, "loss_changes": unused,
        "categories": [], "categories_nodes": [], "categories_segments": [], "categories_sizes": [],
        "split_type": vec![0; number],
        "id": id, "parents": parents,
        "left_children": left, "right_children": right,
        "split_indices": split, "split_conditions": conditions,
        "default_left": default_left, "sum_hessian": weights,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": features.to_string(),
            "num_nodes": number.to_string(),
            "size_leaf_vector": "0"
        }
    }))
}

/// A number that is finite as a 32-bit float, which the library makes of it.
fn finite(value: &Value) -> Result<f64, RefusedModel> {
    value
        .as_f64()
        .filter(|number| (*number as f32).is_finite())
        .ok_or(RefusedModel::Unsupported(
            "a tree with a number that is not finite",
        ))
}

/// Whether missing goes left: a truth value until 1.5, a number since.
fn side(value: &Value) -> Result<bool, RefusedModel> {
    match (value.as_bool(), value.as_u64()) {
        (Some(left), _) => Ok(left),
        (None, Some(0)) => Ok(false),
        (None, Some(1)) => Ok(true),
        _ => Err(RefusedModel::Unsupported(
            "a tree that doesn't say where missing values go",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Node 3 is deleted; the children of the root come in an order of their own.
    fn pruned() -> Value {
        json!({
            "left_children": [4, -1, -1, -1, 1], "right_children": [2, -1, -1, -1, 5],
            "split_indices": [1, 0, 0, 2147483647, 0, 0],
            "split_conditions": [0.5, 1.0, 2.0, 9.0, 7.0, 3.0],
            "default_left": [true, false, false, false, 1, 0],
            "sum_hessian": [6.0, 1.0, 3.0, 0.0, 3.0, 2.0],
            "tree_param": {"size_leaf_vector": "0"}
        })
    }

    #[test]
    fn what_pruning_left_behind_is_dropped_and_the_rest_renumbered() {
        let mut tree = pruned();
        tree["left_children"] = json!([4, -1, -1, -1, 1, -1]);
        tree["right_children"] = json!([2, -1, -1, -1, 5, -1]);
        let rebuilt = rebuild(&tree, 7, 2).unwrap();
        for (key, expected) in [
            ("left_children", json!([1, 3, -1, -1, -1])),
            ("right_children", json!([2, 4, -1, -1, -1])),
            ("parents", json!([NOBODY, 0, 0, 1, 1])),
            ("split_indices", json!([1, 0, 0, 0, 0])),
            ("split_conditions", json!([0.5, 7.0, 2.0, 1.0, 3.0])),
            ("default_left", json!([1, 1, 0, 0, 0])),
            ("sum_hessian", json!([6.0, 3.0, 3.0, 1.0, 2.0])),
            ("id", json!(7)),
        ] {
            assert_eq!(rebuilt[key], expected, "{key}");
        }
        assert_eq!(rebuilt["tree_param"]["num_nodes"], "5");
    }

    #[test]
    fn arrays_of_different_lengths_are_refused() {
        assert_eq!(
            rebuild(&pruned(), 0, 2).unwrap_err().to_string(),
            "a tree with arrays of different lengths is not supported"
        );
    }

    #[test]
    fn loops_and_shared_children_are_refused() {
        for (left, right) in [([1, 0, -1], [2, 2, -1]), ([1, -1, -1], [1, -1, -1])] {
            let tree = json!({
                "left_children": left, "right_children": right, "split_indices": [0, 0, 0],
                "split_conditions": [0.5, 1.0, 2.0], "default_left": [0, 0, 0],
                "sum_hessian": [2.0, 1.0, 1.0]
            });
            assert_eq!(rebuild(&tree, 0, 1), Err(BROKEN));
        }
    }

    #[test]
    fn what_is_infinite_to_the_library_is_refused() {
        let mut tree = json!({
            "left_children": [-1], "right_children": [-1], "split_indices": [0],
            "split_conditions": [1e39], "default_left": [0], "sum_hessian": [1.0]
        });
        assert!(rebuild(&tree, 0, 1).is_err());
        tree["split_conditions"] = json!([1e38]);
        assert!(rebuild(&tree, 0, 1).is_ok());
        tree["default_left"] = json!([2]);
        assert!(rebuild(&tree, 0, 1).is_ok(), "a leaf sends nobody anywhere");
    }
}
