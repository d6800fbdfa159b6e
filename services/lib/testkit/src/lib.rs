//! What tests share: processes, the servers of others, waiting for what comes, the committed model.
//!
//! It knows no service, so that any of them may use it. What a test needs and does not find fails it, and says what to
//! install.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![expect(
    clippy::disallowed_methods,
    reason = "it waits for real processes, in real time"
)]

pub mod http;
pub mod model;
pub mod moto;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod wait;

use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// The folder that `.ci/test-servers` fills. Panics where that has not run.
pub fn test_servers() -> PathBuf {
    let folder = std::env::var_os("AUTOSCALER_TEST_SERVERS")
        .map_or_else(|| workspace().join(".test-servers"), PathBuf::from);
    assert!(
        folder.join(".stamp").exists(),
        "{} holds no servers for tests: `make test` fetches them, and so does `.ci/test-servers`",
        folder.display()
    );
    folder
}
