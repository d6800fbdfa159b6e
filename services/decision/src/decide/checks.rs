//! A check: what it may find, and how it is listed.

use crate::decide::verdict::ReasonCode;

/// The end of a walk without an action.
#[derive(Debug)]
pub struct Stop {
    pub code: ReasonCode,
    /// Why, with the numbers.
    pub sentence: String,
}

impl Stop {
    pub fn new(code: ReasonCode, sentence: impl Into<String>) -> Self {
        Self {
            code,
            sentence: sentence.into(),
        }
    }
}

/// The result of a check that finds what later ones look at: that, and a sentence.
pub type Found<T> = Result<(T, String), Stop>;

/// The verdict of a guard, with a sentence that has the numbers.
#[derive(Debug)]
pub enum Finding {
    /// It allows the action.
    Pass(String),
    /// There is nothing for it to look at.
    Skip(&'static str),
    /// It forbids the action.
    Block(Stop),
}

/// A check that can only say no: its name, as stored and shown, and its one function.
pub struct Guard<Check> {
    pub name: &'static str,
    pub check: Check,
}
