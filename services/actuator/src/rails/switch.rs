//! What a person decided and a restart must not forget: the kill switch, and that the breaker was closed by hand. One
//! small JSON file, read each time, so that it can also be written by hand.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use common::private;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The file's content. `{"kill_switch": {"reason": "…", "since": "2026-01-31T12:00:00Z"}}` turns it on by hand.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decisions {
    /// `None` while it is off.
    pub kill_switch: Option<KillSwitch>,
    pub breaker_closed_at: Option<Timestamp>,
}

impl Decisions {
    /// A kill switch that is on.
    pub fn on(reason: String) -> Self {
        Self {
            kill_switch: Some(KillSwitch {
                reason,
                since: None,
            }),
            breaker_closed_at: None,
        }
    }

    /// From what `place` keeps. Something damaged counts as a kill switch that is on: whoever wrote it meant something.
    pub fn of(place: &str, document: &[u8]) -> Self {
        serde_json::from_slice(document)
            .unwrap_or_else(|error| Self::on(format!("{place} is damaged: {error}")))
    }

    /// As it is kept.
    ///
    /// # Errors
    /// Never, as far as is known: all of it can be written as JSON.
    pub fn document(&self) -> io::Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// What holds when two places keep something: on when either is, closed when it was closed last.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            kill_switch: self.kill_switch.or(other.kill_switch),
            breaker_closed_at: self.breaker_closed_at.max(other.breaker_closed_at),
        }
    }
}

/// The kill switch, on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KillSwitch {
    pub reason: String,
    /// `None` when it isn't known.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

/// Where the decisions are kept.
#[derive(Debug)]
pub struct Switch {
    /// `None` keeps them in memory, for simulations.
    path: Option<PathBuf>,
    in_memory: Mutex<Decisions>,
}

impl Switch {
    /// Nothing is read or made yet; a file that others may read is narrowed.
    pub fn new(path: Option<PathBuf>) -> Self {
        if let Some(path) = &path {
            private::narrow(path);
        }
        Self {
            path,
            in_memory: Mutex::default(),
        }
    }

    /// What holds now. A file that is there and can't be read counts as a kill switch that is on: whoever wrote it
    /// meant something.
    pub fn read(&self) -> Decisions {
        let Some(path) = &self.path else {
            return self.memory().clone();
        };
        // Not opened before it is known to be a file: a pipe would be waited for, and all calls with it.
        let read = match fs::metadata(path) {
            Ok(about) if !about.is_file() => Err(io::Error::other("it is no regular file")),
            Ok(_) => fs::read(path),
            Err(error) => Err(error),
        };
        match read {
            Ok(bytes) => Decisions::of(&path.display().to_string(), &bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Decisions::default(),
            Err(error) => Decisions::on(format!("{} can't be read: {error}", path.display())),
        }
    }

    /// Changes it, on the disk before this returns.
    ///
    /// # Errors
    /// When the file can't be written; then nothing has changed.
    pub fn change(&self, change: impl FnOnce(&mut Decisions)) -> io::Result<Decisions> {
        let mut memory = self.memory();
        let Some(path) = &self.path else {
            change(&mut memory);
            return Ok(memory.clone());
        };
        let mut decisions = self.read();
        change(&mut decisions);
        write(path, &decisions)?;
        Ok(decisions)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Decisions> {
        self.in_memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// By a rename, so that a crash leaves the old file or the new one.
fn write(path: &Path, decisions: &Decisions) -> io::Result<()> {
    use io::Write as _;
    let folder = path.parent().filter(|folder| folder != &Path::new(""));
    if let Some(folder) = folder {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension("json.new");
    let mut file = private::open(&new)?;
    // One that a crash left behind.
    file.set_len(0)?;
    file.write_all(&serde_json::to_vec_pretty(decisions)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_a_restart_and_a_damaged_file_is_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/safety.json");
        let switch = Switch::new(Some(path.clone()));
        assert_eq!(switch.read(), Decisions::default());
        switch
            .change(|decisions| {
                decisions.kill_switch = Some(KillSwitch {
                    reason: "incident 7".to_owned(),
                    since: Some(Timestamp::UNIX_EPOCH),
                });
            })
            .unwrap();
        let again = Switch::new(Some(path.clone()));
        assert_eq!(again.read().kill_switch.unwrap().reason, "incident 7");

        for damaged in ["", "{\"kill_switch\": {\"why\": 1}}", "\u{0}\u{0}"] {
            fs::write(&path, damaged).unwrap();
            let reason = again.read().kill_switch.unwrap().reason;
            assert!(reason.contains("is damaged"), "{reason}");
        }
        again
            .change(|decisions| decisions.kill_switch = None)
            .unwrap();
        assert_eq!(Switch::new(Some(path)).read(), Decisions::default());
    }
}
