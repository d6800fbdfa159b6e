//! Where a value was written: a line of the file, or a variable. Pure.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::lines;

/// Where to look for what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of the key, from 1.
    Line { path: PathBuf, number: usize },
    /// Of what is around a key that nobody wrote.
    Around { path: PathBuf, number: usize },
    /// Its name.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { path, number } => write!(formatter, "{}, line {number}", path.display()),
            Self::Around { path, number } => {
                write!(
                    formatter,
                    "{}, in what begins on line {number}",
                    path.display()
                )
            }
            Self::Variable(name) => write!(formatter, "from {name}"),
        }
    }
}

/// The file with its text.
#[derive(Clone, Debug)]
pub struct Document {
    path: PathBuf,
    text: Arc<str>,
}

impl Document {
    /// What `path` says.
    pub fn new(path: PathBuf, text: &str) -> Self {
        Self {
            path,
            text: text.into(),
        }
    }

    /// Of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where `key`, a dotted path, is written, or what is nearest around it.
    pub fn find(&self, key: &str) -> Option<Place> {
        let line = lines::nearest(&self.text, key)?;
        let (path, number) = (self.path.clone(), line.number);
        Some(match line.is_its_own {
            true => Place::Line { path, number },
            false => Place::Around { path, number },
        })
    }
}
