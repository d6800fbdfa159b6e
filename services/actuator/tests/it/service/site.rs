//! What outlives a process that is a task here: a disk, the time, and the cloud.

use std::{sync::Arc, time::Duration};

use actuator::{
    Config,
    cloud::{InstanceState, Operation},
};
use common::{
    clock::{ManualClock, SharedClock},
    grpc,
    health::{self, Health},
};
use proto::actuator::v1 as wire;
use simulator::cloud::{FakeCloud, Moment};
use tempfile::TempDir;

use super::support::{FROM, ID, Stage, config, request};

pub const TAG: &str = "autoscaler:resize";

pub struct Site {
    pub folder: TempDir,
    pub clock: SharedClock,
    pub fake: FakeCloud,
}

impl Site {
    pub fn new() -> Self {
        let start = "2026-03-01T12:00:00Z".parse().unwrap();
        let clock: SharedClock = Arc::new(ManualClock::leaping(start));
        let fake = FakeCloud::new(Arc::clone(&clock));
        fake.add_instance(ID, FROM);
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock,
            fake,
        }
    }

    pub fn config(&self, journal: &str) -> Config {
        Config {
            database: self.folder.path().join(journal).display().to_string(),
            ..config()
        }
    }

    pub async fn boot(&self, config: Config) -> Stage {
        Stage::boot(config, Arc::clone(&self.clock), self.fake.clone()).await
    }

    pub async fn boot_ready(&self, config: Config) -> Stage {
        let stage = self.boot(config).await;
        stage.ready().await;
        stage
    }

    /// A process that ends while its stop is under way: AWS has it and nobody was told, or never gets it.
    pub async fn left_at_its_stop(&self, config: Config, moment: Moment) {
        let number = u32::try_from(self.fake.count(Operation::Stop)).unwrap() + 1;
        let hold = self.fake.hold(Operation::Stop, number, moment);
        let mut stage = self
            .boot_ready(Config {
                shutdown_grace_seconds: 0,
                ..config
            })
            .await;
        stage.start(request("r1")).await.unwrap();
        hold.arrived().await;
        stage.end().await;
        hold.lose();
        let runs = self.fake.state(ID) == Some(InstanceState::Running);
        assert_eq!(runs, moment == Moment::Before);
    }
}

impl Stage {
    pub async fn end(self) {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
    }

    pub async fn health(&self) -> Health {
        let url = grpc::local_url(self.address);
        health::check(grpc::channel(&url).unwrap(), Duration::from_secs(2)).await
    }

    pub async fn ready(&self) {
        while self.health().await != Health::Serving {
            tokio::task::yield_now().await;
        }
    }

    pub async fn recover(&mut self, apply: bool) -> Vec<wire::TaggedInstance> {
        let answer = self.client.recover(wire::RecoverRequest { apply }).await;
        answer.unwrap().into_inner().instances
    }
}
