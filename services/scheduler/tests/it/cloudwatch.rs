//! CloudWatch as the source, read by the actuator.

use common::{
    clock::{Clock as _, SystemClock},
    time::{from_proto, to_proto},
};
use jiff::{SignedDuration, Timestamp};
use proto::actuator::v1::{Metric, MetricSeries};
use tonic::Status;

use crate::support::{API, JOB, WEB, World, result};

const CLOUDWATCH: &str = "source: cloudwatch";
const PERIOD: i64 = 300;

fn now() -> Timestamp {
    SystemClock.now()
}

/// As many periods up to now, all with this mean.
fn flat(instance_id: &str, metric: Metric, periods: i64, mean: f64) -> MetricSeries {
    let last = now().as_second().div_euclid(PERIOD) * PERIOD;
    let timestamps: Vec<i64> = (1..=periods)
        .rev()
        .map(|back| last - back * PERIOD)
        .collect();
    MetricSeries {
        instance_id: instance_id.to_owned(),
        metric: metric.into(),
        values: vec![mean; timestamps.len()],
        timestamps,
    }
}

/// A world whose machines run since three days ago, by EC2.
async fn world() -> World {
    let world = World::start().await;
    for id in [WEB, API, JOB] {
        let since = now() - SignedDuration::from_hours(72);
        world.actuator.change(id, |instance| {
            instance.started_at = Some(to_proto(since));
            instance.vcpus = 1;
        });
    }
    world
}

#[tokio::test]
async fn a_target_without_prometheus_is_measured_forecast_and_resized() {
    let world = world().await;
    *world.actuator.measured.lock().unwrap() = vec![
        flat(WEB, Metric::CpuUtilization, 500, 90.0),
        flat(WEB, Metric::MemoryUsed, 500, 40.0),
        flat(WEB, Metric::CpuCreditBalance, 500, 3.0),
        flat(API, Metric::CpuUtilization, 500, 50.0),
    ];
    world.predictor.make_busy("web");
    *world.actuator.instant.lock().unwrap() = true;
    let scheduler = world.scheduler(CLOUDWATCH).await;

    let tick = scheduler.tick_to_the_end().await;
    let web = result(&tick, "web");
    assert_eq!(
        (web.action.as_str(), web.action_taken.as_str()),
        ("scale_up", "succeeded"),
        "{web:?}"
    );
    assert_eq!(
        (web.cpu_percent, web.memory_percent),
        (Some(90.0), Some(40.0))
    );
    let api = result(&tick, "api");
    assert_eq!((api.action.as_str(), api.cpu_percent), ("hold", Some(50.0)));
    assert!(world.prometheus.queries().is_empty());

    // One read of all, of the whole window; and none again a moment later, because it costs money.
    let reads = world.actuator.reads.lock().unwrap().clone();
    assert_eq!(reads.len(), 1, "{reads:?}");
    assert_eq!(reads[0].instance_ids, [WEB, API, JOB]);
    assert_eq!(reads[0].metrics.len(), 3);
    let seconds = |time: Option<_>| from_proto(&time.unwrap()).unwrap().as_second();
    let window = seconds(reads[0].end) - seconds(reads[0].start);
    assert!((172_800..172_800 + PERIOD).contains(&window), "{window}");
    scheduler.tick().await;
    assert_eq!(world.actuator.reads.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cloudwatch_does_not_say_is_unknown() {
    let world = world().await;
    *world.actuator.measured.lock().unwrap() = vec![flat(WEB, Metric::CpuUtilization, 500, 99.0)];
    world.predictor.make_busy("web");
    // Up since an hour ago: what was before is of a size that nobody knows.
    world.actuator.change(WEB, |instance| {
        instance.started_at = Some(to_proto(now() - SignedDuration::from_hours(1)));
    });
    let scheduler = world.scheduler(CLOUDWATCH).await;
    let tick = scheduler.tick().await;
    let api = result(&tick, "api");
    assert_eq!(api.action, "hold");
    assert!(
        api.reason
            .contains(&format!("CloudWatch has no CPU of {API}")),
        "{}",
        api.reason
    );
    let series = world.predictor.last("web").unwrap();
    assert!(
        (8..=12).contains(&series.timestamps_seconds.len()),
        "{} samples",
        series.timestamps_seconds.len()
    );
}

#[tokio::test]
async fn a_refused_read_holds_with_cloudwatch_s_words() {
    let world = world().await;
    let words = "cloudwatch:GetMetricData: AccessDenied; attach the policy in deploy/iam to the actuator's role";
    *world.actuator.unreadable.lock().unwrap() = Some(Status::permission_denied(words));
    let scheduler = world.scheduler(CLOUDWATCH).await;
    let tick = scheduler.tick().await;
    let web = result(&tick, "web");
    assert_eq!(web.action, "hold");
    assert!(web.reason.contains(words), "{}", web.reason);

    // It is asked again at the next tick, and believed.
    *world.actuator.unreadable.lock().unwrap() = None;
    *world.actuator.measured.lock().unwrap() = vec![flat(WEB, Metric::CpuUtilization, 500, 50.0)];
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").cpu_percent, Some(50.0));
}
