//! `resize`, `preflight`, `kill-switch` and `limits` of the built binary, against running services whose EC2 is the fake
//! over its wire.

use actuator::cloud::{InstanceState, Operation};
use simulator::cloud::{Deed, Moment};
use testkit::{process::Process, wait};

use crate::support::{
    site::{ID, Site},
    told,
};

/// All four services in one process, and an EC2 that is quick.
async fn stage(actuator: &str) -> (Site, Process) {
    let lines = format!("poll_seconds: 1\n{actuator}");
    let site = Site::configured(&[ID], &[("actuator", &lines)]).await;
    let process = site.autoscaler.run().await;
    (site, process)
}

#[tokio::test]
async fn a_resize_by_hand_shows_its_steps_and_what_runs_then() {
    let (site, _process) = stage("dry_run: false").await;
    let command = ["resize", ID, "t2.medium", "--dry-run"];
    let (code, out, _) = told(&site.autoscaler.output(&command).await);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("was not touched (dry run)"), "{out}");
    assert_eq!(site.fake.mutations(), 0);

    let (code, _, error) = told(&site.autoscaler.output(&["resize", ID, "t2.small"]).await);
    assert_eq!(code, Some(64));
    let why = format!("{ID} runs on t2.small already");
    assert!(error.contains(&why), "{error}");

    // Nobody is there to say yes.
    let (code, _, error) = told(&site.autoscaler.output(&["resize", ID, "t2.medium"]).await);
    assert_eq!(code, Some(64));
    assert!(error.contains("add --yes"), "{error}");
    assert_eq!(site.fake.mutations(), 0);

    let command = ["resize", ID, "t2.medium", "--yes", "--reason", "lunch"];
    let (code, out, error) = told(&site.autoscaler.output(&command).await);
    assert_eq!(code, Some(0), "{out}{error}");
    eprintln!("{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].contains("from t2.small to t2.medium"), "{out}");
    let position = |step: &str| {
        let found = lines
            .iter()
            .position(|line| line.split_whitespace().next() == Some(step));
        found.unwrap_or_else(|| panic!("no {step} in\n{out}"))
    };
    let steps = [
        "preflight",
        "stop",
        "modify",
        "start",
        "status_checks",
        "monitoring",
    ];
    let positions = steps.map(position);
    assert!(positions.is_sorted(), "{out}");
    for step in &lines[positions[0]..=positions[5]] {
        assert!(step.contains(" s  "), "no duration in {step:?}");
    }
    let last = lines.last().unwrap();
    assert!(
        last.starts_with(&format!("{ID} runs t2.medium (it was t2.small), after ")),
        "{last}"
    );
    assert!(last.ends_with("; monitoring runs"), "{last}");
    assert!(
        !out.contains('\u{1b}'),
        "no colours without a terminal: {out}"
    );
    assert_eq!(site.fake.instance_type(ID).as_deref(), Some("t2.medium"));
}

#[tokio::test]
async fn the_exit_code_says_how_it_ended() {
    let (site, _process) = stage("dry_run: false\nlimits: {shortage_memory_seconds: 0}").await;
    site.fake.set_capacity("t2.large", false);
    let (code, out, _) = told(
        &site
            .autoscaler
            .output(&["resize", ID, "t2.large", "--yes"])
            .await,
    );
    assert_eq!(code, Some(4), "{out}");
    assert!(out.contains("runs t2.small as before"), "{out}");
    assert!(out.contains("InsufficientInstanceCapacity"), "{out}");

    let answer = site
        .autoscaler
        .json(&["resize", ID, "t4g.small", "--yes"])
        .await;
    assert_eq!(
        answer["resize"]["phase"], "RESIZE_PHASE_REFUSED",
        "{answer}"
    );
    let error = answer["resize"]["error"].as_str().unwrap();
    assert!(error.contains("architecture"), "{error}");

    let (code, _, error) = told(
        &site
            .autoscaler
            .output(&["resize", "i-00000000000000bad", "t2.large", "--yes"])
            .await,
    );
    assert_eq!(code, Some(66), "{error}");
    let (code, _, error) = told(
        &site
            .autoscaler
            .output(&["resize", "i-1;reboot", "t2.large", "--yes"])
            .await,
    );
    assert_eq!(code, Some(64), "{error}");
}

