//! One process after another over the same journal, or over none: what is taken up again, and what is left alone.

use std::{sync::Arc, time::Duration};

use crate::support::{FROM, ID, LeapingClock, Stage, TARGET, config, refused, request, running};
use actuator::{
    Config,
    cloud::{InstanceState, Operation},
    fake::{Deed, FakeCloud, Moment},
};
use common::{
    clock::SharedClock,
    grpc,
    health::{self, Health},
};
use jiff::Timestamp;
use proto::actuator::v1::{self as wire, ResizePhase, TagStanding};
use tempfile::TempDir;
use tonic::Code;

const TAG: &str = "autoscaler:resize";

/// What outlives a process.
struct Site {
    folder: TempDir,
    clock: SharedClock,
    fake: FakeCloud,
}

impl Site {
    fn new() -> Self {
        let start: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let clock: SharedClock = Arc::new(LeapingClock::at(start));
        let fake = FakeCloud::new(Arc::clone(&clock));
        fake.add_instance(ID, FROM);
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock,
            fake,
        }
    }

    fn config(&self, journal: &str) -> Config {
        Config {
            database: self.folder.path().join(journal).display().to_string(),
            ..config()
        }
    }

    async fn boot(&self, config: Config) -> Stage {
        Stage::boot(config, Arc::clone(&self.clock), self.fake.clone()).await
    }

    /// A process that ends while its stop is under way: AWS has it, nobody was told.
    async fn left_while_stopping(&self, journal: &str) {
        let hold = self.fake.hold(Operation::Stop, 1, Moment::After);
        let mut stage = self
            .boot(Config {
                shutdown_grace_seconds: 0,
                ..self.config(journal)
            })
            .await;
        stage.start(request("r1")).await.unwrap();
        hold.arrived().await;
        end(stage).await;
    }
}

async fn end(stage: Stage) {
    stage.shutdown.cancel();
    stage.served.await.unwrap().unwrap();
}

async fn health(stage: &Stage) -> Health {
    let url = grpc::local_url(stage.address);
    health::check(grpc::channel(&url).unwrap(), Duration::from_secs(2)).await
}

async fn ready(stage: &Stage) {
    while health(stage).await != Health::Serving {
        tokio::task::yield_now().await;
    }
}

async fn recover(stage: &mut Stage, apply: bool) -> Vec<wire::TaggedInstance> {
    let request = wire::RecoverRequest { apply };
    let response = stage.client.recover(request).await.unwrap();
    response.into_inner().instances
}

#[tokio::test]
async fn case_28_shutdown_midway_is_prompt_and_the_next_process_goes_on() {
    let site = Site::new();
    site.left_while_stopping("journal.db").await;
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
    let text = crate::support::metrics(&stage.metrics_url).await;
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
    site.left_while_stopping("journal.db").await;
    let looks = site.fake.count(Operation::DescribeInstance);
    let next = u32::try_from(looks).unwrap() + 1;
    let look = site
        .fake
        .hold(Operation::DescribeInstance, next, Moment::Before);
    let mut stage = site.boot(site.config("journal.db")).await;
    look.arrived().await;
    assert_eq!(health(&stage).await, Health::NotServing);
    look.release();
    ready(&stage).await;
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
    end(stage).await;

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
    end(stage).await;

    // One that is still under way keeps others off its instance.
    let site = Site::new();
    site.left_while_stopping("journal.db").await;
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
    site.left_while_stopping("journal.db").await;
    let mut stage = site.boot(site.config("another.db")).await;
    ready(&stage).await;
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
async fn with_the_journal_lost_a_dry_run_tells_and_an_operator_applies() {
    let site = Site::new();
    site.left_while_stopping("journal.db").await;
    let dry = Config {
        dry_run: true,
        ..site.config("another.db")
    };
    let mut stage = site.boot(dry).await;
    ready(&stage).await;
    let found = recover(&mut stage, false).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].standing(), TagStanding::Lost);
    assert_eq!(
        (
            found[0].resize_id.as_str(),
            found[0].from_instance_type.as_str(),
            found[0].target_instance_type.as_str(),
            found[0].taken_up
        ),
        ("r1", FROM, TARGET, false)
    );
    let apply = wire::RecoverRequest { apply: true };
    let (code, message) = refused(stage.client.recover(apply).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(message.contains("actuator.dry_run"), "{message}");
    assert_eq!(site.fake.count(Operation::Start), 0);
    end(stage).await;
    // The next one may; it does so by itself, and the operator's call finds it under way or done.
    let mut stage = site.boot(site.config("another.db")).await;
    ready(&stage).await;
    recover(&mut stage, true).await;
    stage.watch("r1").await;
    assert_eq!(stage.runs(), running(FROM));
    assert_eq!(recover(&mut stage, true).await.len(), 0);
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
        end(stage).await;
        if let Some(value) = value {
            use actuator::Cloud as _;
            site.fake.set_tag(ID, TAG, value).await.unwrap();
        }
        let starts = site.fake.count(Operation::Start);
        site.fake.somebody(ID, Deed::Stop);
        site.clock.sleep(Duration::from_secs(600)).await;

        let mut stage = site.boot(site.config("journal.db")).await;
        ready(&stage).await;
        recover(&mut stage, true).await;
        assert_eq!(stage.runs(), (TARGET.to_owned(), InstanceState::Stopped));
        assert_eq!(site.fake.count(Operation::Start), starts, "{value:?}");
        // A tag that was left over goes; one that isn't ours stays.
        let left = site.fake.tags(ID).get(TAG).cloned();
        assert_eq!(left.as_deref(), value.filter(|value| *value == "nightly"));
    }
}
