//! What the tests of the built binary share: itself with a configuration, an EC2 that is quick, a Prometheus.

pub mod autoscaler;
pub mod prometheus;
pub mod site;

use std::process::Output;

/// Exit code, stdout and stderr of a command that has ended.
pub fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}
