//! What proves that a breadcrumb was written here, for this very machine: a message authentication code (HMAC, RFC 2104,
//! with SHA-256, its first 128 bits), and where its key comes from.
//!
//! Whoever may tag instances can write a breadcrumb; without the key it is not believed. Copied to another machine, or
//! to another account, it does not fit.

use std::{
    fmt, fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::{hmac, rand};
use common::clock::machine;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

/// Of a key, bytes.
const SHORTEST: usize = 32;
const LONGEST: u64 = 4_096;
/// Bytes of the code that are written.
const CODE: usize = 16;
/// A disk that doesn't answer must not keep machines down.
const DISK_ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Before the time, and between it and the code.
const AT: &str = " at=";
const MAC: &str = " mac=";

/// Characters that a seal adds to a value: ` at=` with ten digits, and ` mac=` with the code.
pub const SEAL_LENGTH: usize = AT.len() + 10 + MAC.len() + 2 * CODE;

/// A text that is not shown.
#[derive(Clone, Deserialize, PartialEq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// In bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True for an empty one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("********")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("********")
    }
}

/// A key that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the key of breadcrumbs, {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("the key of breadcrumbs, {0}, does not answer")]
    NoAnswer(PathBuf),
    #[error("the key of breadcrumbs, {0}, is no file of {SHORTEST} to {LONGEST} bytes")]
    NoKey(PathBuf),
}

/// Where breadcrumbs are written and read: the key, as far as there is one.
#[derive(Clone, Debug)]
pub struct Seal(hmac::Key);

impl Seal {
    /// With this key.
    pub fn with(key: &Secret) -> Self {
        Self::of(key.0.as_bytes())
    }

    /// With a key that nobody knows: for simulations, and where the real one can't be had.
    pub fn fresh() -> Self {
        let mut bytes = [0; SHORTEST];
        // Without random numbers there is no TLS either, and so no AWS.
        let _ = rand::fill(&mut bytes);
        Self::of(&bytes)
    }

    /// With the key in a file, which is made where there is none.
    ///
    /// # Errors
    /// The file can't be read or made, or holds no key.
    pub async fn from_file(path: &Path) -> Result<Self, KeyError> {
        let path = path.to_owned();
        let named = path.clone();
        let reading = tokio::task::spawn_blocking(move || key_in(&path));
        match machine().timeout(DISK_ANSWERS_WITHIN, reading).await {
            Ok(Ok(key)) => Ok(Self::of(&key?)),
            Ok(Err(_)) | Err(_) => Err(KeyError::NoAnswer(named)),
        }
    }

