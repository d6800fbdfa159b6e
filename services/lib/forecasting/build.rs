//! Lists the files of `artifacts/cpu`, so that the binary carries the model it was built with.

use std::{env, fmt::Write as _, fs, io, path::Path};

fn main() -> io::Result<()> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let folder = Path::new(&root).join("../../../artifacts/cpu");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    // Without the folder the build goes on: `trainer train` makes it.
    for entry in fs::read_dir(&folder).into_iter().flatten() {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    files.sort();
    let folder = folder.canonicalize().unwrap_or(folder);
    let mut code = String::from("&[\n");
    for file in files {
        let path = folder.join(&file);
        writeln!(code, "    ({file:?}, include_bytes!({path:?}).as_slice()),")
            .map_err(io::Error::other)?;
    }
    code.push_str("]\n");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("embedded.rs"), code)
}
