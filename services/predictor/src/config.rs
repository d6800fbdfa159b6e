//! Section `predictor` of the configuration.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use common::config::{ConfigError, Settings, invalid};
use forecasting::artifact::Location;
use serde::{Deserialize, Serialize};

/// Section `predictor`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the gRPC service.
    pub listen: SocketAddr,
    /// Address of the Prometheus exposition; null turns it off.
    pub metrics_listen: Option<SocketAddr>,
    /// Folder of the model artifact; null means the model that the binary was built with.
    pub artifact: Option<PathBuf>,
    /// Seconds between looks at that folder, 0 to 3600: when its files changed, the model is loaded again. 0 turns it off.
    pub watch_seconds: u32,
    /// Threads that compute forecasts, 1 to 256. One call uses one of them.
    pub threads: usize,
    /// Calls that may wait or run at once, 1 to 10,000; more are answered with UNAVAILABLE.
    pub max_calls: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 50051).into(),
            metrics_listen: Some((Ipv4Addr::LOCALHOST, 9101).into()),
            artifact: None,
            watch_seconds: 5,
            threads: 2,
            max_calls: 256,
        }
    }
}

impl Config {
    /// The section, checked.
    ///
    /// # Errors
    /// Names the key that is wrong.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let config: Self = settings.section("predictor")?;
        config.validate().map_err(|error| settings.placed(error))?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=256).contains(&self.threads) {
            return Err(invalid("predictor.threads", "must be 1 to 256"));
        }
        if self.watch_seconds > 3_600 {
            return Err(invalid("predictor.watch_seconds", "must be 0 to 3600"));
        }
        if !(1..=10_000).contains(&self.max_calls) {
            return Err(invalid("predictor.max_calls", "must be 1 to 10000"));
        }
        Ok(())
    }

    /// Where the model is read from.
    pub fn location(&self) -> Location {
        match &self.artifact {
            Some(folder) => Location::Folder(folder.clone()),
            None => Location::Embedded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_values_are_named() {
        for (yaml, expected) in [
            ("predictor: {threads: 0}", "`predictor.threads`: must be 1"),
            ("predictor: {max_calls: 0}", "`predictor.max_calls`: must"),
            (
                "predictor: {watch_seconds: 3601}",
                "`predictor.watch_seconds`: must be 0",
            ),
            ("predictor: {artefact: x}", "did you mean `artifact`?"),
        ] {
            let settings = Settings::from_yaml_text(yaml).unwrap();
            let error = Config::read(&settings).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let settings = Settings::from_yaml_text("predictor: {artifact: /m}").unwrap();
        let config = Config::read(&settings).unwrap();
        assert_eq!(config.location(), Location::Folder("/m".into()));
        assert_eq!(Config::default().location(), Location::Embedded);
    }
}
