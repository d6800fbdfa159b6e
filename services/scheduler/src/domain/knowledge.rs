//! How much is known of a target in a tick.

use super::{
    forecast::Forecast,
    machine::Instance,
    observation::{Observation, Series},
};

/// The knowledge about a target, and why there is no more. Each step needs the one before.
#[derive(Clone, Debug, PartialEq)]
pub enum Knowledge {
    /// Nothing: its instance can't be described.
    Nothing {
        /// The reason, one line.
        why: String,
    },
    /// Its instance, which is not running: there is nothing to measure.
    Idle {
        /// In another state than running.
        instance: Instance,
        /// The same in words, one line.
        why: String,
    },
    /// Its running instance; metrics are missing, stale, partial or contradictory.
    Unmeasured {
        /// A running one.
        instance: Instance,
        /// The reason, one line.
        why: String,
    },
    /// Its present and its past, without a future.
    Unforecast {
        /// A running one.
        instance: Instance,
        /// The present.
        observation: Observation,
        /// The past.
        series: Series,
        /// The reason, one line.
        why: String,
    },
    /// All of it.
    Forecast {
        /// A running one.
        instance: Instance,
        /// The present.
        observation: Observation,
        /// The past.
        series: Series,
        /// The future.
        forecast: Forecast,
    },
}

/// The part that is missing for a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missing {
    /// The instance is not running or could not be described.
    Instance,
    /// Metrics that can be trusted.
    Metrics,
    /// A forecast.
    Forecast,
}

impl Knowledge {
    /// The instance, when it could be described.
    pub fn instance(&self) -> Option<&Instance> {
        match self {
            Self::Nothing { .. } => None,
            Self::Idle { instance, .. }
            | Self::Unmeasured { instance, .. }
            | Self::Unforecast { instance, .. }
            | Self::Forecast { instance, .. } => Some(instance),
        }
    }

    /// The present, when it was measured.
    pub fn observation(&self) -> Option<&Observation> {
        match self {
            Self::Unforecast { observation, .. } | Self::Forecast { observation, .. } => {
                Some(observation)
            }
            _ => None,
        }
    }

    /// The past, when it was measured.
    pub fn series(&self) -> Option<&Series> {
        match self {
            Self::Unforecast { series, .. } | Self::Forecast { series, .. } => Some(series),
            _ => None,
        }
    }

    /// The future, when it was forecast.
    pub fn forecast(&self) -> Option<&Forecast> {
        match self {
            Self::Forecast { forecast, .. } => Some(forecast),
            _ => None,
        }
    }

    /// The part that is missing, and why; `None` when nothing is.
    pub fn missing(&self) -> Option<(Missing, &str)> {
        match self {
            Self::Nothing { why } | Self::Idle { why, .. } => Some((Missing::Instance, why)),
            Self::Unmeasured { why, .. } => Some((Missing::Metrics, why)),
            Self::Unforecast { why, .. } => Some((Missing::Forecast, why)),
            Self::Forecast { .. } => None,
        }
    }
}