#[tokio::test]
async fn the_preflight_is_a_table_of_checks() {
    let (site, _process) = stage("dry_run: false").await;
    let (code, out, _) = told(
        &site
            .autoscaler
            .output(&["preflight", ID, "t2.medium"])
            .await,
    );
    assert_eq!(code, Some(0), "{out}");
    eprintln!("{out}");
    assert!(out.starts_with("CHECK"), "{out}");
    assert!(out.lines().count() > 25, "{out}");
    assert!(
        out.contains(&format!("{ID} may be resized to t2.medium")),
        "{out}"
    );

    site.fake.set_stop_protected(ID, true);
    let (code, out, _) = told(
        &site
            .autoscaler
            .output(&["preflight", ID, "t2.medium"])
            .await,
    );
    assert_eq!(code, Some(3), "{out}");
    let line = out
        .lines()
        .find(|line| line.starts_with("not_stop_protected"))
        .unwrap();
    assert!(
        line.contains("block") && line.contains("DisableApiStop"),
        "{line}"
    );
    assert!(out.contains("must not be resized"), "{out}");
    let answer = site.autoscaler.json(&["preflight", ID, "t2.medium"]).await;
    assert_eq!(answer["ok"], false, "{answer}");
    assert_eq!(site.fake.mutations(), 0);
}

#[tokio::test]
async fn the_kill_switch_is_thrown_by_hand() {
    let (site, _process) = stage("dry_run: false").await;
    let (code, _, error) = told(&site.autoscaler.output(&["kill-switch", "on"]).await);
    assert_eq!(code, Some(64));
    assert!(error.contains("--reason"), "{error}");
    let command = ["kill-switch", "on", "--reason", "incident 7"];
    let (code, out, _) = told(&site.autoscaler.output(&command).await);
    assert_eq!(code, Some(0));
    assert!(out.contains("incident 7"), "{out}");

    let (code, _, error) = told(
        &site
            .autoscaler
            .output(&["resize", ID, "t2.medium", "--yes"])
            .await,
    );
    assert_eq!(code, Some(3), "{error}");
    assert!(
        error.contains("refused, nothing was changed: the kill switch is on: incident 7"),
        "{error}"
    );
    let (_, out, _) = told(&site.autoscaler.output(&["limits"]).await);
    eprintln!("{out}");
    let line = out
        .lines()
        .find(|line| line.starts_with("kill switch"))
        .unwrap();
    assert!(line.contains("on") && line.contains("incident 7"), "{line}");

    let (_, out, _) = told(&site.autoscaler.output(&["kill-switch", "off"]).await);
    assert!(out.contains("kill switch off"), "{out}");
    let (_, out, _) = told(&site.autoscaler.output(&["kill-switch", "status"]).await);
    assert!(out.contains("kill switch off"), "{out}");
    let (code, out, _) = told(&site.autoscaler.output(&["limits", "--close-breaker"]).await);
    assert_eq!(code, Some(0));
    assert!(out.contains("closed"), "{out}");
}

#[tokio::test]
async fn a_type_refused_for_good_is_listed_and_forgotten_by_hand() {
    let (site, _process) = stage("dry_run: false").await;
    let words = "Unsupported: The requested configuration is currently not supported.";
    site.fake.set_refused("t2.medium", Some(words));
    let resize = ["resize", ID, "t2.medium", "--yes"];
    let (code, out, _) = told(&site.autoscaler.output(&resize).await);
    assert_eq!(code, Some(4), "{out}");
    let preflight = ["preflight", ID, "t2.medium"];
    let (code, out, _) = told(&site.autoscaler.output(&preflight).await);
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains(words), "{out}");
    let (code, out, _) = told(&site.autoscaler.output(&resize).await);
    assert_eq!(code, Some(3), "{out}");
    assert_eq!(site.fake.count(Operation::Stop), 1);

    let (_, out, _) = told(&site.autoscaler.output(&["refusals"]).await);
    let line = out.lines().find(|line| line.starts_with(ID)).unwrap();
    assert!(line.contains("t2.medium") && line.contains(words), "{line}");
    let (_, out, _) = told(&site.autoscaler.output(&["refusals", "--forget", ID]).await);
    assert!(out.contains("1 forgotten"), "{out}");
    let (code, out, _) = told(&site.autoscaler.output(&preflight).await);
    assert_eq!(code, Some(0), "{out}");
    // Used of allowed: one resize so far, and it was this instance's.
    let (_, out, _) = told(&site.autoscaler.output(&["limits"]).await);
    let line = out.lines().find(|line| line.starts_with("instance budget"));
    let line = line.unwrap();
    assert!(line.contains("1 of 24") && line.contains(ID), "{line}");
}

