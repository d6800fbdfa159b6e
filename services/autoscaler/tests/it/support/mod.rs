//! What the tests of the built binary share: processes that end with the test, a stand-in for AWS, a Prometheus of ours.

pub mod autoscaler;
pub mod moto;
pub mod process;
pub mod prometheus;
pub mod site;

use std::path::PathBuf;

/// The folder that `.ci/test-servers` fills, or `None` with a line on stderr where it has not run.
pub fn test_servers() -> Option<PathBuf> {
    let folder = std::env::var_os("AUTOSCALER_TEST_SERVERS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.test-servers")),
        PathBuf::from,
    );
    if folder.join("venv/bin/moto_server").exists() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "CI must run every test, but {} holds no servers",
        folder.display()
    );
    eprintln!(
        "skipped: {} holds no servers; `make test` fetches them",
        folder.display()
    );
    None
}
