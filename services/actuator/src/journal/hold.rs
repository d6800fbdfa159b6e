//! The files of a journal: locked against other processes, and watched for what happens to them.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::private;
use tokio::sync::Semaphore;

use super::error::{OpenError, unusable};

/// Files that are to stay where they are.
#[derive(Debug)]
pub struct Watched {
    files: Arc<Vec<Placed>>,
    /// One look at a time: on a mount that has died it never ends, and another one would not either.
    looking: Arc<Semaphore>,
}

impl Watched {
    /// As they are there now.
    ///
    /// # Errors
    /// One of them can't be seen.
    pub fn new(paths: &[&Path]) -> io::Result<Self> {
        let files: io::Result<Vec<Placed>> = paths.iter().map(|path| Placed::new(path)).collect();
        Ok(Self {
            files: Arc::new(files?),
            looking: Arc::new(Semaphore::new(1)),
        })
    }

    /// What became of the first that is no longer there.
    pub async fn displaced(&self) -> Option<String> {
        // Neither fails: the semaphore is never closed, and a look doesn't panic.
        let turn = Arc::clone(&self.looking).acquire_owned().await.ok()?;
        let files = Arc::clone(&self.files);
        let look = tokio::task::spawn_blocking(move || {
            let found = files.iter().find_map(Placed::displaced);
            drop(turn);
            found
        });
        look.await.ok().flatten()
    }
}

/// A file, and where it was found.
#[derive(Debug)]
struct Placed {
    path: PathBuf,
    /// Device and inode.
    is: (u64, u64),
}

impl Placed {
    fn new(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            is: (file.dev(), file.ino()),
        })
    }

    /// What became of it, if it is no longer there.
    fn displaced(&self) -> Option<String> {
        let what = match fs::metadata(&self.path) {
            Ok(file) if (file.dev(), file.ino()) == self.is => return None,
            Ok(_) => "was replaced".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "was removed".to_owned(),
            Err(error) => format!("can't be seen any more ({error})"),
        };
        Some(format!(
            "{} {what} while it was in use; put it where it belongs, then start the actuator again",
            self.path.display()
        ))
    }
}

/// Of a database.
pub fn lock_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    PathBuf::from(path)
}

/// Locked until it is closed.
///
/// # Errors
/// Another process has it, or it can't be opened.
pub fn lock_file(database: &Path) -> Result<File, OpenError> {
    let name = database.display().to_string();
    if let Some(folder) = database
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder).map_err(|error| unusable(&name, &error))?;
    }
    let path = lock_path(database);
    let wrong = |error: &dyn std::error::Error| unusable(&path.display().to_string(), error);
    // To open a pipe would wait for its other end.
    if fs::metadata(&path).is_ok_and(|file| !file.is_file()) {
        return Err(wrong(&io::Error::other("it is no regular file")));
    }
    // On a disk that can't be written, another process may hold it all the same.
    let opened = private::open(&path).or_else(|error| File::open(&path).map_err(|_| error));
    let file = opened.map_err(|error| wrong(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held(name)),
        Err(TryLockError::Error(error)) => Err(wrong(&error)),
    }
}
