//! The actuator's binary, killed and started again, against a cloud that speaks EC2's and SSM's protocols.
//!
//! The numbers are those of the list of faults.

use std::time::{Duration, Instant};

use actuator::cloud::{ErrorKind, InstanceState, Operation};
use common::health::Health;
use proto::actuator::v1::{MonitoringState, Resize, ResizePhase};
use simulator::cloud::{Effect, Moment};

use crate::support::{FROM, ID, Site, TAG, TARGET};

/// A machine, and a key that is not on its disk.
async fn site() -> Site {
    let mut site = Site::new().await;
    site.fake.add_instance(ID, FROM);
    let key = "0123456789abcdef0123456789abcdef";
    site.set("AUTOSCALER__ACTUATOR__BREADCRUMB_KEY", key);
    site
}

fn runs(site: &Site) -> (String, InstanceState) {
    (
        site.fake.instance_type(ID).unwrap(),
        site.fake.state(ID).unwrap(),
    )
}

/// A resize whose process is killed while that call is held, and what the next process makes of it.
async fn killed_at(site: &Site, operation: Operation, number: u32, moment: Moment) -> Resize {
    // Kept to the end: a call that was held before its effect never has one, once its caller is dead.
    let _held = site.kill_at(operation, number, moment).await;
    let mut next = site.boot().await;
    let resize = next.ends("r1").await;
    next.serves().await;
    assert!(!site.fake.tags(ID).contains_key(TAG), "the tag stays");
    resize
}

fn running(instance_type: &str) -> (String, InstanceState) {
    (instance_type.to_owned(), InstanceState::Running)
}

async fn converges(operation: Operation, moment: Moment) {
    let site = site().await;
    let resize = killed_at(&site, operation, 1, moment).await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(runs(&site), running(TARGET));
    assert_eq!(site.fake.resizes(ID), 1);
    // A call that had no effect was counted when it came; every other one was made once.
    let stops = site.fake.count(Operation::Stop);
    let unheard = operation == Operation::Stop && moment == Moment::Before;
    assert_eq!(stops, if unheard { 2 } else { 1 });
}

#[tokio::test]
async fn case_1_killed_before_the_stop() {
    converges(Operation::Stop, Moment::Before).await;
}

#[tokio::test]
async fn case_2_killed_after_the_stop() {
    converges(Operation::Stop, Moment::After).await;
}

#[tokio::test]
async fn case_3_killed_before_the_modify() {
    converges(Operation::ModifyType, Moment::Before).await;
}

#[tokio::test]
async fn case_4_killed_after_the_modify() {
    converges(Operation::ModifyType, Moment::After).await;
}

#[tokio::test]
async fn case_5_killed_before_the_start() {
    converges(Operation::Start, Moment::Before).await;
}

#[tokio::test]
async fn case_6_killed_after_the_start() {
    converges(Operation::Start, Moment::After).await;
}

#[tokio::test]
async fn cases_7_and_8_killed_before_and_after_the_monitoring_command() {
    let converges = async |moment| {
        let mut site = site().await;
        site.set("AUTOSCALER__ACTUATOR__MONITORING__ENABLED", "true");
        let resize = killed_at(&site, Operation::SendScript, 1, moment).await;
        assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
        assert_eq!(resize.monitoring(), MonitoringState::Ok, "{resize:?}");
        assert_eq!(runs(&site), running(TARGET));
        assert_eq!(site.fake.count(Operation::Stop), 1);
    };
    tokio::join!(converges(Moment::Before), converges(Moment::After));
}

#[tokio::test]
async fn case_9_killed_during_the_roll_back() {
    let converges = async |operation, moment| {
        let site = site().await;
        let no = Effect::Fail(ErrorKind::Unsupported);
        site.fake.inject_calls(Operation::Start, 1..=1, no);
        // The first of each is for the new type.
        let resize = killed_at(&site, operation, 2, moment).await;
        assert_eq!(resize.phase(), ResizePhase::RolledBack, "{resize:?}");
        assert_eq!(runs(&site), running(FROM));
        assert_eq!(site.fake.count(Operation::Stop), 1);
    };
    tokio::join!(
        converges(Operation::ModifyType, Moment::Before),
        converges(Operation::ModifyType, Moment::After),
        converges(Operation::Start, Moment::After),
    );
}

#[tokio::test]
async fn case_28_terminated_midway_leaves_at_once_and_goes_on_later() {
    let site = site().await;
    // It is down, and stays so for as long as nobody is there.
    let held = site.fake.hold(Operation::ModifyType, 1, Moment::After);
    let mut process = site.boot().await;
    process.serves().await;
    process.start_resize("r1", ID).await.unwrap();
    held.arrived().await;
    let start = Instant::now();
    assert_eq!(process.process.terminate().await, Some(0));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(site.fake.count(Operation::Start), 0);
    let mut next = site.boot().await;
    let resize = next.ends("r1").await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(runs(&site), running(TARGET));
    assert_eq!(site.fake.count(Operation::Stop), 1);
}

#[tokio::test]
async fn killed_with_its_disk_the_tag_brings_the_instance_back() {
    let site = site().await;
    let _held = site.kill_at(Operation::ModifyType, 1, Moment::Before).await;
    assert_eq!(runs(&site).1, InstanceState::Stopped);
    let another = tempfile::tempdir().unwrap();
    let journal = another.path().join("data/actuator.db");
    let mut next = site.boot_on(&journal).await;
    next.serves().await;
    let resize = next.ends("r1").await;
    assert_eq!(resize.phase(), ResizePhase::RolledBack, "{resize:?}");
    assert_eq!(runs(&site), running(FROM));
    assert!(!site.fake.tags(ID).contains_key(TAG));
}

#[tokio::test]
async fn a_second_process_waits_for_the_journal_and_takes_over_from_a_dead_one() {
    let site = site().await;
    let held = site.fake.hold(Operation::Stop, 1, Moment::After);
    let mut first = site.boot().await;
    first.serves().await;
    first.start_resize("r1", ID).await.unwrap();
    held.arrived().await;
    let mut second = site.spawn(&site.journal());
    let health = second.health().await;
    assert!(matches!(health, Health::Unreachable(_)), "{health:?}");
    first.process.kill();
    second.serves().await;
    let resize = second.ends("r1").await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(site.fake.count(Operation::Stop), 1);
}
