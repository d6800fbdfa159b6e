//! Forecast: it, or measured saturation, asks for something.

use crate::decide::{
    checks::{Found, Stop},
    verdict::ReasonCode,
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
        Err(none) => Err(Stop::new(ReasonCode::ForecastInRange, none.sentence)),
    }
}