#[tokio::test]
async fn following_goes_on_when_the_command_is_quicker_than_the_machine() {
    let (site, _process) = stage("dry_run: false").await;
    let hold = site.fake.hold(Operation::Start, 1, Moment::Before);
    let mut command = site
        .autoscaler
        .command(&["resize", ID, "t2.medium", "--yes"]);
    let child = tokio::process::Command::from({
        command.stdout(std::process::Stdio::piped());
        command
    });
    let mut child = child;
    let child = child.kill_on_drop(true).spawn().unwrap();
    hold.arrived().await;
    assert_eq!(site.fake.state(ID), Some(InstanceState::Stopped));
    hold.release();
    let output = child.wait_with_output().await.unwrap();
    let (code, out, _) = told(&output);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("runs t2.medium"), "{out}");
}

#[tokio::test]
async fn what_lost_its_resize_is_listed_and_brought_back() {
    let (site, _process) = stage("dry_run: false").await;
    let (code, out, _) = told(&site.autoscaler.output(&["recover"]).await);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("no instance bears the tag"), "{out}");
    // As a resize leaves it whose actuator died, and its disk with it.
    site.fake.somebody(ID, Deed::Stop);
    site.fake.somebody(
        ID,
        Deed::Edit(|instance| {
            let tag = "id=r9 from=t2.small to=t2.large".to_owned();
            instance.tags.insert("autoscaler:resize".to_owned(), tag);
        }),
    );
    let (code, out, _) = told(&site.autoscaler.output(&["recover"]).await);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("unverified") && out.contains("r9"), "{out}");
    assert!(out.contains("not written here"), "{out}");
    let (code, out, error) = told(&site.autoscaler.output(&["recover", "--apply"]).await);
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.contains("taken up"), "{out}");
    wait::answer(
        async || (site.fake.state(ID), site.fake.tags(ID)),
        |(state, tags)| {
            *state == Some(InstanceState::Running) && !tags.contains_key("autoscaler:resize")
        },
    )
    .await;
}

#[tokio::test]
async fn a_ladder_of_types_that_ec2_does_not_have_is_refused_while_the_actuator_answers() {
    let (site, _process) = stage("dry_run: true").await;
    let check = async |ladder: &str| {
        let mut command = site.autoscaler.command(&["check-config"]);
        command.env("AUTOSCALER__POLICY__LADDER", ladder);
        // Beside the runtime, which serves the cloud.
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        told(&output.unwrap().unwrap())
    };
    let (code, out, error) = check("[t2.micro, t2.small]").await;
    assert_eq!(code, Some(0), "{out}{error}");
    let (code, _, error) = check("[t2.micro, t2.smal]").await;
    assert_eq!(code, Some(64), "{error}");
    assert!(
        error.contains("policy.ladder") && error.contains("EC2 has no type t2.smal in"),
        "{error}"
    );
}

