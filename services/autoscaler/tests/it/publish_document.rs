//! `publish-document` of the built binary, as the operator with the rights to set up runs it.

use actuator::{
    Install,
    cloud::{Commands as _, Operation, Script, Standing},
};
use serde_json::Value;
use simulator::cloud::FakeCloud;
use testkit::moto::Moto;

use crate::support::{
    autoscaler::Autoscaler,
    site::{ID, Site},
    told,
};

const NAMES: [&str; 2] = [
    "CloudAutoscaler-SetupMonitoring",
    "CloudAutoscaler-SetupMonitoring-Exporter",
];

async fn site() -> Site {
    Site::new(&[ID], "").await
}

async fn publish(autoscaler: &Autoscaler, arguments: &[&str]) -> (Option<i32>, String, String) {
    let command = [&["publish-document"], arguments].concat();
    told(&autoscaler.output(&command).await)
}

/// Name, change and version of each document, and whether there is a hash.
fn documents(answer: &Value) -> Vec<(String, String, Option<String>, bool)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let documents = answer["documents"].as_array().unwrap().iter();
    documents
        .map(|document| {
            let hash = document["sha256"].as_str();
            (
                text(&document["name"]).unwrap(),
                text(&document["change"]).unwrap(),
                text(&document["version"]),
                hash.is_some_and(|hash| hash.len() == 64),
            )
        })
        .collect()
}

fn each(change: &str, version: Option<&str>) -> Vec<(String, String, Option<String>, bool)> {
    NAMES
        .map(|name| {
            let version = version.map(str::to_owned);
            let has_hash = version.is_some();
            (name.to_owned(), change.to_owned(), version, has_hash)
        })
        .into()
}

async fn is_absent(fake: &FakeCloud) -> bool {
    for name in NAMES {
        let script = Script { name, text: "" };
        if fake.look_at_script(script).await.unwrap() != Standing::Absent {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn it_makes_both_documents_once_and_says_which() {
    let site = site().await;
    let (code, out, error) = publish(&site.autoscaler, &[]).await;
    assert_eq!(code, Some(0), "{out}{error}");
    for (line, name) in out.lines().zip(NAMES) {
        let start = format!("{name} in us-east-1 was made: version 1, SHA-256 ");
        let hash = line.strip_prefix(&start).unwrap_or_else(|| panic!("{out}"));
        assert_eq!(hash.len(), 64, "{out}");
    }
    assert_eq!(out.lines().count(), 2, "{out}");
    assert_eq!(site.fake.count(Operation::PublishScript), 2);

    // Again: nothing is new, and nothing is written.
    let (code, again, _) = publish(&site.autoscaler, &[]).await;
    assert_eq!(code, Some(0), "{again}");
    let unchanged = out.replace("was made", "is this release's already");
    assert_eq!(again, unchanged);
    let answer = site.autoscaler.json(&["publish-document"]).await;
    assert_eq!(documents(&answer), each("unchanged", Some("1")));
    assert_eq!(answer["dryRun"], false);
    assert_eq!(answer["region"], "us-east-1");
    assert_eq!(site.fake.count(Operation::PublishScript), 2);

    // Those of another release, or of somebody.
    for name in NAMES {
        site.fake.somebody_publishes(name, "00");
    }
    let answer = site.autoscaler.json(&["publish-document"]).await;
    assert_eq!(documents(&answer), each("updated", Some("3")));
    assert_eq!(site.fake.count(Operation::PublishScript), 4);
}

#[tokio::test]
async fn a_dry_run_tells_and_makes_nothing() {
    let site = site().await;
    let (code, out, error) = publish(&site.autoscaler, &["--dry-run"]).await;
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.contains(" would be made; there is none now"), "{out}");
    assert!(out.ends_with("nothing was changed (--dry-run)\n"), "{out}");
    let command = ["publish-document", "--dry-run"];
    let answer = site.autoscaler.json(&command).await;
    assert_eq!(documents(&answer), each("made", None));
    assert!(is_absent(&site.fake).await);

    // The actuator's own dry run is a promise for this command, too.
    let fake = site.fake;
    let dry = site.autoscaler.with("DRY_RUN", "true");
    let (code, out, error) = publish(&dry, &[]).await;
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.contains("actuator.dry_run is on"), "{out}");
    assert!(out.contains("DRY_RUN=false autoscaler"), "{out}");
    assert!(is_absent(&fake).await);
    for name in NAMES {
        fake.somebody_publishes(name, "00");
    }
    let (_, out, _) = publish(&dry, &[]).await;
    assert!(out.contains("would be updated; it runs another"), "{out}");
    assert_eq!(fake.count(Operation::PublishScript), 0);
}

#[tokio::test]
async fn without_the_rights_it_fails_and_names_them() {
    let site = site().await;
    site.fake.set_permitted(Operation::PublishScript, false);
    let (code, out, error) = publish(&site.autoscaler, &[]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""), "{error}");
    assert!(error.contains("ssm:CreateDocument"), "{error}");
    assert!(error.contains("deploy/iam/setup-policy.json"), "{error}");

    let lines = "dry_run: false\nmonitoring: {document: null}";
    let none = Autoscaler::configure(site.folder.path(), "none", &[("actuator", lines)]);
    let (code, _, error) = publish(&none, &[]).await;
    assert_eq!(code, Some(64), "{error}");
    assert!(error.contains("actuator.monitoring.document"), "{error}");
}

/// With the default policy: what the operator published is what the actuator sends, byte for byte.
#[tokio::test]
async fn the_actuator_sends_what_was_published_and_publishes_nothing() {
    let site = site().await;
    let autoscaler = site
        .autoscaler
        .with("AUTOSCALER__ACTUATOR__MONITORING__ENABLED", "true")
        .with("AUTOSCALER__ACTUATOR__MONITORING__INSTALL", "exporter");
    assert_eq!(publish(&autoscaler, &[]).await.0, Some(0));
    site.fake.set_permitted(Operation::PublishScript, false);
    let _process = autoscaler.run().await;
    let command = ["resize", ID, "t2.medium", "--yes"];
    let (code, out, error) = told(&autoscaler.output(&command).await);
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.trim_end().ends_with("; monitoring runs"), "{out}");
    let sent = site.fake.calls().into_iter();
    let mut sent = sent.filter(|call| call.operation == Operation::SendScript);
    let name = Install::Exporter.document(NAMES[0]);
    assert!(sent.all(|call| call.detail == name));
    assert_eq!(site.fake.count(Operation::PublishScript), 2);
}

#[tokio::test]
async fn it_publishes_at_moto() {
    let folder = tempfile::tempdir().unwrap();
    let moto = Moto::start().await;
    let autoscaler =
        Autoscaler::configure(folder.path(), "publish", &[("actuator", "dry_run: false")])
            .with_aws(&moto.url);
    let answer = autoscaler.json(&["publish-document"]).await;
    assert_eq!(documents(&answer), each("made", Some("1")));
    let answer = autoscaler.json(&["publish-document"]).await;
    assert_eq!(documents(&answer), each("unchanged", Some("1")));
}
