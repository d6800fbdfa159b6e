//! One process after another over the same journal, or over none: what is taken up again, and what is left alone.

use std::{sync::Arc, time::Duration};

use actuator::{
    Config, Deps, bring_up,
    cloud::{InstanceState, Operation},
};
use common::{clock::ManualClock, health::Health};
use proto::actuator::v1::{self as wire, ResizePhase};
use simulator::cloud::{Deed, Moment};
use testkit::http::metrics;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::{
    site::{Site, TAG},
    support::{FROM, ID, Stage, TARGET, refused, request, running},
};

#[tokio::test]
async fn case_28_shutdown_midway_is_prompt_and_the_next_process_goes_on() {
    let site = Site::new();
    site.left_at_its_stop(site.config("journal.db"), Moment::After)
        .await;
    assert_eq!(site.fake.count(Operation::ModifyType), 0);
    assert!(site.fake.tags(ID).contains_key(TAG));

    let mut stage = site.boot(site.config("journal.db")).await;
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(stage.runs(), running(TARGET));
    assert_eq!(site.fake.count(Operation::Stop), 1);
    assert!(!site.fake.tags(ID).contains_key(TAG));
    let interrupted = resize.steps.iter().find(|step| step.name == "stop");
    assert!(
        interrupted.unwrap().detail.contains("ended here"),
        "{resize:?}"
    );
    let text = metrics(&stage.metrics_url).await;
    for line in [
        "autoscaler_actuator_resizes_unfinished_at_boot 1",
        "autoscaler_actuator_resizes_resumed_total 1",
        "autoscaler_actuator_resizes_paged_total 0",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn it_is_not_ready_before_every_unfinished_resize_has_been_looked_at() {
    let site = Site::new();
    site.left_at_its_stop(site.config("journal.db"), Moment::After)
        .await;
    let looks = site.fake.count(Operation::DescribeInstance);
    let next = u32::try_from(looks).unwrap() + 1;
    let look = site
        .fake
        .hold(Operation::DescribeInstance, next, Moment::Before);
    let mut stage = site.boot(site.config("journal.db")).await;
    look.arrived().await;
    assert_eq!(stage.health().await, Health::NotServing);
    look.release();
    stage.ready().await;
    let last = stage.watch("r1").await.pop().unwrap();
    assert_eq!(last.phase(), ResizePhase::Succeeded);
}

#[tokio::test]
async fn cases_24_to_27_hold_after_a_restart_too() {
    let site = Site::new();
    site.fake.add_instance("i-0fedcba9876543210", FROM);
    let leased = |id: &str, epoch| wire::StartResizeRequest {
        lease_epoch: epoch,
        ..request(id)
    };
    let mut stage = site.boot(site.config("journal.db")).await;
    stage.start(leased("r1", 5)).await.unwrap();
    stage.watch("r1").await;
    stage.end().await;

    let mut stage = site.boot(site.config("journal.db")).await;
    let again = stage.start(leased("r1", 5)).await.unwrap();
    assert_eq!(again.phase(), ResizePhase::Succeeded);
    let other = wire::StartResizeRequest {
        target_instance_type: "t2.large".to_owned(),
        ..leased("r1", 5)
    };
    assert_eq!(refused(stage.start(other).await).0, Code::AlreadyExists);
    let stale = wire::StartResizeRequest {
        instance_id: "i-0fedcba9876543210".to_owned(),
        ..leased("r2", 4)
    };
    let (code, message) = refused(stage.start(stale).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(message.contains("epoch 4 is stale"), "{message}");
    assert_eq!(site.fake.count(Operation::Stop), 1);
    stage.end().await;

    // One that is still under way keeps others off its instance.
    let site = Site::new();
    site.left_at_its_stop(site.config("journal.db"), Moment::After)
        .await;
    let looks = u32::try_from(site.fake.count(Operation::DescribeInstance)).unwrap();
    let look = site
        .fake
        .hold(Operation::DescribeInstance, looks + 1, Moment::Before);
    let mut stage = site.boot(site.config("journal.db")).await;
    look.arrived().await;
    let (code, message) = refused(stage.start(request("r2")).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(message.contains("r1"), "{message}");
    look.release();
    stage.watch("r1").await;
    assert_eq!(site.fake.count(Operation::Stop), 1);
}

#[tokio::test]
async fn with_the_journal_lost_the_tag_brings_the_old_type_back() {
    let site = Site::new();
    site.left_at_its_stop(site.config("journal.db"), Moment::After)
        .await;
    let mut stage = site.boot(site.config("another.db")).await;
    stage.ready().await;
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::RolledBack, "{resize:?}");
    assert!(
        resize.error.contains("journal was lost"),
        "{}",
        resize.error
    );
    assert_eq!(stage.runs(), running(FROM));
    assert_eq!(site.fake.count(Operation::Stop), 1);
    assert_eq!(site.fake.count(Operation::ModifyType), 0);
    assert!(!site.fake.tags(ID).contains_key(TAG));
}

#[tokio::test]
async fn with_the_journal_lost_a_dry_run_starts_it_as_it_is() {
    let site = Site::new();
    site.left_at_its_stop(site.config("journal.db"), Moment::After)
        .await;
    let dry = Config {
        dry_run: true,
        ..site.config("another.db")
    };
    let mut stage = site.boot(dry).await;
    stage.ready().await;
    stage.watch("r1").await;
    assert_eq!(stage.runs(), running(FROM));
    let count = |operation| site.fake.count(operation);
    assert_eq!(
        (count(Operation::Stop), count(Operation::ModifyType)),
        (1, 0)
    );
    assert!(!site.fake.tags(ID).contains_key(TAG));
    let apply = wire::RecoverRequest { apply: true };
    let (code, message) = refused(stage.client.recover(apply).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(message.contains("actuator.dry_run"), "{message}");
}

#[tokio::test]
async fn an_instance_that_a_user_stopped_is_never_started() {
    // Without a tag; with the tag of a resize that has ended; with somebody else's.
    for value in [
        None,
        Some("id=r1 from=t2.small to=t2.medium"),
        Some("nightly"),
    ] {
        let site = Site::new();
        let mut stage = site.boot(site.config("journal.db")).await;
        stage.start(request("r1")).await.unwrap();
        stage.watch("r1").await;
        stage.end().await;
        if let Some(value) = value {
            use actuator::cloud::Machines as _;
            site.fake.set_tag(ID, TAG, value).await.unwrap();
        }
        let starts = site.fake.count(Operation::Start);
        site.fake.somebody(ID, Deed::Stop);
        site.clock.sleep(Duration::from_secs(600)).await;

        let mut stage = site.boot(site.config("journal.db")).await;
        stage.ready().await;
        stage.recover(true).await;
        assert_eq!(stage.runs(), (TARGET.to_owned(), InstanceState::Stopped));
        assert_eq!(site.fake.count(Operation::Start), starts, "{value:?}");
        // A tag that was left over goes; one that isn't ours stays.
        let left = site.fake.tags(ID).get(TAG).cloned();
        assert_eq!(left.as_deref(), value.filter(|value| *value == "nightly"));
    }
}

fn copy_of_the_journal(site: &Site) {
    let folder = site.folder.path();
    for suffix in ["", "-wal", "-shm"] {
        let from = folder.join(format!("journal.db{suffix}"));
        let to = folder.join(format!("backup.db{suffix}"));
        if from.exists() {
            std::fs::copy(from, to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_stop_that_was_lost_days_ago_is_not_sent_again() {
    let days = Duration::from_secs(3 * 86_400);
    for dry_run in [false, true] {
        let site = Site::new();
        site.left_at_its_stop(site.config("journal.db"), Moment::Before)
            .await;
        let stops = site.fake.count(Operation::Stop);
        // In dry run it need not be old.
        let outage = if dry_run {
            Duration::from_secs(10)
        } else {
            days
        };
        site.clock.sleep(outage).await;
        let began = site.clock.now();
        let mut stage = site
            .boot(Config {
                dry_run,
                ..site.config("journal.db")
            })
            .await;
        let resize = stage.watch("r1").await.pop().unwrap();
        assert_eq!(resize.phase(), ResizePhase::Refused, "{resize:?}");
        let why = if dry_run { "dry run" } else { "queue_seconds" };
        assert!(resize.error.contains(why), "{}", resize.error);
        assert_eq!(stage.runs(), running(FROM));
        assert_eq!(site.fake.count(Operation::Stop), stops);
        assert_eq!(site.fake.count(Operation::ModifyType), 0);
        // What is seen may be stale: it was waited, and a start sent.
        let waited = site.clock.now().duration_since(began).as_secs();
        assert!(waited >= 60, "{waited}");
        assert_eq!(site.fake.count(Operation::Start), 1);
        assert!(!site.fake.tags(ID).contains_key(TAG));
    }
}

#[tokio::test]
async fn a_stop_that_came_through_days_ago_is_made_good() {
    for (dry_run, runs_on) in [(false, TARGET), (true, FROM)] {
        let site = Site::new();
        site.left_at_its_stop(site.config("journal.db"), Moment::After)
            .await;
        site.clock.sleep(Duration::from_secs(3 * 86_400)).await;
        let mut stage = site
            .boot(Config {
                dry_run,
                ..site.config("journal.db")
            })
            .await;
        let resize = stage.watch("r1").await.pop().unwrap();
        assert_eq!(stage.runs(), running(runs_on), "{resize:?}");
        assert_eq!(site.fake.count(Operation::Stop), 1);
        assert!(!site.fake.tags(ID).contains_key(TAG));
    }
}

/// EC2 shows a machine that runs for a while after it was stopped.
#[tokio::test]
async fn a_stop_that_is_not_seen_yet_is_made_good_too() {
    let site = Site::new();
    site.left_at_its_stop(site.config("journal.db"), Moment::After)
        .await;
    site.clock.sleep(Duration::from_secs(40)).await;
    site.fake.set_lag(Duration::from_secs(150));
    let mut stage = site
        .boot(Config {
            queue_seconds: 1,
            ..site.config("journal.db")
        })
        .await;
    stage.watch("r1").await;
    site.fake.set_lag(Duration::ZERO);
    site.clock.sleep(Duration::from_secs(600)).await;
    let (_, state) = stage.runs();
    assert_eq!(state, InstanceState::Running);
    assert_eq!(site.fake.count(Operation::Stop), 1);
}

/// Not even what was asked for a moment ago: nobody could ask for it again.
#[tokio::test]
async fn what_only_brings_up_stops_nothing_however_young_the_resize_is() {
    let site = Site::new();
    site.left_at_its_stop(site.config("journal.db"), Moment::Before)
        .await;
    copy_of_the_journal(&site);
    let stops = site.fake.count(Operation::Stop);
    let deps = Deps {
        clock: Arc::clone(&site.clock),
        cloud: Arc::new(site.fake.clone()),
    };
    let config = site.config("backup.db");
    bring_up(config, deps, CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(site.fake.state(ID), Some(InstanceState::Running));
    assert_eq!(site.fake.instance_type(ID).as_deref(), Some(FROM));
    assert_eq!(site.fake.count(Operation::Stop), stops);
    // Up again, it was told so by a start. What is left to do is the next process's.
    assert_eq!(site.fake.count(Operation::Start), 1);
}

#[tokio::test]
async fn a_tag_that_was_renewed_without_a_journal_is_believed_again() {
    let site = Site::new();
    site.left_at_its_stop(site.config("journal.db"), Moment::After)
        .await;
    // It boots and stops again: the start after that renews the tag.
    site.fake.set_boots(FROM, false);
    let start = site.fake.hold(Operation::Start, 2, Moment::Before);
    let stage = site
        .boot(Config {
            shutdown_grace_seconds: 0,
            ..site.config("second.db")
        })
        .await;
    start.arrived().await;
    stage.end().await;
    site.fake.set_boots(FROM, true);
    let mut stage = site.boot(site.config("third.db")).await;
    stage.ready().await;
    stage.watch("r1").await;
    assert_eq!(stage.runs(), running(FROM));
    assert!(!site.fake.tags(ID).contains_key(TAG));
}

#[tokio::test]
async fn a_restored_backup_of_the_journal_stops_nothing() {
    let site = Site::new();
    site.left_at_its_stop(site.config("journal.db"), Moment::Before)
        .await;
    copy_of_the_journal(&site);
    // Life goes on: the resize is done, and another one takes the machine back.
    let mut stage = site.boot(site.config("journal.db")).await;
    stage.watch("r1").await;
    assert_eq!(stage.runs(), running(TARGET));
    stage.end().await;
    site.clock.sleep(Duration::from_secs(86_400)).await;
    let (stops, changes) = (
        site.fake.count(Operation::Stop),
        site.fake.count(Operation::ModifyType),
    );
    let mut stage = site.boot(site.config("backup.db")).await;
    stage.watch("r1").await;
    assert_eq!(stage.runs(), running(TARGET));
    assert_eq!(site.fake.count(Operation::Stop), stops);
    assert_eq!(site.fake.count(Operation::ModifyType), changes);
}

/// A copy of the journal, made when the machine was marked and not yet stopped, that is put back when the resize has been
/// `left_at` a call. Returns the site.
async fn copied_when_marked_and_left_at(operation: Operation) -> Site {
    let site = Site::new();
    let marked = site.fake.hold(Operation::SetTag, 1, Moment::After);
    let hold = site.fake.hold(operation, 1, Moment::Before);
    let config = Config {
        shutdown_grace_seconds: 0,
        ..site.config("journal.db")
    };
    let mut stage = site.boot_ready(config).await;
    stage.start(request("r1")).await.unwrap();
    marked.arrived().await;
    copy_of_the_journal(&site);
    marked.release();
    hold.arrived().await;
    stage.end().await;
    hold.lose();
    assert_eq!(site.fake.state(ID), Some(InstanceState::Stopped));
    site
}

#[tokio::test]
async fn a_copy_of_the_journal_from_before_the_stop_brings_up_what_is_down_on_another_type() {
    for age in [10, 3 * 86_400] {
        let site = copied_when_marked_and_left_at(Operation::Start).await;
        assert_eq!(site.fake.instance_type(ID).as_deref(), Some(TARGET));
        site.clock.sleep(Duration::from_secs(age)).await;
        let mut stage = site.boot(site.config("backup.db")).await;
        let resize = stage.watch("r1").await.pop().unwrap();
        assert_eq!(stage.runs(), running(FROM), "{resize:?}");
        assert_eq!(resize.phase(), ResizePhase::RolledBack);
        let why = &resize.error;
        assert!(why.contains("the journal is older"), "{why}");
        assert_eq!(site.fake.count(Operation::Stop), 1);
        assert!(!site.fake.tags(ID).contains_key(TAG));
    }
}

/// A user may have stopped it, or this resize.
#[tokio::test]
async fn a_copy_of_the_journal_from_before_the_stop_calls_a_person_where_nothing_tells_who_stopped_it()
 {
    let site = copied_when_marked_and_left_at(Operation::ModifyType).await;
    let mut stage = site.boot(site.config("backup.db")).await;
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::Refused, "{resize:?}");
    let why = &resize.error;
    assert!(why.contains("start it unless somebody"), "{why}");
    assert_eq!(stage.runs(), (FROM.to_owned(), InstanceState::Stopped));
    let text = metrics(&stage.metrics_url).await;
    assert!(
        text.contains("autoscaler_actuator_resizes_paged_total 1"),
        "{text}"
    );
}

/// The resize ended well after the copy was made, and a user has stopped the machine since.
#[tokio::test]
async fn a_copy_of_the_journal_from_before_the_stop_leaves_a_machine_without_the_tag_alone() {
    let site = copied_when_marked_and_left_at(Operation::Start).await;
    let mut stage = site.boot(site.config("journal.db")).await;
    stage.watch("r1").await;
    assert_eq!(stage.runs(), running(TARGET));
    stage.end().await;
    site.fake.somebody(ID, Deed::Stop);
    site.clock.sleep(Duration::from_secs(600)).await;
    let mut stage = site.boot(site.config("backup.db")).await;
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::Refused, "{resize:?}");
    assert_eq!(stage.runs(), (TARGET.to_owned(), InstanceState::Stopped));
}

#[tokio::test]
async fn a_user_who_stops_it_days_after_a_stop_that_was_lost_is_left_alone() {
    let site = Site::new();
    site.left_at_its_stop(site.config("journal.db"), Moment::Before)
        .await;
    site.clock.sleep(Duration::from_secs(2 * 86_400)).await;
    site.fake.somebody(ID, Deed::Stop);
    site.clock.sleep(Duration::from_secs(86_400)).await;
    let mut stage = site.boot(site.config("journal.db")).await;
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::Refused, "{resize:?}");
    assert!(resize.error.contains("somebody else"), "{}", resize.error);
    assert_eq!(stage.runs(), (FROM.to_owned(), InstanceState::Stopped));
    assert_eq!(site.fake.count(Operation::Start), 0);
}

#[tokio::test]
async fn a_resize_of_the_future_stops_nothing_either() {
    let site = Site::new();
    let ahead = Arc::new(ManualClock::leaping(
        "2026-03-02T12:00:00Z".parse().unwrap(),
    ));
    let hold = site.fake.hold(Operation::Stop, 1, Moment::Before);
    let config = Config {
        shutdown_grace_seconds: 0,
        ..site.config("journal.db")
    };
    let mut stage = Stage::boot(config, ahead, site.fake.clone()).await;
    stage.start(request("r1")).await.unwrap();
    hold.arrived().await;
    stage.end().await;
    hold.lose();
    let stops = site.fake.count(Operation::Stop);
    // The clock is right again: a day before.
    let mut stage = site.boot(site.config("journal.db")).await;
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::Refused, "{resize:?}");
    assert_eq!(site.fake.count(Operation::Stop), stops);
    assert_eq!(stage.runs(), running(FROM));
}

/// The backup is from the middle of a resize that ended long ago, and a user has stopped the machine since.
#[tokio::test]
async fn a_restored_backup_changes_no_type() {
    let site = Site::new();
    let hold = site.fake.hold(Operation::ModifyType, 1, Moment::Before);
    let config = Config {
        shutdown_grace_seconds: 0,
        ..site.config("journal.db")
    };
    let mut stage = site.boot(config).await;
    stage.start(request("r1")).await.unwrap();
    hold.arrived().await;
    stage.end().await;
    hold.lose();
    copy_of_the_journal(&site);
    let mut stage = site.boot(site.config("journal.db")).await;
    stage.watch("r1").await;
    // And back again.
    let back = wire::StartResizeRequest {
        target_instance_type: FROM.to_owned(),
        expected_instance_type: TARGET.to_owned(),
        ..request("r2")
    };
    stage.start(back).await.unwrap();
    stage.watch("r2").await;
    stage.end().await;
    assert_eq!(site.fake.instance_type(ID).as_deref(), Some(FROM));
    site.clock.sleep(Duration::from_secs(86_400)).await;
    site.fake.somebody(ID, Deed::Stop);
    site.clock.sleep(Duration::from_secs(3_600)).await;
    let changes = site.fake.count(Operation::ModifyType);
    let mut stage = site.boot(site.config("backup.db")).await;
    let resize = stage.watch("r1").await.pop().unwrap();
    assert!(resize.error.contains("somebody else"), "{}", resize.error);
    assert_eq!(stage.runs(), running(FROM));
    assert_eq!(site.fake.count(Operation::ModifyType), changes);
}
