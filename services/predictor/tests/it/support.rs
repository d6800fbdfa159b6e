//! What the scenario tests share: a running predictor on port 0, made-up series.

use std::sync::Arc;

use common::{
    clock::{SharedClock, SystemClock},
    listen::Listeners,
};
use predictor::{Config, Deps};
use proto::predictor::v1::{Series, predictor_service_client::PredictorServiceClient};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// A predictor that serves.
pub struct Running {
    pub client: PredictorServiceClient<Channel>,
    pub channel: Channel,
    pub metrics_url: String,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub async fn start(config: Config) -> Self {
        Self::start_on(config, Arc::new(SystemClock)).await
    }

    pub async fn start_on(config: Config, clock: SharedClock) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(any, Some(any)).await.unwrap();
        let url = common::grpc::local_url(listeners.grpc.local_addr().unwrap());
        let metrics = listeners.metrics.as_ref().unwrap().local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = predictor::serve(config, Deps { clock }, listeners, shutdown.clone());
        let channel = common::grpc::channel(&url).unwrap();
        Self {
            client: PredictorServiceClient::new(channel.clone())
                .max_encoding_message_size(64 * 1024 * 1024),
            channel,
            metrics_url: metrics.to_string(),
            shutdown,
            task: tokio::spawn(serving),
        }
    }

    pub async fn health(&self) -> common::health::Health {
        common::health::check(self.channel.clone(), std::time::Duration::from_secs(5)).await
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        // Idle connections would be waited for.
        drop((self.client, self.channel));
        self.task.await.unwrap().unwrap();
    }
}

/// `points` samples `step` seconds apart; see [`testkit::model::machine`].
pub fn machine(id: &str, points: usize, step: i64, seed: u32) -> Series {
    let (timestamps_seconds, cpu) = testkit::model::machine(points, step, seed);
    Series {
        series_id: id.to_owned(),
        timestamps_seconds,
        cpu,
        ..Series::default()
    }
}
