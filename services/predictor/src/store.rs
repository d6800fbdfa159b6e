//! The model that is served: swapped whole, and kept when its successor is refused.

use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use common::clock::SharedClock;
use forecasting::{
    artifact::{Artifact, Location, RefusedArtifact},
    forecast::Forecaster,
};
use jiff::Timestamp;
use tokio::sync::{Mutex, watch};

use crate::{
    metrics::Metrics,
    pool::{Lost, Pool},
};

/// A verified model in service.
#[derive(Debug)]
pub struct Loaded {
    /// Answers with it.
    pub forecaster: Forecaster,
    /// When this process loaded it.
    pub loaded_at: Timestamp,
}

/// No model is served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no model is served: {0}")]
pub struct NotServing(String);

/// Why a model was not taken. One line: where it was read from, cause, and remedy.
#[derive(Debug, thiserror::Error)]
#[error("{location}: {cause}")]
pub struct RefusedReload {
    location: Location,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Artifact(#[from] RefusedArtifact),
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// Holds the model that is served, if there is one.
pub struct ModelStore {
    location: Location,
    clock: SharedClock,
    pool: Pool,
    metrics: Metrics,
    current: ArcSwapOption<Loaded>,
    /// Why there is none, or why the last reload was refused.
    refusal: RwLock<String>,
    ready: watch::Sender<bool>,
    reloading: Mutex<()>,
}

impl ModelStore {
    /// A store that serves nothing yet.
    pub fn new(location: Location, clock: SharedClock, pool: Pool, metrics: Metrics) -> Self {
        Self {
            location,
            clock,
            pool,
            metrics,
            current: ArcSwapOption::empty(),
            refusal: RwLock::new("the model is being loaded".to_owned()),
            ready: watch::Sender::new(false),
            reloading: Mutex::new(()),
        }
    }

    /// Turns true when a model is served.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// The model that is served.
    ///
    /// # Errors
    /// Why there is none, in one line.
    pub fn current(&self) -> Result<Arc<Loaded>, NotServing> {
        self.current.load_full().ok_or_else(|| {
            let refusal = self.refusal.read().unwrap_or_else(PoisonError::into_inner);
            NotServing(refusal.clone())
        })
    }

    /// `why` a reload was refused, and what that means.
    pub fn with_consequence(&self, why: &RefusedReload) -> String {
        let rest = match self.current.load().is_some() {
            true => "the old model serves on",
            false => "no model is served",
        };
        format!("{why}; {rest}")
    }

    /// What the model is read from, in words.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Reads the artifact again and serves it from now on; true when it is another one than before.
    ///
    /// # Errors
    /// Why it was refused, in one line. What was served before still is.
    pub async fn reload(&self) -> Result<(Arc<Loaded>, bool), RefusedReload> {
        let _one_at_a_time = self.reloading.lock().await;
        let location = self.location.clone();
        let opened = self
            .pool
            .run(move || Artifact::open(&location, 1).and_then(Forecaster::new))
            .await
            .map_err(Cause::from)
            .and_then(|opened| opened.map_err(Cause::from));
        let forecaster = match opened {
            Ok(forecaster) => forecaster,
            Err(cause) => {
                let location = self.location.clone();
                let why = RefusedReload { location, cause };
                self.metrics.refused();
                let mut refusal = self.refusal.write().unwrap_or_else(PoisonError::into_inner);
                *refusal = why.to_string();
                return Err(why);
            }
        };
        if let Some(current) = self.current.load_full() {
            let (old, new) = (current.forecaster.artifact(), forecaster.artifact());
            if (&old.sha256, &old.manifest_json) == (&new.sha256, &new.manifest_json) {
                return Ok((current, false));
            }
        }
        self.metrics.serving(forecaster.artifact());
        let loaded = Arc::new(Loaded {
            forecaster,
            loaded_at: self.clock.now(),
        });
        self.current.store(Some(Arc::clone(&loaded)));
        self.ready.send_replace(true);
        Ok((loaded, true))
    }
}
