//! Lease epochs of anybody's making: the one actor is never shut out, and a stale one never let in.

use std::sync::Arc;

use common::clock::{Clock as _, ManualClock};
use jiff::SignedDuration;
use proto::actuator::v1::{self as wire, ResizePhase};
use testkit::http::metrics;
use tonic::Code;

use super::support::{FROM, ID, Stage, config, refused, request};

const OTHER: &str = "i-0fedcba9876543210";
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// What a decision service with the same clock gives out now.
fn epoch(clock: &ManualClock) -> u64 {
    clock.now().as_millisecond().unsigned_abs()
}

fn under(id: &str, instance_id: &str, epoch: u64) -> wire::StartResizeRequest {
    wire::StartResizeRequest {
        instance_id: instance_id.to_owned(),
        lease_epoch: epoch,
        ..request(id)
    }
}

async fn stage() -> (ManualClock, Stage) {
    // Time stands still, so resizes stay where they are.
    let clock = ManualClock::new("2026-03-01T12:00:00Z".parse().unwrap());
    let stage = Stage::on(config(), Arc::new(clock.clone())).await;
    stage.fake.add_instance(OTHER, FROM);
    (clock, stage)
}

#[tokio::test]
async fn an_epoch_of_the_future_is_refused_and_shuts_nobody_out() {
    let (clock, mut stage) = stage().await;
    let minutes = |minutes: u64| minutes * 60_000;
    for epoch in [
        u64::MAX,
        i64::MAX.unsigned_abs(),
        epoch(&clock) + minutes(11),
    ] {
        for dry_run in [true, false] {
            let poison = wire::StartResizeRequest {
                dry_run,
                ..under("poison", ID, epoch)
            };
            let (code, message) = refused(stage.start(poison).await);
            assert_eq!(code, Code::InvalidArgument, "{message}");
            assert!(message.starts_with("lease_epoch: "), "{message}");
        }
    }
    let resize = stage.start(under("r1", ID, epoch(&clock))).await.unwrap();
    assert_eq!(resize.phase(), ResizePhase::Preflight);
}

#[tokio::test]
async fn dry_runs_and_refused_requests_move_no_fence() {
    let (clock, mut stage) = stage().await;
    let epoch = epoch(&clock);
    let rehearsal = wire::StartResizeRequest {
        dry_run: true,
        ..under("rehearsal", OTHER, epoch + 1_000)
    };
    assert!(stage.start(rehearsal).await.unwrap().dry_run);
    // The instance is not what the caller believes.
    let mistaken = wire::StartResizeRequest {
        expected_instance_type: "t2.nano".to_owned(),
        ..under("mistaken", ID, epoch + 2_000)
    };
    assert_eq!(
        refused(stage.start(mistaken).await).0,
        Code::FailedPrecondition
    );
    stage.start(under("r1", ID, epoch)).await.unwrap();
    // Busy.
    let (code, message) = refused(stage.start(under("r2", ID, epoch + 3_000)).await);
    assert_eq!(code, Code::FailedPrecondition, "{message}");
    stage.fake.add_instance("i-0aaaaaaaaaaaaaaaa", FROM);
    stage
        .start(under("r3", "i-0aaaaaaaaaaaaaaaa", epoch))
        .await
        .unwrap();
    // What acted is a fence.
    let older = under("r4", OTHER, epoch - 1);
    let (code, message) = refused(stage.start(older).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(message.contains("is stale"), "{message}");
}

#[tokio::test]
async fn a_clock_that_was_a_year_ahead_leaves_no_fence_and_an_alert() {
    let (clock, mut stage) = stage().await;
    clock.set_by(YEAR);
    let ahead = epoch(&clock);
    stage.start(under("ahead", ID, ahead)).await.unwrap();
    clock.set_by(-YEAR);
    let now = epoch(&clock);
    // Who has the epoch of the future has no part in this any more.
    assert_eq!(
        refused(stage.start(under("again", OTHER, ahead)).await).0,
        Code::InvalidArgument
    );
    stage.start(under("now", OTHER, now)).await.unwrap();
    let text = metrics(&stage.metrics_url).await;
    assert!(
        text.contains("autoscaler_actuator_fence_resets_total 1"),
        "{text}"
    );
    // From here on it fences again.
    stage.fake.add_instance("i-0aaaaaaaaaaaaaaaa", FROM);
    let older = under("older", "i-0aaaaaaaaaaaaaaaa", now - 1);
    assert_eq!(
        refused(stage.start(older).await).0,
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn epochs_from_before_they_were_times_are_older_than_any_time() {
    let (clock, mut stage) = stage().await;
    stage.start(under("old", ID, 6)).await.unwrap();
    assert_eq!(
        refused(stage.start(under("older", OTHER, 5)).await).0,
        Code::FailedPrecondition
    );
    stage
        .start(under("new", OTHER, epoch(&clock)))
        .await
        .unwrap();
}
