//! The model that is served: swapped whole, and kept when its successor is refused.

use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use common::clock::SharedClock;
use forecasting::{
    artifact::{Artifact, Location},
    forecast::Forecaster,
};
use jiff::Timestamp;
use tokio::sync::{Mutex, watch};

use crate::{metrics::Metrics, pool::Pool};

/// A verified model in service.
#[derive(Debug)]
pub struct Loaded {
    /// Answers with it.
    pub forecaster: Forecaster,
    /// When this process loaded it.
    pub loaded_at: Timestamp,
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
    pub fn current(&self) -> Result<Arc<Loaded>, String> {
        self.current.load_full().ok_or_else(|| {
            let refusal = self.refusal.read().unwrap_or_else(PoisonError::into_inner);
            format!("no model is served: {refusal}")
        })
    }

    /// `why` a reload was refused, and what that means.
    pub fn with_consequence(&self, why: &str) -> String {
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
    pub async fn reload(&self) -> Result<(Arc<Loaded>, bool), String> {
        let _one_at_a_time = self.reloading.lock().await;
        let location = self.location.clone();
        let opened = self
            .pool
            .run(move || Artifact::open(&location, 1).and_then(Forecaster::new))
            .await
            .map_err(|lost| lost.to_string())
            .and_then(|opened| opened.map_err(|refused| refused.to_string()));
        let forecaster = match opened {
            Ok(forecaster) => forecaster,
            Err(why) => {
                let why = format!("{}: {why}", self.location);
                self.metrics.refused();
                let mut refusal = self.refusal.write().unwrap_or_else(PoisonError::into_inner);
                refusal.clone_from(&why);
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
