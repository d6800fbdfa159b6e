//! The gRPC service: limits, conversion, one error mapping.

mod batch;
mod convert;
#[cfg(test)]
mod fuzz;

use std::{pin::Pin, sync::Arc, time::Duration};

use common::{
    exposition::CallMetrics,
    status::{failed_precondition, invalid_argument, unavailable},
};
use proto::predictor::v1::{
    ForecastRequest, ForecastResponse, ForecastStreamRequest, ForecastStreamResponse,
    GetModelRequest, GetModelResponse, ReloadModelRequest, ReloadModelResponse,
    predictor_service_server::{PredictorService, PredictorServiceServer},
};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    metrics::Metrics,
    pool::Pool,
    store::{Loaded, ModelStore},
};

use batch::Batches;
pub use convert::Limits;

/// Requests larger than this are refused before they are read.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Answers of a stream that wait for a slow reader.
const STREAM_BUFFER: usize = 2;

/// Serves one model store. Clones share everything.
#[derive(Clone)]
pub struct Service {
    store: Arc<ModelStore>,
    batches: Batches,
    calls: Arc<Semaphore>,
    call_metrics: CallMetrics,
}

impl Service {
    /// As the server's router takes it, with the limit on what it reads.
    pub fn into_server(self) -> PredictorServiceServer<Self> {
        PredictorServiceServer::new(self).max_decoding_message_size(MAX_REQUEST_BYTES)
    }

    /// At most `max_calls` forecasts wait or run at once.
    pub fn new(
        store: Arc<ModelStore>,
        pool: Pool,
        max_calls: usize,
        call_metrics: CallMetrics,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            batches: Batches::new(pool, metrics),
            calls: Arc::new(Semaphore::new(max_calls)),
            call_metrics,
        }
    }

    fn loaded(&self) -> Result<Arc<Loaded>, Status> {
        self.store.current().map_err(|why| {
            failed_precondition(
                "MODEL",
                &self.store.location().to_string(),
                &format!("{why}; then call ReloadModel"),
            )
        })
    }

    async fn answer(&self, request: ForecastRequest) -> Result<ForecastResponse, Status> {
        let loaded = self.loaded()?;
        let Ok(permit) = Arc::clone(&self.calls).try_acquire_owned() else {
            return Err(unavailable(
                "too many forecasts are waiting; try again, or raise `predictor.max_calls`",
                Duration::from_millis(500),
            ));
        };
        let question = convert::question(request, loaded.forecaster.artifact(), &Limits::default())
            .map_err(|violations| invalid_argument(&violations))?;
        match self.batches.answer(question, loaded, permit).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(failed)) => Err(Status::internal(failed.to_string())),
            Err(lost) => Err(Status::internal(lost.to_string())),
        }
    }
}

#[tonic::async_trait]
impl PredictorService for Service {
    type ForecastStreamStream =
        Pin<Box<dyn Stream<Item = Result<ForecastStreamResponse, Status>> + Send>>;

    async fn forecast(
        &self,
        request: Request<ForecastRequest>,
    ) -> Result<Response<ForecastResponse>, Status> {
        let answer = self.answer(request.into_inner());
        let answer = self.call_metrics.observe("Forecast", answer).await?;
        Ok(Response::new(answer))
    }

    async fn forecast_stream(
        &self,
        request: Request<Streaming<ForecastStreamRequest>>,
    ) -> Result<Response<Self::ForecastStreamStream>, Status> {
        self.loaded()?;
        let mut requests = request.into_inner();
        let (answers, stream) = mpsc::channel(STREAM_BUFFER);
        let service = self.clone();
        tokio::spawn(async move {
            loop {
                // A caller that goes away ends the work at the next message.
                let request = tokio::select! {
                    request = requests.message() => request,
                    () = answers.closed() => return,
                };
                let answer = match request {
                    Ok(Some(request)) => {
                        let batch = request.request.unwrap_or_default();
                        let answer = service.answer(batch);
                        service.call_metrics.observe("ForecastStream", answer).await
                    }
                    Ok(None) => return,
                    Err(status) => Err(status),
                };
                let last = answer.is_err();
                let answer = answer.map(|response| ForecastStreamResponse {
                    response: Some(response),
                });
                if answers.send(answer).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn get_model(
        &self,
        _request: Request<GetModelRequest>,
    ) -> Result<Response<GetModelResponse>, Status> {
        let card = async { Ok(convert::card(&*self.loaded()?)) };
        let card = self.call_metrics.observe("GetModel", card).await?;
        Ok(Response::new(card))
    }

    async fn reload_model(
        &self,
        _request: Request<ReloadModelRequest>,
    ) -> Result<Response<ReloadModelResponse>, Status> {
        let reloaded = async {
            match self.store.reload().await {
                Ok((loaded, changed)) => {
                    let artifact = loaded.forecaster.artifact();
                    tracing::info!(
                        version = artifact.manifest.version,
                        sha256 = artifact.sha256,
                        changed,
                        "model reloaded"
                    );
                    Ok(ReloadModelResponse {
                        model: Some(convert::identity(artifact)),
                        changed,
                    })
                }
                Err(why) => {
                    let line = self.store.with_consequence(&why);
                    tracing::warn!("{line}");
                    let subject = self.store.location().to_string();
                    Err(failed_precondition("MODEL", &subject, &line))
                }
            }
        };
        let response = self.call_metrics.observe("ReloadModel", reloaded).await?;
        Ok(Response::new(response))
    }
}
