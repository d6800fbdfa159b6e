//! `SchedulerService`: messages in, the scheduler's own terms inside.

use std::{pin::Pin, sync::Arc, time::Duration};

use common::{clock::machine, metadata::deadline, request::Fields, status, time::to_proto};
use futures::{Stream, StreamExt as _};
use proto::scheduler::v1::{
    GetStatusRequest, GetStatusResponse, ListTargetsRequest, ListTargetsResponse, RunTickRequest,
    RunTickResponse, ServiceHealth, WatchEventsRequest, WatchEventsResponse,
    scheduler_service_server::{SchedulerService, SchedulerServiceServer},
};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{convert, targets};
use crate::{
    context::Context,
    peers::ServiceState,
    tick::{standing::StandingProbe, ticker::Ticker},
};

/// Full name, for health and reflection.
pub const NAME: &str = "autoscaler.scheduler.v1.SchedulerService";
/// Answers leave this much earlier than the caller's deadline.
const MARGIN: Duration = Duration::from_millis(500);
/// When to ask again a scheduler that shuts down.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The service.
pub struct Api {
    context: Context,
    ticker: Arc<Ticker>,
    standing: StandingProbe,
    shutdown: CancellationToken,
}

impl Api {
    /// As a server to add.
    pub fn server(
        context: Context,
        ticker: Arc<Ticker>,
        standing: StandingProbe,
        shutdown: CancellationToken,
    ) -> SchedulerServiceServer<Self> {
        SchedulerServiceServer::new(Self {
            context,
            ticker,
            standing,
            shutdown,
        })
    }

    /// The name of the target that `name` stands for.
    fn target_id(&self, fields: &mut Fields, field: &str, name: &str) -> Option<String> {
        match targets::find(&self.context.targets, name) {
            Ok(target) => Some(target.id.clone()),
            Err(hint) => {
                let name = common::text::shortened(name);
                fields.bad(field, format!("{name:?} is no configured target{hint}"));
                None
            }
        }
    }

    async fn tick(&self, request: Request<RunTickRequest>) -> Result<RunTickResponse, Status> {
        let begin = machine().monotonic();
        let deadline = deadline(&request).map(|left| begin + left.saturating_sub(MARGIN));
        let request = request.into_inner();
        let mut target_ids = Vec::new();
        // A few are enough for a person; a million would be an answer of many megabytes.
        let mut fields = Fields::at_most(10);
        for (position, name) in request.target_ids.iter().enumerate() {
            let field = format!("target_ids[{position}]");
            target_ids.extend(self.target_id(&mut fields, &field, name));
            if fields.is_full() {
                break;
            }
        }
        fields.check()?;
        let outcome = self
            .ticker
            .run(&target_ids)
            .await
            .map_err(|error| status::unavailable(error.to_string(), RETRY_AFTER))?;
        if request.wait_for_resizes {
            let time_is_up = async {
                match deadline {
                    Some(deadline) => machine().sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = outcome.wait_for_resizes() => {}
                () = time_is_up => {}
                () = self.shutdown.cancelled() => {}
            }
        }
        let mut report = outcome.current();
        if !target_ids.is_empty() {
            report
                .results
                .retain(|result| target_ids.contains(&result.target_id));
        }
        Ok(RunTickResponse {
            tick: Some(convert::tick(&report)),
        })
    }

    async fn status(&self) -> GetStatusResponse {
        let summary = self.context.state.summary();
        let (services, standing) = futures::join!(self.context.peers.health(), self.standing.ask());
        GetStatusResponse {
            standing: Some(convert::standing(&standing)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: Some(to_proto(summary.started_at)),
            ticks: summary.ticks,
            last_tick: summary.last_tick.as_ref().map(convert::tick),
            next_tick_at: summary.next_tick_at.map(to_proto),
            tick_interval_seconds: u32::try_from(self.ticker.interval().as_secs())
                .unwrap_or(u32::MAX),
            services: services.iter().map(service_health).collect(),
        }
    }
}

fn service_health(service: &ServiceState) -> ServiceHealth {
    ServiceHealth {
        service: service.service.to_owned(),
        state: service.health.to_string(),
        detail: service.health.why_not(&service.url).unwrap_or_default(),
    }
}

#[tonic::async_trait]
impl SchedulerService for Api {
    async fn run_tick(
        &self,
        request: Request<RunTickRequest>,
    ) -> Result<Response<RunTickResponse>, Status> {
        let calls = &self.context.metrics.calls;
        calls
            .observe("RunTick", self.tick(request))
            .await
            .map(Response::new)
    }

    async fn get_status(
        &self,
        _: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let calls = &self.context.metrics.calls;
        calls
            .observe("GetStatus", async {
                Ok(Response::new(self.status().await))
            })
            .await
    }

    async fn list_targets(
        &self,
        _: Request<ListTargetsRequest>,
    ) -> Result<Response<ListTargetsResponse>, Status> {
        let calls = &self.context.metrics.calls;
        let answer = async {
            let targets = self
                .context
                .targets
                .iter()
                .map(|target| {
                    convert::target(target, self.context.state.result(&target.id).as_ref())
                })
                .collect();
            Ok(Response::new(ListTargetsResponse { targets }))
        };
        calls.observe("ListTargets", answer).await
    }

    type WatchEventsStream =
        Pin<Box<dyn Stream<Item = Result<WatchEventsResponse, Status>> + Send>>;

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let calls = &self.context.metrics.calls;
        let mut wanted = request.into_inner().target_id;
        let answer = async {
            if !wanted.is_empty() {
                let mut fields = Fields::default();
                let found = self.target_id(&mut fields, "target_id", &wanted);
                fields.check()?;
                wanted = found.unwrap_or_default();
            }
            // Subscribed before the call returns, so that nothing after it is missed.
            let events = BroadcastStream::new(self.context.events.subscribe())
                .filter_map(move |event| {
                    let event = match event {
                        Ok(event) if wanted.is_empty() || event.target_id.is_empty() => Some(event),
                        Ok(event) => (event.target_id == wanted).then_some(event),
                        Err(BroadcastStreamRecvError::Lagged(missed)) => {
                            tracing::debug!(missed, "a slow listener lost events");
                            None
                        }
                    };
                    futures::future::ready(event.map(|event| Ok(convert::event(&event))))
                })
                .take_until(self.shutdown.clone().cancelled_owned());
            Ok(Response::new(Box::pin(events) as Self::WatchEventsStream))
        };
        calls.observe("WatchEvents", answer).await
    }
}
