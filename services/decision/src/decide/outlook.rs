//! The part of a forecast that decides: one horizon, as a number and a distribution.

use jiff::Timestamp;

use crate::{
    decide::{
        input::{Basis, Forecast, Input},
        probability::Distribution,
    },
    policy::document::Policy,
    text,
};

/// Above so much of its CPU a machine is taken to be saturated, percent.
pub const SATURATED_PERCENT: f64 = 90.0;

/// The horizon that the policy looks at.
#[derive(Clone, Copy, Debug)]
pub struct Outlook<'a> {
    /// Median CPU at the horizon, percent of the current type.
    pub cpu_percent: f64,
    /// Seconds after the origin.
    pub horizon_seconds: u32,
    /// CPU at the horizon.
    pub distribution: Distribution<'a>,
    /// Highest CPU until the horizon, where the forecast has it.
    pub peak: Option<Distribution<'a>>,
    /// Time of the last sample behind it.
    pub origin: Timestamp,
    forecast: &'a Forecast,
}

/// Why no forecast may decide.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoForecast {
    /// The caller says why it has none.
    #[error("{0}")]
    Unknown(String),
    /// Neither a forecast nor a reason.
    #[error("the request has no forecast")]
    Missing,
    /// It ends before the horizon of the policy.
    #[error("the forecast reaches {reach} ahead; policy.horizon_seconds asks for {asked}")]
    TooShort {
        /// As people read it.
        reach: String,
        /// As people read it.
        asked: String,
    },
    /// Nobody knows how old it is.
    #[error("the forecast does not say which sample it starts from")]
    NoOrigin,
    /// It is a number, no distribution.
    #[error("the forecast has fewer than two quantiles, so no probability")]
    NoDistribution,
    /// Its last sample is too old.
    #[error(
        "the forecast starts from a sample that is {age} old; samples older than {limit} are unknown"
    )]
    Stale {
        /// As people read it.
        age: String,
        /// As people read it.
        limit: String,
    },
}

impl<'a> Outlook<'a> {
    /// The nearest horizon at or above the policy's.
    ///
    /// # Errors
    /// Why there is none.
    pub fn new(policy: &Policy, input: &'a Input) -> Result<Self, NoForecast> {
        let Some(forecast) = &input.forecast else {
            return Err(NoForecast::Missing);
        };
        let horizon = forecast
            .horizons
            .iter()
            .filter(|horizon| horizon.horizon_seconds >= policy.horizon_seconds)
            .min_by_key(|horizon| horizon.horizon_seconds);
        let Some(horizon) = horizon else {
            let furthest = forecast
                .horizons
                .iter()
                .map(|horizon| horizon.horizon_seconds)
                .max();
            return Err(NoForecast::TooShort {
                reach: text::duration(furthest.unwrap_or(0).into()),
                asked: text::duration(policy.horizon_seconds.into()),
            });
        };
        let Some(origin) = forecast.origin else {
            return Err(NoForecast::NoOrigin);
        };
        let Some(distribution) = Distribution::new(&horizon.at_horizon) else {
            return Err(NoForecast::NoDistribution);
        };
        Ok(Self {
            cpu_percent: horizon.point,
            horizon_seconds: horizon.horizon_seconds,
            distribution,
            peak: Distribution::new(&horizon.peak),
            origin,
            forecast,
        })
    }

    /// Probability that CPU stays below so many percent of the present type until the horizon.
    pub fn stays_below(&self, percent: f64) -> f64 {
        self.peak.unwrap_or(self.distribution).below(percent)
    }

    /// `forecast 82.4 % in 15 min`.
    pub fn words(&self) -> String {
        format!(
            "forecast {:.1} % in {}",
            self.cpu_percent,
            text::duration(self.horizon_seconds.into())
        )
    }

    /// `the trained model`, or what stands in for it and why.
    pub fn basis_words(&self) -> String {
        let basis = match self.forecast.basis {
            Basis::Model => "the trained model",
            Basis::Mixed => "the trained model mixed with a naive forecast",
            Basis::Naive => "persistence, not by the model",
            Basis::Unspecified => "an unnamed source",
        };
        match (self.forecast.basis, self.forecast.basis_reason.as_str()) {
            (Basis::Model | Basis::Unspecified, _) | (_, "") => basis.to_owned(),
            (_, reason) => format!("{basis} ({reason})"),
        }
    }
}
