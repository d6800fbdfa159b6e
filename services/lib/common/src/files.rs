//! Files that people name: read within bounds, and told apart.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

/// A configuration of ten thousand targets has a third of it.
pub const MOST_BYTES: u64 = 4 << 20;
/// Symbolic links that are followed, as Linux has it.
const MOST_LINKS: usize = 40;

/// The text of a file of settings, in UTF-8, or in UTF-16 with its mark of byte order.
///
/// # Errors
/// It can't be read, is no regular file (to open a pipe waits for its other end), is larger than [`MOST_BYTES`] or is no
/// text.
pub fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read(path)?;
    let no_text = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    if let Some(units) = utf_16(&bytes) {
        return char::decode_utf16(units)
            .collect::<Result<_, _>>()
            .map_err(|_| no_text("it is no UTF-16, but begins like it".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        no_text(format!("it is no UTF-8 on line {line}; save it as UTF-8"))
    })
}

/// The same of bytes that are there, with a sign in the place of what is none.
pub fn text_of_any(bytes: &[u8]) -> String {
    match utf_16(bytes) {
        Some(units) => char::decode_utf16(units)
            .map(|sign| sign.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// What follows a mark of byte order of two bytes.
fn utf_16(bytes: &[u8]) -> Option<impl Iterator<Item = u16> + use<'_>> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    // Half a unit at the end is half of no sign.
    let units = bytes[2..].chunks(2);
    Some(units.map(move |pair| pair.try_into().map_or(0xd800, unit)))
}

/// Its bytes, whatever they are.
///
/// # Errors
/// As [`read_text`], but for UTF-8.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    File::open(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(io::Error::other("it is larger than 4 MiB"));
    }
    Ok(text)
}

/// True when both are, or will be, the same file, however they are written.
pub fn same_file(left: &Path, right: &Path) -> bool {
    let identity = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        Some((file.dev(), file.ino()))
    };
    match (identity(left), identity(right)) {
        (Some(left), Some(right)) => left == right,
        (None, None) => resolved(left, MOST_LINKS) == resolved(right, MOST_LINKS),
        _ => false,
    }
}

/// Where a file will be that may not be there yet.
fn resolved(path: &Path, links: usize) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut found = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => {
                found.pop();
            }
            Component::CurDir => {}
            part => {
                found.push(part);
                if let Ok(target) = fs::read_link(&found)
                    && links > 0
                {
                    found.pop();
                    found = resolved(&found.join(target), links - 1);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("data")).unwrap();
        folder
    }

    #[test]
    fn a_file_is_the_same_however_it_is_written() {
        let folder = folder("same");
        let at = |name: &str| folder.join(name);
        std::os::unix::fs::symlink("x.db", at("data/link.db")).unwrap();
        std::os::unix::fs::symlink("data", at("other")).unwrap();
        std::os::unix::fs::symlink("loop", at("loop")).unwrap();
        for there in [false, true] {
            if there {
                fs::write(at("data/x.db"), "").unwrap();
                fs::hard_link(at("data/x.db"), at("hard.db")).unwrap();
                assert!(same_file(&at("data/x.db"), &at("hard.db")));
            }
            for alias in [
                "data/x.db",
                "./data/../data/x.db",
                "data/link.db",
                "other/x.db",
                "other/link.db",
                "no/../data//x.db",
            ] {
                // A path through a folder that isn't there leads nowhere once the file is there.
                if there && alias.starts_with("no/") {
                    continue;
                }
                assert!(same_file(&at("data/x.db"), &at(alias)), "{alias} {there}");
            }
            for another in ["data/y.db", "x.db", "loop"] {
                assert!(
                    !same_file(&at("data/x.db"), &at(another)),
                    "{another} {there}"
                );
            }
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn only_regular_files_of_some_size_are_read() {
        let folder = folder("read");
        let file = folder.join("file");
        let why = |path: &Path| read_text(path).unwrap_err().to_string();
        assert_eq!(why(&folder), "it is no regular file");
        assert_eq!(why(Path::new("/dev/zero")), "it is no regular file");
        fs::write(&file, vec![b' '; MOST_BYTES as usize + 1]).unwrap();
        assert_eq!(why(&file), "it is larger than 4 MiB");
        fs::write(&file, b"a: 1\nb: gr\xfc\xdfe").unwrap();
        assert_eq!(why(&file), "it is no UTF-8 on line 2; save it as UTF-8");
        for (mark, bytes) in [
            ([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]),
            ([0xfe, 0xff], u16::to_be_bytes),
        ] {
            let units = "größe: 東\u{1f600}".encode_utf16().flat_map(bytes);
            let text: Vec<u8> = mark.into_iter().chain(units).collect();
            fs::write(&file, &text).unwrap();
            assert_eq!(read_text(&file).unwrap(), "größe: 東\u{1f600}");
            assert_eq!(text_of_any(&text), "größe: 東\u{1f600}");
            fs::write(&file, &text[..text.len() - 2]).unwrap();
            assert!(why(&file).contains("no UTF-16"));
            fs::write(&file, [&text[..], b"a"].concat()).unwrap();
            assert!(why(&file).contains("no UTF-16"));
        }
        fs::write(&file, vec![b' '; MOST_BYTES as usize]).unwrap();
        assert_eq!(read_text(&file).unwrap().len() as u64, MOST_BYTES);
        let absent = read_text(&folder.join("absent")).unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        fs::remove_dir_all(folder).unwrap();
    }
}
