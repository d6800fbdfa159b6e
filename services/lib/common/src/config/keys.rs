//! How keys begin: the sections of the file, and the prefix of the variables.

/// The sections that the file may have.
pub const SECTIONS: [&str; 6] = [
    "telemetry",
    "predictor",
    "policy",
    "decision",
    "actuator",
    "scheduler",
];

/// A variable `AUTOSCALER__SECTION__KEY` sets `section.key`.
pub(super) const ENV_PREFIX: &str = "AUTOSCALER__";
