//! The file that keeps what a person decided: small, JSON, and read each time, so that it can also be written by hand.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use common::private;

use crate::rails::Decisions;

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
    use jiff::Timestamp;

    use super::*;
    use crate::rails::KillSwitch;

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
