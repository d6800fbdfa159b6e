//! A predictor that repeats the last value, or says that there will be more, and refuses the series it is told to.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use common::{metadata::deadline, time::to_proto};
use futures::stream::Pending;
use jiff::Timestamp;
use proto::predictor::v1::{
    ForecastBasis, ForecastRequest, ForecastResponse, ForecastStreamRequest,
    ForecastStreamResponse, GetModelRequest, GetModelResponse, HorizonForecast, QuantileValue,
    ReloadModelRequest, ReloadModelResponse, Series, SeriesForecast,
    predictor_service_server::{PredictorService, PredictorServiceServer},
};
use tonic::{Request, Response, Status, Streaming};

#[derive(Default)]
pub struct FakePredictor {
    /// Series whose forecast asks for more.
    busy: Mutex<HashSet<String>>,
    /// Series that make a call INVALID_ARGUMENT.
    pub poison: Mutex<HashSet<String>>,
    /// What every call is answered with, if anything.
    pub failure: Mutex<Option<Status>>,
    /// The series of each call.
    pub calls: Mutex<Vec<Vec<Series>>>,
}

impl FakePredictor {
    /// From now on the CPU of a target is forecast to be at 90 percent, or where it is when that is more.
    pub fn make_busy(&self, target_id: &str) {
        self.busy.lock().unwrap().insert(target_id.to_owned());
    }

    /// The newest series of a target.
    pub fn last(&self, target_id: &str) -> Option<Series> {
        let calls = self.calls.lock().unwrap();
        calls
            .iter()
            .rev()
            .flatten()
            .find(|series| series.series_id == target_id)
            .cloned()
    }

    /// Series in each call so far.
    pub fn batch_sizes(&self) -> Vec<usize> {
        self.calls.lock().unwrap().iter().map(Vec::len).collect()
    }
}

/// A forecast that repeats the last value, or of a busy machine at least 90 percent.
pub fn forecast(series: Series, is_busy: bool) -> SeriesForecast {
    let last = series.cpu.last().copied().unwrap_or_default();
    let point = if is_busy { last.max(90.0) } else { last };
    let quantiles = || {
        [(0.1, f64::max(point - 5.0, 0.0)), (0.9, point + 5.0)]
            .map(|(quantile, value)| QuantileValue { quantile, value })
            .to_vec()
    };
    let newest = series.timestamps_seconds.last();
    SeriesForecast {
        series_id: series.series_id,
        basis: ForecastBasis::Naive.into(),
        origin: newest.map(|second| to_proto(Timestamp::from_second(*second).unwrap())),
        last_cpu: last,
        horizons: vec![HorizonForecast {
            horizon_seconds: 900,
            at_horizon: quantiles(),
            peak: quantiles(),
            point,
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub struct Served(Arc<FakePredictor>);

pub fn server(fake: &Arc<FakePredictor>) -> PredictorServiceServer<Served> {
    PredictorServiceServer::new(Served(Arc::clone(fake)))
}

#[tonic::async_trait]
impl PredictorService for Served {
    async fn forecast(
        &self,
        request: Request<ForecastRequest>,
    ) -> Result<Response<ForecastResponse>, Status> {
        assert!(
            deadline(&request).is_some(),
            "every call carries a deadline"
        );
        let series = request.into_inner().series;
        self.0.calls.lock().unwrap().push(series.clone());
        if let Some(status) = self.0.failure.lock().unwrap().clone() {
            return Err(status);
        }
        let poison = self.0.poison.lock().unwrap();
        if let Some(bad) = series
            .iter()
            .position(|series| poison.contains(&series.series_id))
        {
            return Err(Status::invalid_argument(format!(
                "series[{bad}].cpu[0]: is poison"
            )));
        }
        let busy = self.0.busy.lock().unwrap();
        let forecasts = series
            .into_iter()
            .map(|series| {
                let is_busy = busy.contains(&series.series_id);
                forecast(series, is_busy)
            })
            .collect();
        Ok(Response::new(ForecastResponse {
            forecasts,
            model: None,
        }))
    }

    type ForecastStreamStream = Pending<Result<ForecastStreamResponse, Status>>;

    async fn forecast_stream(
        &self,
        _: Request<Streaming<ForecastStreamRequest>>,
    ) -> Result<Response<Self::ForecastStreamStream>, Status> {
        Err(Status::unimplemented("the scheduler doesn't stream"))
    }

    async fn get_model(
        &self,
        _: Request<GetModelRequest>,
    ) -> Result<Response<GetModelResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn reload_model(
        &self,
        _: Request<ReloadModelRequest>,
    ) -> Result<Response<ReloadModelResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}
