//! What is measured: the embedded model, made-up machines, a served copy.

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{clock::SystemClock, health::Health, listen::Listeners};
use forecasting::{
    artifact::{Artifact, Location},
    forecast::{Forecast, Forecaster, Source},
    series::Series,
};
use predictor::{Config, Deps};
use proto::predictor::v1::{
    ForecastRequest, Series as SeriesMessage, predictor_service_client::PredictorServiceClient,
};
use testkit::process::{Process, free_port};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// The embedded model.
pub struct Setting {
    forecaster: Forecaster,
}

impl Setting {
    pub fn new() -> Self {
        let artifact = Artifact::open(&Location::Embedded, 1).unwrap();
        Self {
            forecaster: Forecaster::new(artifact).unwrap(),
        }
    }

    pub fn artifact(&self) -> &Artifact {
        self.forecaster.artifact()
    }

    pub fn columns(&self) -> usize {
        self.artifact().manifest.features.len()
    }

    /// Feature values of the rows that `series` series need: one for each horizon. The manifest's golden rows, moved a
    /// little so that no two are the same.
    pub fn rows(&self, series: usize) -> Vec<f32> {
        let manifest = &self.artifact().manifest;
        let count = series * manifest.horizons_seconds.len();
        (0..count)
            .flat_map(|index| {
                let row = &manifest.golden.rows[index % manifest.golden.rows.len()];
                let moved = 1.0 + (index % 89) as f32 / 1_000.0;
                row.iter()
                    .map(move |value| value.map_or(f32::NAN, |value| value * moved))
            })
            .collect()
    }

    pub fn forecast(&self, series: &[Series]) -> Vec<Forecast> {
        let manifest = &self.artifact().manifest;
        self.forecaster
            .forecast(series, &manifest.horizons_seconds, &manifest.quantiles)
            .unwrap()
    }

    /// Series whose calibration has to be rebuilt.
    pub fn fresh(&self, count: usize, points: usize) -> Vec<Series> {
        (0..count).map(|index| machine(index, points)).collect()
    }

    /// Series that carry the calibration of an answer one sample ago.
    pub fn steady(&self, count: usize, points: usize) -> Vec<Series> {
        let mut before = self.fresh(count, points - 1);
        // Twenty rebuilds stand for all: the machines differ in their noise only.
        before.truncate(20);
        let states: Vec<Vec<u8>> = self
            .forecast(&before)
            .into_iter()
            .map(|answer| answer.calibration_state)
            .collect();
        let mut series = self.fresh(count, points);
        for (index, series) in series.iter_mut().enumerate() {
            series
                .calibration_state
                .clone_from(&states[index % states.len()]);
        }
        let carried = self.forecast(&series[..1]).remove(0);
        assert_eq!(
            carried.calibration_source,
            Source::Carried,
            "{}",
            carried.calibration_reason
        );
        series
    }
}

/// [`testkit::model::machine`], every five minutes.
fn machine(seed: usize, points: usize) -> Series {
    let (timestamps_seconds, cpu) = testkit::model::machine(points, 300, seed as u32);
    Series {
        id: seed.to_string(),
        timestamps_seconds,
        cpu,
        capacity: 100.0,
        calibration_state: Vec::new(),
    }
}

/// The message that asks for the same.
pub fn request(series: &[Series]) -> ForecastRequest {
    ForecastRequest {
        series: series
            .iter()
            .map(|series| SeriesMessage {
                series_id: series.id.clone(),
                timestamps_seconds: series.timestamps_seconds.clone(),
                cpu: series.cpu.clone(),
                calibration_state: series.calibration_state.clone(),
                ..SeriesMessage::default()
            })
            .collect(),
        ..ForecastRequest::default()
    }
}

/// The service in this process, with two threads.
pub struct Served {
    pub client: PredictorServiceClient<Channel>,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Served {
    pub async fn start() -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(any, None).await.unwrap();
        let url = common::grpc::local_url(listeners.grpc.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let clock = Arc::new(SystemClock);
        let config = Config::default();
        let serving = predictor::serve(config, Deps { clock }, listeners, shutdown.clone());
        let client = PredictorServiceClient::new(common::grpc::channel(&url).unwrap());
        Self {
            client,
            shutdown,
            task: tokio::spawn(serving),
        }
    }

    pub async fn stop(self) {
        drop(self.client);
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// From the start of the binary to the first healthy answer.
pub fn process_start_to_ready() -> Duration {
    let address = format!("127.0.0.1:{}", free_port());
    let folder = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_predictor"));
    command
        .current_dir(folder.path())
        .env("AUTOSCALER__PREDICTOR__LISTEN", &address)
        .env("AUTOSCALER__PREDICTOR__METRICS_LISTEN", "127.0.0.1:0")
        .env("RUST_LOG", "error");
    let _process = Process::start("predictor", folder.path(), &mut command);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let channel = common::grpc::channel(&format!("http://{address}")).unwrap();
        loop {
            let health = common::health::check(channel.clone(), Duration::from_secs(1)).await;
            if health == Health::Serving {
                return begin.elapsed();
            }
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "not ready: {health:?}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
}
