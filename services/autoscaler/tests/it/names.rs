//! A safety command for a name that nobody bears says so and stores nothing; one for a target works by each of its names,
//! and with the scheduler down, too.

use crate::support::{autoscaler::Autoscaler, told};

const ID: &str = "i-0123456789abcdef0";
const TARGETS: &str = "targets: [{id: web, instance_id: i-0123456789abcdef0}, {id: api, instance_id: i-0123456789abcdef1}]";

async fn paused(autoscaler: &Autoscaler) -> Vec<String> {
    let answer = autoscaler.json(&["pauses"]).await;
    let pauses = answer["pauses"].as_array().unwrap();
    let name = |pause: &serde_json::Value| pause["targetId"].as_str().unwrap().to_owned();
    pauses.iter().map(name).collect()
}

#[tokio::test]
async fn unknown_names_fail_with_the_nearest_and_instances_stand_for_their_targets() {
    let folder = tempfile::tempdir().unwrap();
    let autoscaler = Autoscaler::configure(folder.path(), "names", &[("scheduler", TARGETS)]);
    // Nobody is asked for AWS here; the tick finds no instance.
    let autoscaler = autoscaler
        .with("DRY_RUN", "true")
        .with_aws("http://127.0.0.1:9");
    let process = autoscaler.run().await;
    for name in ["Web", "wbe", "i-09999999999999999"] {
        for command in [
            &["pause", name][..],
            &["resume", name],
            &["decisions", "--target", name],
            &["tick", name],
            &["preflight", name, "t2.micro"],
            &["resize", name, "t2.micro", "--yes"],
            &["refusals", name],
            &["resizes", "--instance", name],
        ] {
            // An instance that is nobody's target may be looked at and resized by hand.
            if name.starts_with("i-")
                && !["pause", "resume", "decisions", "tick"].contains(&command[0])
            {
                continue;
            }
            let (code, out, error) = told(&autoscaler.output(command).await);
            assert_eq!(code, Some(66), "{command:?}: {out}{error}");
            let hint = match name.starts_with("i-") {
                true => "there are web, api",
                false => "did you mean web",
            };
            assert!(error.contains(hint), "{command:?}: {error}");
        }
    }
    assert_eq!(paused(&autoscaler).await, [""; 0], "nothing is stored");
    let (code, out, _) = told(&autoscaler.output(&["refusals", "web"]).await);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "EC2 refused no type for good\n")
    );
    let (code, out, _) = told(&autoscaler.output(&["decisions"]).await);
    assert_eq!((code, out.as_str()), (Some(0), "no decisions so far\n"));

    // A file on a full disk is not a whole answer.
    let full = std::fs::File::create("/dev/full").unwrap();
    let mut command = autoscaler.command(&["pauses"]);
    let output = command.stdout(full).output().unwrap();
    let (code, _, error) = told(&output);
    assert_eq!(code, Some(74), "{error}");
    assert!(
        error.contains("could not be written to stdout: No space"),
        "{error}"
    );

    let command = ["pause", ID, "--reason", "release", "--direction", "down"];
    let (code, out, error) = told(&autoscaler.output(&command).await);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("paused: web, down, until resumed"), "{out}");
    let (code, out, _) = told(&autoscaler.output(&["decisions", "--target", ID]).await);
    assert_eq!(code, Some(0), "{out}");

    // The list, and the status, say who and why.
    let (_, list, _) = told(&autoscaler.output(&["pauses"]).await);
    let (_, status, _) = told(&autoscaler.output(&["status"]).await);
    let (_, health, _) = told(&autoscaler.output(&["health"]).await);
    for text in [&list, &status, &health] {
        for part in ["web", "down", "release", "@"] {
            assert!(text.contains(part), "{text}\nlacks {part}");
        }
    }
    for text in [&status, &health] {
        for part in [
            "kill switch",
            "circuit breaker",
            "dry run",
            "prometheus",
            "lease",
        ] {
            assert!(text.contains(part), "{text}\nlacks {part}");
        }
    }

    // One pause a target: the next replaces it, and says what it replaced.
    let (_, out, _) = told(&autoscaler.output(&["pause", "web", "--for", "2h"]).await);
    assert!(
        out.contains("instead of: web, down, until resumed"),
        "{out}"
    );
    assert_eq!(paused(&autoscaler).await, ["web"]);
    let (_, out, _) = told(&autoscaler.output(&["resume", ID]).await);
    assert!(out.contains("resumed"), "{out}");
    assert_eq!(paused(&autoscaler).await, [""; 0]);

    for length in ["99999999h", "3000000000000s", "99999999999999999999h", "0s"] {
        let (code, out, error) = told(&autoscaler.output(&["pause", "--for", length]).await);
        assert_eq!(code, Some(64), "{length}: {out}{error}");
    }
    assert_eq!(paused(&autoscaler).await, [""; 0], "nothing is stored");
    drop(process);
}

#[tokio::test]
async fn with_the_scheduler_down_a_pause_is_stored_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let autoscaler = Autoscaler::configure(folder.path(), "alone", &[("scheduler", TARGETS)]);
    let mut decision = autoscaler.start_service("decision");
    decision.wait_for_port(autoscaler.ports.decision).await;
    for (name, stored) in [("web", "web"), (ID, "web"), ("elsewhere", "elsewhere")] {
        let (code, out, error) = told(&autoscaler.output(&["pause", name]).await);
        assert_eq!(code, Some(0), "{out}{error}");
        assert!(error.contains("warning:"), "{error}");
        assert!(error.contains("paused all the same"), "{error}");
        assert!(out.contains(&format!("paused: {stored}, both")), "{out}");
    }
    assert_eq!(paused(&autoscaler).await, ["elsewhere", "web"]);
    let (code, out, error) = told(&autoscaler.output(&["pause"]).await);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    // What is stored can be taken back, whatever its name.
    let (code, out, _) = told(&autoscaler.output(&["resume", "elsewhere"]).await);
    assert_eq!((code, out.trim()), (Some(0), "resumed: elsewhere"));
    assert_eq!(paused(&autoscaler).await, ["", "web"]);
}