    fn of(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// `value` with the time and the code.
    pub fn seal(&self, value: &str, account: &str, instance_id: &str, at: Timestamp) -> String {
        let value = format!("{value}{AT}{}", at.as_second());
        let code = hmac::sign(&self.0, &message(&value, account, instance_id));
        let code = hex::encode(&code.as_ref()[..CODE]);
        format!("{value}{MAC}{code}")
    }

    /// When `value` was sealed, if it was, here, for this instance of this account.
    pub fn opened(&self, value: &str, account: &str, instance_id: &str) -> Option<Timestamp> {
        let (value, code) = value.rsplit_once(MAC)?;
        let (_, at) = value.rsplit_once(AT)?;
        let code = hex::decode(code).ok().filter(|code| code.len() == CODE)?;
        let right = hmac::sign(&self.0, &message(value, account, instance_id));
        aws_lc_rs::constant_time::verify_slices_are_equal(&right.as_ref()[..CODE], &code).ok()?;
        Timestamp::from_second(at.parse().ok()?).ok()
    }
}

fn message(value: &str, account: &str, instance_id: &str) -> Vec<u8> {
    format!("autoscaler breadcrumb 1\n{account}\n{instance_id}\n{value}").into_bytes()
}

fn key_in(path: &Path) -> Result<Vec<u8>, KeyError> {
    let failed = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    if let Err(error) = fs::metadata(path)
        && error.kind() == io::ErrorKind::NotFound
    {
        make(path).map_err(failed)?;
    }
    // Not opened before it is known to be a file: a pipe would be waited for.
    let about = fs::metadata(path).map_err(failed)?;
    if !about.is_file() || about.len() > LONGEST {
        return Err(KeyError::NoKey(path.to_owned()));
    }
    let mut key = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(LONGEST).read_to_end(&mut key).map_err(failed)?;
    let key = key.trim_ascii().to_vec();
    match key.len() >= SHORTEST {
        true => Ok(key),
        false => Err(KeyError::NoKey(path.to_owned())),
    }
}

/// Whole or not at all, and for its owner only. Of two that make it at once, one wins for both.
fn make(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut bytes = [0; SHORTEST];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    let draft = folder.join(format!(".key-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&draft)?;
    writeln!(file, "{}", hex::encode(bytes))?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    let _ = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// A key that is too easily guessed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("has {length} bytes; a key needs {SHORTEST}: `openssl rand -hex 32` makes one")]
pub struct TooShort {
    length: usize,
}

/// For [`crate::config`].
///
/// # Errors
/// It is too short.
pub fn check_key(key: &Secret) -> Result<(), TooShort> {
    match key.len() >= SHORTEST {
        true => Ok(()),
        false => Err(TooShort { length: key.len() }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const ACCOUNT: &str = "123456789012";
    const ID: &str = "i-0123456789abcdef0";
    const VALUE: &str = "id=r1 from=t3.small to=t3.medium else=t3.large";

    fn now() -> Timestamp {
        "2026-11-27T01:02:03Z".parse().unwrap()
    }

    fn seal() -> Seal {
        Seal::with(&Secret::from("0123456789abcdef0123456789abcdef"))
    }

    #[test]
    fn what_was_sealed_here_for_this_machine_opens() {
        let value = seal().seal(VALUE, ACCOUNT, ID, now());
        assert_eq!(seal().opened(&value, ACCOUNT, ID), Some(now()));
        assert_eq!(value.len(), VALUE.len() + SEAL_LENGTH);
        // What EC2 takes in a tag.
        let allowed = |sign: char| sign.is_ascii_alphanumeric() || " +-=._:/@".contains(sign);
        assert!(value.chars().all(allowed), "{value}");
    }

    #[test]
    fn nothing_else_does() {
        let value = seal().seal(VALUE, ACCOUNT, ID, now());
        let other = Seal::with(&Secret::from("0123456789abcdef0123456789abcdeX"));
        assert_eq!(other.opened(&value, ACCOUNT, ID), None);
        assert_eq!(seal().opened(&value, "210987654321", ID), None);
        assert_eq!(seal().opened(&value, ACCOUNT, "i-0fedcba9876543210"), None);
        assert_eq!(
            seal().opened(&value, "12345678901", "2i-0123456789abcdef0"),
            None
        );
        let without = value.rsplit_once(MAC).unwrap().0;
        for forged in [
            VALUE.to_owned(),
            without.to_owned(),
            format!("{without} mac="),
            format!("{without} mac={}", "0".repeat(32)),
            value[..value.len() - 2].to_owned(),
            format!("{value}00"),
            value.replace("id=r1", "id=r2"),
            value.replace("from=t3.small", "from=t3.large"),
            value.replace("to=t3.medium", "to=t3.metal"),
            value.replace(" else=t3.large", ""),
            value.replace("at=1", "at=2"),
        ] {
            assert_eq!(seal().opened(&forged, ACCOUNT, ID), None, "{forged}");
        }
    }

    #[tokio::test]
    async fn a_key_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/breadcrumb.key");
        let first = Seal::from_file(&path).await.unwrap();
        let second = Seal::from_file(&path).await.unwrap();
        let value = first.seal(VALUE, ACCOUNT, ID, now());
        assert!(second.opened(&value, ACCOUNT, ID).is_some());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let beside = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1);
        assert!(Seal::fresh().opened(&value, ACCOUNT, ID).is_none());
    }

    #[tokio::test]
    async fn what_is_no_key_is_an_error_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let short = folder.path().join("short");
        fs::write(&short, "secret\n").unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let file = short.join("below");
        for path in [short.as_path(), &fifo, folder.path(), &file] {
            let error = Seal::from_file(path).await.unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::from("0123456789abcdef0123456789abcdef");
        let shown = format!("{secret:?} {}", serde_json::to_string(&secret).unwrap());
        assert!(!shown.contains("0123"), "{shown}");
        assert!(check_key(&secret).is_ok());
        assert!(
            check_key(&Secret::from("too short"))
                .unwrap_err()
                .to_string()
                .contains("openssl")
        );
    }
}