#[tokio::test]
async fn ctrl_c_ends_the_looking_on_and_not_the_resize() {
    let (site, _process) = stage("dry_run: false").await;
    // The stop takes its time, so that there is something to interrupt.
    let hold = site.fake.hold(Operation::Stop, 1, Moment::Before);
    let command = ["resize", ID, "t2.medium", "--yes"];
    let mut child = tokio::process::Command::from(site.autoscaler.command(&command));
    let child = child
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    hold.arrived().await;
    let pid = child.id().unwrap().to_string();
    let kill = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status();
    assert!(kill.unwrap().success());
    let (code, out, error) = told(&child.wait_with_output().await.unwrap());
    assert_eq!(code, Some(130), "{out}{error}");
    assert!(error.contains("the resize goes on"), "{error}");
    let (_, follow) = error
        .split_once("autoscaler resizes --follow ")
        .unwrap_or_else(|| panic!("{error}"));
    let id = follow.trim();

    let (code, list, _) = told(&site.autoscaler.output(&["resizes"]).await);
    assert_eq!(code, Some(0), "{list}");
    assert!(list.contains(id) && list.contains("stopping"), "{list}");
    let (_, active, _) = told(&site.autoscaler.output(&["resizes", "--active"]).await);
    assert!(active.contains(id), "{active}");
    hold.release();
    let (code, out, error) = told(&site.autoscaler.output(&["resizes", "--follow", id]).await);
    assert_eq!(code, Some(0), "{out}{error}");
    let last = out.lines().last().unwrap_or_default();
    assert!(last.contains("runs t2.medium (it was t2.small)"), "{out}");

    let (_, active, _) = told(&site.autoscaler.output(&["resizes", "--active"]).await);
    assert_eq!(active.trim(), "no resize is under way");
    let command = ["resizes", "--follow", "nobody-knows"];
    let (code, _, error) = told(&site.autoscaler.output(&command).await);
    assert_eq!(code, Some(66), "{error}");
    let answer = site.autoscaler.json(&["resizes", "--instance", ID]).await;
    assert_eq!(answer["resizes"][0]["resizeId"], id, "{answer}");
}

/// Every file below `folder` that others than its owner may do something with.
fn open_to_others(folder: &std::path::Path) -> Vec<(std::path::PathBuf, u32)> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let about = entry.metadata().unwrap();
        let mode = about.permissions().mode() & 0o777;
        if about.is_dir() {
            found.extend(open_to_others(&entry.path()));
        } else if mode & 0o077 != 0 {
            found.push((entry.path(), mode));
        }
    }
    found
}

#[tokio::test]
async fn only_their_owner_may_read_the_databases_also_those_of_an_older_version() {
    use std::os::unix::fs::PermissionsExt as _;
    let (site, process) = stage("dry_run: false").await;
    let folder = site.data();
    let command = ["resize", ID, "t2.medium", "--yes"];
    let (code, out, error) = told(&site.autoscaler.output(&command).await);
    assert_eq!(code, Some(0), "{out}{error}");
    let (code, ..) = told(
        &site
            .autoscaler
            .output(&["kill-switch", "on", "--reason", "lunch"])
            .await,
    );
    assert_eq!(code, Some(0));
    let ours = [
        "decision.db",
        "decision.db-wal",
        "decision.db-shm",
        "data/actuator.db",
        "data/actuator.db-wal",
        "data/actuator.db-shm",
        "data/actuator.db.lock",
        "data/actuator.safety.json",
    ]
    .map(|name| folder.join(name));
    let wide = |folder: &std::path::Path| {
        let mut wide = open_to_others(folder);
        // The test's own.
        wide.retain(|(path, _)| {
            let name = path.file_name().unwrap().to_str().unwrap();
            !(name.ends_with(".yaml") || name.ends_with(".log"))
        });
        wide
    };
    for file in &ours {
        assert!(file.exists(), "{}", file.display());
    }
    assert_eq!(wide(&folder), []);

    // As an older version, killed, left them.
    drop(process);
    for file in ours.iter().filter(|file| file.exists()) {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    assert_eq!(wide(&folder).len(), ours.len(), "kill -9 leaves the logs");
    let _process = site.autoscaler.run().await;
    let (code, out, _) = told(&site.autoscaler.output(&["kill-switch", "status"]).await);
    assert_eq!(code, Some(0), "{out}");
    assert_eq!(wide(&folder), []);
    for file in &ours {
        assert!(file.exists(), "{}", file.display());
    }
}
