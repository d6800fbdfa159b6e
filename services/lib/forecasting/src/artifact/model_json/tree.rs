//! One tree, checked node by node and written anew.

use serde_json::Value;

use super::value::{RefusedModel, list, number};
use crate::artifact::ubj::Writer;

/// What the parent of the root is called.
const NOBODY: i32 = i32::MAX;

/// A tree with an entry for each node, the root first and every child after its parent.
#[derive(Debug, Default, PartialEq)]
pub struct Tree {
    parents: Vec<i32>,
    left: Vec<i32>,
    right: Vec<i32>,
    features: Vec<i32>,
    conditions: Vec<f32>,
    default_left: Vec<u8>,
    weights: Vec<f32>,
}

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

/// The tree with the nodes that can be reached. What pruning deleted stays behind.
pub fn rebuild(tree: &Value, features: usize) -> Result<Tree, RefusedModel> {
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
    let mut rebuilt = Tree::default();
    while let Some(&(node, parent)) = reached.get(rebuilt.parents.len()) {
        let number = rebuilt.parents.len() as i32;
        rebuilt.parents.push(parent);
        rebuilt.conditions.push(finite(&stored.conditions[node])?);
        rebuilt.weights.push(finite(&stored.weights[node])?);
        match stored.children(node)? {
            None => {
                rebuilt.left.push(-1);
                rebuilt.right.push(-1);
                rebuilt.features.push(0);
                rebuilt.default_left.push(0);
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
                let first = reached.len() as i32;
                rebuilt.left.push(first);
                rebuilt.right.push(first + 1);
                rebuilt.features.push(feature as i32);
                let default_left = side(&stored.default_left[node])?;
                rebuilt.default_left.push(default_left.into());
                reached.extend(children.map(|child| (child, number)));
            }
        }
    }
    Ok(rebuilt)
}

impl Tree {
    /// The tree at position `id` of a model, in the words of 1.6.2. Without types of its splits they are of numbers.
    pub fn write(&self, id: usize, features: usize, writer: &mut Writer) {
        let nodes = self.parents.len();
        let unused = vec![0.0; nodes];
        writer.object(|tree| {
            tree.key("id").integer(id as i32);
            tree.key("tree_param").object(|parameters| {
                parameters.key("num_deleted").text("0");
                parameters.key("num_feature").text(&features.to_string());
                parameters.key("num_nodes").text(&nodes.to_string());
                parameters.key("size_leaf_vector").text("0");
            });
            tree.key("parents").integers(&self.parents);
            tree.key("left_children").integers(&self.left);
            tree.key("right_children").integers(&self.right);
            tree.key("split_indices").integers(&self.features);
            tree.key("split_conditions").floats(&self.conditions);
            tree.key("default_left").bytes(&self.default_left);
            tree.key("sum_hessian").floats(&self.weights);
            tree.key("base_weights").floats(&unused);
            tree.key("loss_changes").floats(&unused);
        });
    }
}

/// A number that is finite as a 32-bit float, which the library makes of it.
fn finite(value: &Value) -> Result<f32, RefusedModel> {
    value
        .as_f64()
        .map(|number| number as f32)
        .filter(|number| number.is_finite())
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
    use serde_json::json;

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
        let expected = Tree {
            parents: vec![NOBODY, 0, 0, 1, 1],
            left: vec![1, 3, -1, -1, -1],
            right: vec![2, 4, -1, -1, -1],
            features: vec![1, 0, 0, 0, 0],
            conditions: vec![0.5, 7.0, 2.0, 1.0, 3.0],
            default_left: vec![1, 1, 0, 0, 0],
            weights: vec![6.0, 3.0, 3.0, 1.0, 2.0],
        };
        assert_eq!(rebuild(&tree, 2), Ok(expected));
    }

    #[test]
    fn arrays_of_different_lengths_are_refused() {
        assert_eq!(
            rebuild(&pruned(), 2).unwrap_err().to_string(),
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
            assert_eq!(rebuild(&tree, 1), Err(BROKEN));
        }
    }

    #[test]
    fn what_is_infinite_to_the_library_is_refused() {
        let mut tree = json!({
            "left_children": [-1], "right_children": [-1], "split_indices": [0],
            "split_conditions": [1e39], "default_left": [0], "sum_hessian": [1.0]
        });
        assert!(rebuild(&tree, 1).is_err());
        tree["split_conditions"] = json!([1e38]);
        assert!(rebuild(&tree, 1).is_ok());
        tree["default_left"] = json!([2]);
        assert!(rebuild(&tree, 1).is_ok(), "a leaf sends nobody anywhere");
    }
}
