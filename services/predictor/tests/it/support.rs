//! What the scenario tests share: a running predictor on port 0, made-up series, a copy of the committed artifact.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use common::{clock::SystemClock, listen::Listeners};
use predictor::{Config, Deps};
use proto::predictor::v1::{Series, predictor_service_client::PredictorServiceClient};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// The committed artifact.
pub fn artifact() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../artifacts/cpu")
}

/// A copy of it that a test may break.
pub fn copy_of_artifact(to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(artifact()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

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
        let any = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(any, Some(any)).await.unwrap();
        let url = common::grpc::local_url(listeners.grpc.local_addr().unwrap());
        let metrics = listeners.metrics.as_ref().unwrap().local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let clock = Arc::new(SystemClock);
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

/// `points` samples `step` seconds apart: a daily curve, an hourly job, and noise from `seed`.
pub fn machine(id: &str, points: usize, step: i64, seed: u32) -> Series {
    let mut state = seed;
    let cpu = (0..points)
        .map(|index| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(state >> 16) / 65_536.0;
            let minutes = index as f64 * step as f64 / 60.0;
            let daily = (minutes / 1440.0 * std::f64::consts::TAU).sin();
            let job = if minutes % 60.0 < 10.0 { 20.0 } else { 0.0 };
            35.0 + 20.0 * daily + job + 10.0 * noise
        })
        .collect();
    Series {
        series_id: id.to_owned(),
        timestamps_seconds: (0..points as i64)
            .map(|index| 1_700_000_000 + index * step)
            .collect(),
        cpu,
        ..Series::default()
    }
}

/// One plain HTTP request: a client library would be a dependency for four lines.
pub async fn scrape(address: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}
