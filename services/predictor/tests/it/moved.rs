//! Commands that the trainer has now say so.

use std::process::Command;

#[test]
fn commands_that_moved_name_the_trainer_whatever_follows_them() {
    for arguments in [
        &["train", "--data", "d", "--out", "o"][..],
        &["train", "--help"],
        &["evaluate"],
        &["promote", "--candidate", "c", "--dry-run"],
        &[
            "--config",
            "absent.yaml",
            "train",
            "--prometheus",
            "http://p:9090",
        ],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_predictor"))
            .args(arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let command = arguments
            .iter()
            .find(|argument| ["train", "evaluate", "promote"].contains(argument))
            .unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(
            stderr.contains(&format!("call `trainer {command}`")),
            "{arguments:?}: {stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}
