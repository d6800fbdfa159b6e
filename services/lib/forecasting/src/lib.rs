//! Forecasting: the history of one machine in, quantiles of its CPU per horizon out. Pure: no network, no clock, no
//! state; a model is read from a folder or from the binary.
//!
//! `series` puts samples on a grid, `features` is what a model sees of them, `local` is the linear model of one series
//! alone, `artifact` the trained model of all machines, `calibration` what the recent past says of both, `naive` and
//! `past` what needs no model. `forecast` puts them together.
//!
//! Invariant: XGBoost is known to `artifact::booster` only.

pub mod artifact;
pub mod calibration;
pub mod features;
pub mod forecast;
pub mod local;
pub mod naive;
pub mod past;
pub mod quantile;
pub mod series;
