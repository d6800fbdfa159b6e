//! Reloading without being called: on SIGHUP, and when the artifact's folder has changed.
//!
//! A folder is looked at again until it holds still, so that one that is being written is not read halfway; and it is
//! read again only when it has changed since, so that a bad one costs one attempt and one line.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use common::clock::SharedClock;
use forecasting::artifact::Location;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::store::ModelStore;

/// What tells a file from its successor: size, inode and time of change in seconds and nanoseconds.
type Mark = (u64, u64, i64, i64);

/// What is in a folder, as far as a look tells. Empty when it can't be read.
#[derive(Clone, Debug, Default, PartialEq)]
struct Glance(BTreeMap<OsString, Mark>);

impl Glance {
    fn of(folder: &Path) -> Self {
        Self::read(folder).unwrap_or_default()
    }

    fn read(folder: &Path) -> io::Result<Self> {
        let mut marks = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // Follows links: they are how folders are swapped.
            let about = fs::metadata(entry.path())?;
            let mark = (about.len(), about.ino(), about.mtime(), about.mtime_nsec());
            marks.insert(entry.file_name(), mark);
        }
        Ok(Self(marks))
    }
}

/// Decides at each look whether to read the folder.
#[derive(Debug)]
struct Watch {
    /// As it was when it was read last.
    read: Glance,
    /// As it was at the last look.
    seen: Glance,
}

impl Watch {
    fn new(now: Glance) -> Self {
        Self {
            read: now.clone(),
            seen: now,
        }
    }

    /// True when the folder is another one than what was read, and holds still.
    fn look(&mut self, now: Glance) -> bool {
        let still = now == self.seen;
        let due = still && now != self.read;
        if due {
            self.read = now.clone();
        }
        self.seen = now;
        due
    }
}

/// Remembers what was said, so that the same failure is said once.
#[derive(Debug, Default)]
struct Said(Option<String>);

impl Said {
    fn is_new(&mut self, failure: &str) -> bool {
        let new = self.0.as_deref() != Some(failure);
        self.0 = Some(failure.to_owned());
        new
    }
}

/// What makes this process read its model again.
pub struct Triggers {
    hang_up: Signal,
    folder: Option<(PathBuf, Watch, Duration)>,
}

impl Triggers {
    /// SIGHUP, and changes of the folder at `location` looked for every `watch_seconds` (0: never). Call it before the
    /// model is loaded for the first time: what changes from then on counts.
    ///
    /// # Errors
    /// When the signal handler can't be installed.
    pub fn install(location: &Location, watch_seconds: u32) -> io::Result<Self> {
        let folder = match location {
            Location::Folder(path) if watch_seconds > 0 => {
                let watch = Watch::new(Glance::of(path));
                let every = Duration::from_secs(watch_seconds.into());
                Some((path.clone(), watch, every))
            }
            Location::Folder(_) | Location::Embedded => None,
        };
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            folder,
        })
    }

    /// Reloads `store` at each trigger, until `shutdown`.
    pub async fn run(
        self,
        store: Arc<ModelStore>,
        clock: SharedClock,
        shutdown: CancellationToken,
    ) {
        let Self {
            mut hang_up,
            folder,
        } = self;
        let signals = async {
            let mut said = Said::default();
            while hang_up.recv().await.is_some() {
                // Whoever sends a signal wants an answer each time.
                said.0 = None;
                reload(&store, "SIGHUP", &mut said).await;
            }
        };
        let changes = async {
            let Some((path, mut watch, every)) = folder else {
                return;
            };
            let mut said = Said::default();
            loop {
                let path = path.clone();
                let glance = tokio::task::spawn_blocking(move || Glance::of(&path)).await;
                if glance.is_ok_and(|glance| watch.look(glance)) {
                    reload(&store, "the artifact changed", &mut said).await;
                }
                clock.sleep(every).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            _ = async { tokio::join!(signals, changes) } => {}
        }
    }
}

async fn reload(store: &ModelStore, cause: &str, said: &mut Said) {
    match store.reload().await {
        Ok((loaded, changed)) => {
            said.0 = None;
            let artifact = loaded.forecaster.artifact();
            tracing::info!(
                version = artifact.manifest.version,
                sha256 = artifact.sha256,
                changed,
                "model reloaded: {cause}"
            );
        }
        Err(why) => {
            let line = store.with_consequence(&why);
            if said.is_new(&line) {
                tracing::warn!("{line} ({cause})");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_when_it_changed_and_holds_still() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let missing = path.join("later");
        assert_eq!(Glance::of(&missing), Glance::default());
        let mut watch = Watch::new(Glance::of(path));
        let mut look = || watch.look(Glance::of(path));
        assert!(!look(), "nothing changed");

        fs::write(path.join("manifest.json"), "{").unwrap();
        assert!(!look(), "it has just changed");
        fs::write(path.join("manifest.json"), "{}").unwrap();
        assert!(!look(), "it is still being written");
        assert!(look(), "now it holds still");
        assert!(!look() && !look(), "a bad folder is read once");

        // The same size within the same second is another file all the same.
        fs::write(path.join("new"), "[]").unwrap();
        fs::rename(path.join("new"), path.join("manifest.json")).unwrap();
        assert!(!look());
        assert!(look());

        // Also when the manifest stays and another file is completed.
        fs::write(path.join("model.json"), "{}").unwrap();
        assert!(!look());
        assert!(look());
    }

    #[test]
    fn the_same_failure_is_said_once() {
        let mut said = Said::default();
        let heard: Vec<bool> = ["cut short", "cut short", "no golden rows", "cut short"]
            .iter()
            .map(|line| said.is_new(line))
            .collect();
        assert_eq!(heard, [true, false, true, true]);
    }
}
