//! One artifact in the place of another. Whoever opens the served folder finds the old one whole or the new one whole.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use forecasting::artifact::{Artifact, Location, manifest::Manifest};
use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use crate::card;

/// Copies `candidate`, checks that the copy is the artifact with `sha256`, and puts it in the place of `served`. Returns
/// where the old one lies now.
///
/// # Errors
/// When a file can't be written, or the copy is not what was judged. `served` is as it was then.
pub fn replace(candidate: &Path, served: &Path, sha256: &str) -> anyhow::Result<Option<PathBuf>> {
    let staged = beside(served, ".", ".new");
    remove(&staged)?;
    copy(candidate, &staged).with_context(|| format!("cannot write {}", staged.display()))?;
    let copied = Artifact::open(&Location::Folder(staged.clone()), 1)?;
    anyhow::ensure!(
        copied.sha256 == sha256,
        "{} changed while it was judged; try again",
        candidate.display()
    );
    let failed = || format!("cannot replace {}", served.display());
    if !served.exists() {
        fs::rename(&staged, served).with_context(failed)?;
        sync_folder(served).with_context(failed)?;
        return Ok(None);
    }
    let backup = beside(served, "", ".previous");
    match renameat_with(CWD, &staged, CWD, served, RenameFlags::EXCHANGE) {
        Ok(()) => {
            remove(&backup)?;
            fs::rename(&staged, &backup).with_context(failed)?;
        }
        // Some network file systems can't exchange: a moment without the folder, but never a half one.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            remove(&backup)?;
            fs::rename(served, &backup).with_context(failed)?;
            fs::rename(&staged, served).with_context(failed)?;
        }
        Err(error) => return Err(io::Error::from(error)).with_context(failed),
    }
    sync_folder(served).with_context(failed)?;
    Ok(Some(backup))
}

/// The artifact's own files; what else lies in its folder stays there.
fn copy(candidate: &Path, staged: &Path) -> io::Result<()> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(candidate.join("manifest.json"))?)?;
    let mut files = vec!["manifest.json".to_owned()];
    files.extend(manifest.models.into_iter().map(|model| model.file));
    if candidate.join(card::FILE).exists() {
        files.push(card::FILE.to_owned());
    }
    fs::create_dir_all(staged)?;
    for file in files {
        // A manifest must not reach outside its folder.
        if Path::new(&file).file_name() != Some(file.as_ref()) {
            return Err(io::Error::other(format!("{file} is not a plain file name")));
        }
        let to = staged.join(&file);
        fs::copy(candidate.join(&file), &to)?;
        File::open(to)?.sync_all()?;
    }
    File::open(staged)?.sync_all()
}

fn beside(served: &Path, before: &str, after: &str) -> PathBuf {
    let name = served.file_name().unwrap_or_default().to_string_lossy();
    served.with_file_name(format!("{before}{name}{after}"))
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// A rename is on disk when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../artifacts/cpu")
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_old_one_is_kept_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let served = folder.path().join("cpu");
        let sha256 = Artifact::open(&Location::Folder(committed()), 1)
            .unwrap()
            .sha256;
        assert_eq!(replace(&committed(), &served, &sha256).unwrap(), None);
        assert_eq!(names(folder.path()), ["cpu"]);
        assert_eq!(names(&served).len(), names(&committed()).len());

        for mark in ["first", "second"] {
            fs::write(served.join("mark"), mark).unwrap();
            let backup = replace(&committed(), &served, &sha256).unwrap().unwrap();
            assert_eq!(fs::read_to_string(backup.join("mark")).unwrap(), mark);
            assert!(!served.join("mark").exists());
            assert_eq!(names(folder.path()), ["cpu", "cpu.previous"]);
        }
    }

    #[test]
    fn what_is_not_what_was_judged_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let served = folder.path().join("cpu");
        fs::create_dir(&served).unwrap();
        fs::write(served.join("mark"), "old").unwrap();
        let error = replace(&committed(), &served, "another").unwrap_err();
        assert!(
            error.to_string().contains("changed while it was judged"),
            "{error}"
        );
        assert!(replace(&folder.path().join("none"), &served, "x").is_err());
        assert_eq!(fs::read_to_string(served.join("mark")).unwrap(), "old");
    }
}
