//! The types that a machine may end up on.

use serde::{Deserialize, Serialize};

use super::breadcrumb::Breadcrumb;

/// Types to run on, best first: the target is rung 0, the old type rung 1, and then the fallbacks.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Ladder {
    pub target: String,
    pub from: String,
    fallbacks: Vec<String>,
}

/// Of the old type.
pub(super) const OLD_TYPE: usize = 1;

impl Ladder {
    pub fn new(from: &str, target: &str) -> Self {
        Self {
            target: target.to_owned(),
            from: from.to_owned(),
            fallbacks: Vec::new(),
        }
    }

    /// Each type once.
    pub fn extend(&mut self, fallbacks: Vec<String>) {
        for name in fallbacks {
            if !self.contains(&name) {
                self.fallbacks.push(name);
            }
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        name == self.target || name == self.from || self.fallbacks.iter().any(|one| one == name)
    }

    /// The type of a rung; `None` beyond the last.
    pub fn rung(&self, rung: usize) -> Option<&str> {
        match rung {
            0 => Some(&self.target),
            OLD_TYPE => Some(&self.from),
            further => self.fallbacks.get(further - 2).map(String::as_str),
        }
    }

    pub fn breadcrumb(&self, resize_id: &str) -> Breadcrumb {
        Breadcrumb {
            resize_id: resize_id.to_owned(),
            from: self.from.clone(),
            target: self.target.clone(),
            fallbacks: self.fallbacks.clone(),
        }
    }
}
