//! The actuator's service on port 0, over a fake cloud whose time passes as fast as somebody waits for it.

use std::sync::Arc;

use actuator::{Config, Deps, cloud::InstanceState};
use common::{
    clock::{ManualClock, SharedClock},
    grpc,
    listen::Listeners,
};
use jiff::Timestamp;
use proto::actuator::v1::{self as wire, actuator_service_client::ActuatorServiceClient};
use simulator::cloud::FakeCloud;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, transport::Channel};

pub const ID: &str = "i-0123456789abcdef0";
pub const FROM: &str = "t2.small";
pub const TARGET: &str = "t2.medium";

pub struct Stage {
    pub fake: FakeCloud,
    pub client: ActuatorServiceClient<Channel>,
    pub address: std::net::SocketAddr,
    pub metrics_url: String,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<anyhow::Result<()>>,
}

/// Not dry, and quick to give up where tests wait for that.
pub fn config() -> Config {
    Config {
        dry_run: false,
        shutdown_grace_seconds: 20,
        database: ":memory:".to_owned(),
        breadcrumb_key: Some("0123456789abcdef0123456789abcdef".into()),
        ..Config::default()
    }
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: Config) -> Self {
        let start: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        Self::on(config, Arc::new(ManualClock::leaping(start))).await
    }

    pub async fn on(config: Config, clock: SharedClock) -> Self {
        let fake = FakeCloud::new(Arc::clone(&clock));
        Self::over(config, clock, fake).await
    }

    pub async fn over(config: Config, clock: SharedClock, fake: FakeCloud) -> Self {
        fake.add_instance(ID, FROM);
        Self::boot(config, clock, fake).await
    }

    /// An actuator over a cloud as it is.
    pub async fn boot(config: Config, clock: SharedClock, fake: FakeCloud) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(any, Some(any)).await.unwrap();
        let address = listeners.grpc.local_addr().unwrap();
        let metrics = listeners.metrics.as_ref().unwrap().local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let deps = Deps {
            clock,
            cloud: Arc::new(fake.clone()),
        };
        let served = tokio::spawn(actuator::serve(config, deps, listeners, shutdown.clone()));
        let client = ActuatorServiceClient::new(grpc::channel(&grpc::local_url(address)).unwrap());
        Self {
            fake,
            client,
            address,
            metrics_url: metrics.to_string(),
            shutdown,
            served,
        }
    }

    pub async fn start(
        &mut self,
        request: wire::StartResizeRequest,
    ) -> Result<wire::Resize, Status> {
        let response = self.client.start_resize(request).await?;
        Ok(response.into_inner().resize.unwrap())
    }

    /// Every message of the resize, the final one last.
    pub async fn watch(&mut self, resize_id: &str) -> Vec<wire::Resize> {
        let request = wire::WatchResizeRequest {
            resize_id: resize_id.to_owned(),
        };
        let mut stream = self
            .client
            .watch_resize(request)
            .await
            .unwrap()
            .into_inner();
        let mut messages = Vec::new();
        while let Some(message) = stream.message().await.unwrap() {
            messages.push(message.resize.unwrap());
        }
        messages
    }

    /// Starts a resize and follows it to its end.
    pub async fn resize(&mut self) -> wire::Resize {
        self.start(request("r1")).await.unwrap();
        self.watch("r1").await.pop().unwrap()
    }

    /// What runs now: type and state.
    pub fn runs(&self) -> (String, InstanceState) {
        (
            self.fake.instance_type(ID).unwrap(),
            self.fake.state(ID).unwrap(),
        )
    }
}

pub fn request(resize_id: &str) -> wire::StartResizeRequest {
    wire::StartResizeRequest {
        resize_id: resize_id.to_owned(),
        instance_id: ID.to_owned(),
        target_instance_type: TARGET.to_owned(),
        expected_instance_type: FROM.to_owned(),
        lease_epoch: 0,
        dry_run: false,
        reason: "test".to_owned(),
    }
}

pub fn running(instance_type: &str) -> (String, InstanceState) {
    (instance_type.to_owned(), InstanceState::Running)
}

/// The code of a call that must fail, and what it said.
pub fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), status.message().to_owned())
}

pub fn names(resize: &wire::Resize) -> Vec<&str> {
    resize.steps.iter().map(|step| step.name.as_str()).collect()
}
