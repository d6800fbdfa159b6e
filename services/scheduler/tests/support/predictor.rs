//! A predictor that repeats the last value, and refuses the series it is told to.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use common::grpc::deadline;
use futures::stream::Pending;
use proto::predictor::v1::{
    ForecastBasis, ForecastRequest, ForecastResponse, ForecastStreamRequest,
    ForecastStreamResponse, GetModelRequest, GetModelResponse, HorizonForecast, QuantileValue,
    ReloadModelRequest, ReloadModelResponse, Series, SeriesForecast,
    predictor_service_server::{PredictorService, PredictorServiceServer},
};
use tonic::{Request, Response, Status, Streaming};

#[derive(Default)]
pub struct FakePredictor {
    /// Series that make a call INVALID_ARGUMENT.
    pub poison: Mutex<HashSet<String>>,
    /// What every call is answered with, if anything.
    pub failure: Mutex<Option<Status>>,
    /// The series of each call.
    pub calls: Mutex<Vec<Vec<Series>>>,
}

impl FakePredictor {
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
        let forecasts = series
            .into_iter()
            .map(|series| {
                let last = series.cpu.last().copied().unwrap_or_default();
                let quantiles = || {
                    vec![QuantileValue {
                        quantile: 0.5,
                        value: last,
                    }]
                };
                SeriesForecast {
                    series_id: series.series_id,
                    basis: ForecastBasis::Naive.into(),
                    last_cpu: last,
                    horizons: vec![HorizonForecast {
                        horizon_seconds: 900,
                        at_horizon: quantiles(),
                        peak: quantiles(),
                        point: last,
                        ..Default::default()
                    }],
                    ..Default::default()
                }
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
