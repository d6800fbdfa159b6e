//! Files that only their owner may read: which machines there are, and what was decided and done to them, is nobody
//! else's business.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// What others may do with a file.
const OTHERS: u32 = 0o077;
/// What a new file allows.
const OWNER: u32 = 0o600;
/// What SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Opens a file to write it, and makes it when it isn't there. What is in it stays.
///
/// # Errors
/// It can't be opened for writing.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(OWNER)
        .open(path)?;
    narrow(path);
    Ok(file)
}

/// Makes an empty file for a database, unless there is something. SQLite takes an empty file for an empty database, and
/// gives what it puts beside it the same permissions. A file that can't be made is SQLite's to complain of.
pub fn make_database(path: &Path) {
    let mut options = OpenOptions::new();
    let _ = options.write(true).create_new(true).mode(OWNER).open(path);
}

/// Narrows a database that is known to be ours, with what lies beside it.
pub fn narrow_database(path: &Path) {
    narrow(path);
    for suffix in BESIDE {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        narrow(&PathBuf::from(name));
    }
}

/// Takes from a file that is there what others may do with it. Where that can't be, it is said: nothing depends on it.
pub fn narrow(path: &Path) {
    let Ok(file) = fs::metadata(path) else { return };
    let mode = file.permissions().mode();
    if !file.is_file() || mode & OTHERS == 0 {
        return;
    }
    let narrower = fs::Permissions::from_mode(mode & !OTHERS);
    match fs::set_permissions(path, narrower) {
        Ok(()) => tracing::info!(file = %path.display(), "now only its owner may read it"),
        Err(error) => tracing::warn!(
            file = %path.display(),
            %error,
            "others may read it; chmod 600 it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_file_is_its_owners_and_an_old_one_becomes_it_with_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        open(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::write(&path, "content").unwrap();
        set(&path, 0o664);
        open(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"content");
    }

    #[test]
    fn narrowing_gives_nobody_more_and_leaves_what_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        for (before, after) in [
            (0o644, 0o600),
            (0o640, 0o600),
            (0o400, 0o400),
            (0o604, 0o600),
        ] {
            fs::write(&path, "").unwrap();
            set(&path, before);
            narrow(&path);
            assert_eq!(mode(&path), after, "{before:o}");
            fs::remove_file(&path).unwrap();
        }
        let inner = folder.path().join("folder");
        fs::create_dir(&inner).unwrap();
        set(&inner, 0o755);
        narrow(&inner);
        assert_eq!(mode(&inner), 0o755);
        narrow(&folder.path().join("absent"));
    }

    #[test]
    fn a_database_is_made_once_and_narrowed_with_its_logs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        make_database(&path);
        assert_eq!(mode(&path), 0o600);
        fs::write(&path, "pages").unwrap();
        set(&path, 0o644);
        make_database(&path);
        assert_eq!(mode(&path), 0o644, "it is not known yet to be ours");
        assert_eq!(fs::read(&path).unwrap(), b"pages");
        for suffix in BESIDE {
            let log = folder.path().join(format!("a.db{suffix}"));
            fs::write(&log, "").unwrap();
            set(&log, 0o644);
        }
        narrow_database(&path);
        for name in ["a.db", "a.db-wal", "a.db-shm", "a.db-journal"] {
            assert_eq!(mode(&folder.path().join(name)), 0o600, "{name}");
        }
    }
}
