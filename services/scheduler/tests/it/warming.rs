//! After a start, before all history is read.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use common::clock::SystemClock;
use jiff::Timestamp;
use scheduler::{
    Deps,
    source::{Instance, Measured, Reach, Reading, Sampling, Source, Target, Unmeasured},
};
use testkit::prometheus::{labels, matrix, series, value};

use crate::support::{Scheduler, WEB, World, result};

/// A source that has not read all that it has, as long as it is told so.
#[derive(Debug)]
struct Warming {
    inner: Arc<dyn Source>,
    is_part: Arc<AtomicBool>,
}

struct Part<'a>(Box<dyn Reading + 'a>, bool);

#[async_trait]
impl Source for Warming {
    fn sampling(&self) -> Sampling {
        self.inner.sampling()
    }

    fn concurrency(&self) -> usize {
        self.inner.concurrency()
    }

    async fn begin<'a>(&'a self, targets: &'a [Target], end: Timestamp) -> Box<dyn Reading + 'a> {
        let reading = self.inner.begin(targets, end).await;
        Box::new(Part(reading, self.is_part.load(Ordering::Relaxed)))
    }

    fn reach(&self) -> Reach {
        self.inner.reach()
    }
}

#[async_trait]
impl Reading for Part<'_> {
    async fn of(&self, target: &Target, instance: &Instance) -> Result<Measured, Unmeasured> {
        let measured = self.0.of(target, instance).await?;
        Ok(Measured {
            is_part: self.1,
            ..measured
        })
    }
}

#[tokio::test]
async fn before_all_is_read_a_machine_grows_and_none_becomes_smaller() {
    let world = World::start().await;
    world
        .actuator
        .change(WEB, |instance| instance.instance_type = "t2.medium".into());
    world.predictor.make_busy("api");
    // An idle machine of 4 GiB.
    world.prometheus.answer(|query| {
        let idle = series(query, labels(&[("instance", "10.0.0.1:9100")]), |_| {
            let value = match query.query.as_str() {
                query if query.starts_with("count") => 2.0,
                query if query.contains("MemAvailable") => 20.0,
                query if query.contains("MemTotal") => 4_294_967_296.0,
                _ => value(query, 5.0),
            };
            Some(value.to_string())
        });
        let busy = series(query, labels(&[("instance", "10.0.0.2:9100")]), |_| {
            Some(value(query, 70.0).to_string())
        });
        matrix(vec![idle, busy])
    });
    let config = world.config("");
    let deps = Deps::connect(&config, Arc::new(SystemClock)).unwrap();
    let is_part = Arc::new(AtomicBool::new(true));
    let warming = Warming {
        inner: Arc::clone(&deps.source),
        is_part: Arc::clone(&is_part),
    };
    let deps = Deps {
        source: Arc::new(warming),
        ..deps
    };
    let scheduler = Scheduler::start_with(config, deps).await;

    let tick = scheduler.tick().await;
    let web = result(&tick, "web");
    assert_eq!((web.action.as_str(), web.error.as_str()), ("hold", ""));
    assert_eq!(result(&tick, "api").action, "scale_up");
    let notes = world.decision.last_request("web").notes.join("\n");
    assert!(notes.contains("warming up"), "{notes}");

    is_part.store(false, Ordering::Relaxed);
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").action, "scale_down", "{tick:#?}");
}
