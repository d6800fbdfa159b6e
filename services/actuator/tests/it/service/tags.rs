//! Tags that say a machine was stopped for a resize, and who wrote them.

use std::time::Duration;

use actuator::{
    Config,
    cloud::{InstanceState, Machines as _, Operation},
};
use proto::actuator::v1::{ResizePhase, TagStanding};
use simulator::cloud::{Deed, Moment};
use testkit::http::metrics;

use super::{
    site::{Site, TAG},
    support::{FROM, ID, TARGET, config, request, running},
};

const OTHER: &str = "i-0fedcba9876543210";
const FORGED: &str = "id=r9 from=t2.large to=t2.medium";

fn site() -> Site {
    let site = Site::new();
    site.fake.add_instance(OTHER, FROM);
    site
}

/// The tag as it is written before a stop, which is under way when the process ends.
async fn stopped_here(site: &Site) -> String {
    site.left_at_its_stop(config(), Moment::After).await;
    site.fake.tags(ID)[TAG].clone()
}

async fn stopped_by_its_user(site: &Site, instance_id: &str, tag: &str) {
    site.fake.somebody(instance_id, Deed::Stop);
    site.clock.sleep(Duration::from_secs(600)).await;
    site.fake.set_tag(instance_id, TAG, tag).await.unwrap();
}

fn is_stopped(site: &Site, instance_id: &str) -> bool {
    site.fake.state(instance_id) == Some(InstanceState::Stopped)
}

#[tokio::test]
async fn a_forged_tag_starts_nothing_and_calls_a_person() {
    let site = site();
    stopped_by_its_user(&site, ID, FORGED).await;
    let mut stage = site.boot_ready(config()).await;
    let found = stage.recover(false).await;
    assert_eq!(found[0].standing(), TagStanding::Unverified);
    assert!(found[0].detail.contains("not written here"), "{found:?}");
    site.clock.sleep(Duration::from_secs(600)).await;
    assert!(is_stopped(&site, ID));
    assert_eq!(site.fake.count(Operation::Start), 0);
    let text = metrics(&stage.metrics_url).await;
    for line in [
        "autoscaler_actuator_breadcrumbs_unverified 1",
        "autoscaler_actuator_resizes_paged_total 1",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    // A person looked, and says that it is ours. It starts as it is, whatever the tag says.
    let found = stage.recover(true).await;
    assert!(found[0].taken_up, "{found:?}");
    stage.watch("r9").await;
    assert_eq!(stage.runs(), running(FROM));
    assert_eq!(site.fake.count(Operation::ModifyType), 0);
    assert!(!site.fake.tags(ID).contains_key(TAG));
}

#[tokio::test]
async fn what_may_not_be_touched_is_not_started_for_a_tag_even_when_asked() {
    for setting in [
        Config {
            protected_instances: vec![ID.to_owned()],
            ..config()
        },
        Config {
            required_tag: Some("autoscaler=enabled".to_owned()),
            ..config()
        },
    ] {
        let site = site();
        stopped_by_its_user(&site, ID, FORGED).await;
        let mut stage = site.boot_ready(setting).await;
        let found = stage.recover(true).await;
        assert!(!found[0].taken_up);
        let why = &found[0].detail;
        assert!(
            why.contains("protected") || why.contains("required_tag"),
            "{why}"
        );
        assert!(is_stopped(&site, ID));
    }
}

#[tokio::test]
async fn a_tag_that_was_written_here_starts_only_what_it_was_written_for() {
    let site = site();
    let value = stopped_here(&site).await;
    stopped_by_its_user(&site, OTHER, &value).await;
    let mut stage = site.boot_ready(config()).await;
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::RolledBack, "{resize:?}");
    assert_eq!(stage.runs(), running(FROM));
    // The copy says another machine.
    let found = stage.recover(false).await;
    let copy = found.iter().find(|one| one.detail.contains(ID)).unwrap();
    assert_eq!(copy.standing(), TagStanding::Unverified);
    assert!(is_stopped(&site, OTHER));
    // With no journal to say so, the seal does: it is of the other machine.
    stage.end().await;
    let mut stage = site.boot_ready(config()).await;
    let found = stage.recover(false).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].standing(), TagStanding::Unverified);
    assert!(found[0].detail.contains("for this instance"), "{found:?}");
    assert!(is_stopped(&site, OTHER));
}

#[tokio::test]
async fn a_tag_that_is_put_back_later_is_not_believed() {
    let site = site();
    let value = stopped_here(&site).await;
    let mut stage = site.boot_ready(config()).await;
    stage.watch("r1").await;
    stage.end().await;
    site.clock.sleep(Duration::from_secs(86_400)).await;
    // The journal is gone again, and a user has stopped it.
    stopped_by_its_user(&site, ID, &value).await;
    let mut stage = site.boot_ready(config()).await;
    let found = stage.recover(false).await;
    assert_eq!(found[0].standing(), TagStanding::Unverified, "{found:?}");
    assert!(found[0].detail.contains("was started at"), "{found:?}");
    assert!(is_stopped(&site, ID));
}

#[tokio::test]
async fn another_key_verifies_nothing() {
    let site = site();
    stopped_here(&site).await;
    let mut stage = site
        .boot(Config {
            breadcrumb_key: Some("another key, also of 32 bytes ..".into()),
            ..config()
        })
        .await;
    let found = stage.recover(false).await;
    assert_eq!(found[0].standing(), TagStanding::Unverified);
    assert_eq!(site.fake.count(Operation::Start), 0);
}

/// Started, it stops again by itself: what is down then is ours, though it was started after the first tag.
#[tokio::test]
async fn the_tag_is_renewed_when_the_machine_comes_up_in_between() {
    let site = site();
    site.fake.set_boots(TARGET, false);
    let start = site.fake.hold(Operation::Start, 2, Moment::Before);
    let mut stage = site
        .boot(Config {
            shutdown_grace_seconds: 0,
            ..config()
        })
        .await;
    stage.start(request("r1")).await.unwrap();
    start.arrived().await;
    stage.end().await;
    site.clock.sleep(Duration::from_secs(60)).await;
    assert!(is_stopped(&site, ID));
    let mut stage = site.boot_ready(config()).await;
    stage.watch("r1").await;
    assert_eq!(stage.runs(), running(FROM));
}

/// The journal is enough.
#[tokio::test]
async fn with_its_tag_taken_away_the_journal_brings_it_up() {
    let site = site();
    let folder = tempfile::tempdir().unwrap();
    let journal = Config {
        database: folder.path().join("journal.db").display().to_string(),
        ..config()
    };
    let hold = site.fake.hold(Operation::ModifyType, 1, Moment::Before);
    let mut stage = site
        .boot(Config {
            shutdown_grace_seconds: 0,
            ..journal.clone()
        })
        .await;
    stage.start(request("r1")).await.unwrap();
    hold.arrived().await;
    site.fake.remove_tag(ID, TAG).await.unwrap();
    stage.end().await;
    hold.lose();
    let mut stage = site.boot_ready(journal).await;
    stage.watch("r1").await;
    assert_eq!(stage.runs(), running(TARGET));
}
