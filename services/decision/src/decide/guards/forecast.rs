//! Forecast: it, or what was measured, asks for something.

use crate::decide::{
    checks::{Found, Stop},
    want::{NoWant, Want},
};

pub const NAME: &str = "forecast";

/// The wish of the strategy.
pub fn find(asked: Result<Want, NoWant>) -> Found<Want> {
    match asked {
        Ok(want) => {
            let sentence = want.sentence.clone();
            Ok((want, sentence))
        }
        Err(none) => Err(Stop::new(none.code, none.sentence)),
    }
}
