//! `ActuatorService`: checks what comes in, asks the cloud or the journal, and leaves long work to the executor.

use std::{pin::Pin, sync::Arc};

use common::{clock::SharedClock, request::Fields};
use proto::actuator::v1::{
    self as wire,
    actuator_service_server::{ActuatorService, ActuatorServiceServer},
};
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    admission::{Gate, NotAdmitted},
    api::{convert, measured},
    cloud::{Cloud, CloudError, DESCRIBED_AT_ONCE},
    config::Config,
    executor::Executor,
    guard::{Guard, NotDecided},
    journal::{Admission, Journal, Record, Refusal},
    leave::Leave,
    metrics::Metrics,
    monitoring::SetUp,
    preflight::{self, Subject},
    rails::{KillSwitch, Standings},
    recovery::stranded::{Apply, Finder},
};

/// The service. It holds no state of its own.
pub struct Service {
    pub cloud: Arc<dyn Cloud>,
    pub clock: SharedClock,
    pub config: Arc<Config>,
    pub journal: Arc<Journal>,
    pub guard: Arc<Guard>,
    pub executor: Arc<Executor>,
    pub finder: Finder,
    pub metrics: Metrics,
    pub leave: Leave,
    /// Ends the streams that are open.
    pub shutdown: CancellationToken,
}

type Answer<T> = Result<Response<T>, Status>;

impl Service {
    /// As the server's router takes it.
    pub fn into_server(self) -> ActuatorServiceServer<Self> {
        ActuatorServiceServer::new(self)
    }

    async fn describe(&self, instance_id: String) -> Answer<wire::DescribeInstanceResponse> {
        let mut fields = Fields::default();
        fields.instance_id("instance_id", &instance_id);
        fields.check()?;
        let instance = self
            .cloud
            .describe_instance(&instance_id)
            .await
            .map_err(refuse)?;
        Ok(Response::new(wire::DescribeInstanceResponse {
            instance: Some(convert::instance(instance)),
            dry_run: self.config.dry_run,
        }))
    }

    async fn describe_many(&self, ids: Vec<String>) -> Answer<wire::DescribeInstancesResponse> {
        let mut fields = Fields::default();
        let most = (DESCRIBED_AT_ONCE, "ids");
        fields.each("instance_ids", &ids, most, Fields::instance_id);
        fields.check()?;
        let instances = self.cloud.describe_instances(&ids).await.map_err(refuse)?;
        Ok(Response::new(wire::DescribeInstancesResponse {
            instances: instances.into_iter().map(convert::instance).collect(),
            dry_run: self.config.dry_run,
        }))
    }

    async fn types(&self, names: Vec<String>) -> Answer<wire::ListInstanceTypesResponse> {
        let mut fields = Fields::default();
        let most = (100, "names");
        fields.each("instance_types", &names, most, Fields::instance_type);
        fields.check()?;
        let types = self.cloud.describe_types(&names).await.map_err(refuse)?;
        Ok(Response::new(wire::ListInstanceTypesResponse {
            instance_types: types.into_iter().map(convert::instance_type).collect(),
        }))
    }

    async fn measured(
        &self,
        message: wire::ReadMetricsRequest,
    ) -> Answer<wire::ReadMetricsResponse> {
        let measured::Question {
            ids,
            metrics,
            stretch,
        } = measured::question(message)?;
        let read = self.cloud.read_metrics(&ids, &metrics, stretch).await;
        let read = read.map_err(refuse)?;
        self.metrics.charged(read.charged);
        Ok(Response::new(measured::answer(read)))
    }

    async fn check(&self, message: wire::PreflightRequest) -> Answer<wire::PreflightResponse> {
        let mut fields = Fields::default();
        fields.instance_id("instance_id", &message.instance_id);
        fields.instance_type("target_instance_type", &message.target_instance_type);
        fields.check()?;
        // An instance that doesn't exist is an error of the call, not a check that blocks.
        self.cloud
            .describe_instance(&message.instance_id)
            .await
            .map_err(refuse)?;
        let subject = Subject {
            instance_id: &message.instance_id,
            target: &message.target_instance_type,
            expected: None,
        };
        let memory = preflight::Memory {
            refused: self.journal.refused().await,
            now: self.clock.now(),
        };
        let mut report = preflight::run(self.cloud.as_ref(), &self.config, subject, memory).await;
        let limits = self
            .guard
            .checks(&message.instance_id, self.clock.now())
            .await
            .map_err(|error| convert::store_error(&error))?;
        report.checks.extend(limits);
        Ok(Response::new(wire::PreflightResponse {
            ok: report.obstacle(self.config.unknown_checks).is_none(),
            checks: report.checks.into_iter().map(convert::check).collect(),
        }))
    }

    async fn start(&self, message: wire::StartResizeRequest) -> Answer<wire::StartResizeResponse> {
        let request = convert::request(message)?;
        convert::check_epoch(request.lease_epoch, self.clock.now())?;
        let gate = Gate {
            cloud: self.cloud.clone(),
            clock: Arc::clone(&self.clock),
            config: Arc::clone(&self.config),
            journal: Arc::clone(&self.journal),
            guard: Arc::clone(&self.guard),
            leave: self.leave.clone(),
        };
        let admission = gate.admit(request).await;
        let admission = admission.map_err(|no| {
            if let NotAdmitted::Refused(Refusal::Objection(objection)) = &no {
                self.metrics.objected(objection.rail);
            }
            convert::not_admitted(&no, self.clock.now())
        })?;
        let record = match admission {
            Admission::Known(record) => record,
            Admission::New(record) => {
                self.executor.launch(record.clone());
                record
            }
        };
        Ok(Response::new(wire::StartResizeResponse {
            resize: Some(convert::resize(&record)),
        }))
    }

    async fn standings(&self) -> Result<Standings, Status> {
        let standings = self.guard.standings(self.clock.now()).await;
        standings.map_err(|error| convert::store_error(&error))
    }

    async fn limits(&self) -> Answer<wire::GetLimitsResponse> {
        let standings = self.standings().await?;
        let active = self.journal.list(None, true, 1_000).await;
        let active = active.map_err(|error| convert::store_error(&error))?;
        let mut answer = convert::limits(standings, &self.config);
        answer.active = u32::try_from(active.len()).unwrap_or(u32::MAX);
        let fence = self.journal.fence().await;
        answer.fence_epoch = fence.map_err(|error| convert::store_error(&error))?;
        let degraded = self.journal.degraded();
        answer.journal_degraded = degraded.map(|why| why.to_string()).unwrap_or_default();
        Ok(Response::new(answer))
    }

    async fn switch(
        &self,
        message: wire::SetKillSwitchRequest,
    ) -> Answer<wire::SetKillSwitchResponse> {
        let mut fields = Fields::default();
        let length = message.reason.trim().chars().count();
        if message.on && !(1..=500).contains(&length) {
            fields.bad("reason", "say why, in 1 to 500 characters");
        }
        fields.check()?;
        let to = message.on.then(|| KillSwitch {
            reason: message.reason.trim().to_owned(),
            since: Some(self.clock.now()),
        });
        self.guard
            .set_kill_switch(to.clone())
            .await
            .map_err(|error| not_written(&error))?;
        tracing::warn!(
            on = message.on,
            reason = message.reason,
            "the kill switch was turned"
        );
        Ok(Response::new(wire::SetKillSwitchResponse {
            kill_switch: Some(convert::kill_switch(to)),
        }))
    }

    async fn close_breaker(&self) -> Answer<wire::CloseBreakerResponse> {
        let now = self.clock.now();
        self.guard
            .close_breaker(now)
            .await
            .map_err(|error| not_written(&error))?;
        tracing::warn!("the circuit breaker was closed by hand");
        let standings = self.standings().await?;
        Ok(Response::new(wire::CloseBreakerResponse {
            breaker: convert::limits(standings, &self.config).breaker,
        }))
    }

    async fn refusals(&self) -> Answer<wire::ListRefusalsResponse> {
        let refused = self.journal.refused().await;
        let refused = refused.map_err(|error| convert::store_error(&error))?;
        Ok(Response::new(wire::ListRefusalsResponse {
            refusals: refused.into_iter().rev().map(convert::refused).collect(),
        }))
    }

    async fn forget(
        &self,
        message: wire::ForgetRefusalsRequest,
    ) -> Answer<wire::ForgetRefusalsResponse> {
        let mut fields = Fields::default();
        if !message.instance_id.is_empty() {
            fields.instance_id("instance_id", &message.instance_id);
        }
        if !message.instance_type.is_empty() {
            fields.instance_type("instance_type", &message.instance_type);
        }
        fields.check()?;
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let (instance_id, target) = (some(message.instance_id), some(message.instance_type));
        let forgotten = self
            .journal
            .forget_refused(instance_id.as_deref(), target.as_deref())
            .await
            .map_err(|error| convert::store_error(&error))?;
        tracing::warn!(
            ?instance_id,
            ?target,
            forgotten,
            "refusals were forgotten by hand"
        );
        Ok(Response::new(wire::ForgetRefusalsResponse { forgotten }))
    }

    async fn watch(&self, resize_id: &str) -> Result<watch::Receiver<Arc<Record>>, Status> {
        let mut fields = Fields::default();
        convert::resize_id(&mut fields, resize_id);
        fields.check()?;
        let record = self.journal.watch(resize_id).await;
        record
            .map_err(|error| convert::store_error(&error))?
            .ok_or_else(|| not_taken_on(resize_id))
    }

    async fn get(&self, resize_id: &str) -> Answer<wire::GetResizeResponse> {
        let mut fields = Fields::default();
        convert::resize_id(&mut fields, resize_id);
        fields.check()?;
        let record = self.journal.get(resize_id).await;
        let record = record.map_err(|error| convert::store_error(&error))?;
        let record = record.ok_or_else(|| not_taken_on(resize_id))?;
        Ok(Response::new(wire::GetResizeResponse {
            resize: Some(convert::resize(&record)),
        }))
    }

    async fn list(&self, message: wire::ListResizesRequest) -> Answer<wire::ListResizesResponse> {
        let mut fields = Fields::default();
        if !message.instance_id.is_empty() {
            fields.instance_id("instance_id", &message.instance_id);
        }
        if message.page_size > 1_000 {
            fields.bad("page_size", "must be at most 1,000");
        }
        fields.check()?;
        let limit = match message.page_size {
            0 => 50,
            size => size as usize,
        };
        let instance_id = Some(message.instance_id.as_str()).filter(|id| !id.is_empty());
        let records = self
            .journal
            .list(instance_id, message.active_only, limit)
            .await
            .map_err(|error| convert::store_error(&error))?;
        Ok(Response::new(wire::ListResizesResponse {
            resizes: records.iter().map(convert::resize).collect(),
        }))
    }

    async fn monitor(
        &self,
        message: wire::ConfigureMonitoringRequest,
    ) -> Answer<wire::ConfigureMonitoringResponse> {
        let mut fields = Fields::default();
        fields.instance_id("instance_id", &message.instance_id);
        fields.check()?;
        self.cloud
            .describe_instance(&message.instance_id)
            .await
            .map_err(refuse)?;
        if message.dry_run || self.config.dry_run {
            let nothing = SetUp::skipped("dry run: nothing was sent");
            return Ok(Response::new(convert::set_up(nothing, true)));
        }
        let set_up = self
            .executor
            .set_up_monitoring(message.instance_id)
            .await
            .map_err(|error| Status::internal(format!("the set-up was lost: {error}")))?;
        Ok(Response::new(convert::set_up(set_up, false)))
    }
}

impl Service {
    async fn recover(&self, apply: bool) -> Answer<wire::RecoverResponse> {
        if apply && self.config.dry_run {
            return Err(common::status::failed_precondition(
                "DRY_RUN",
                "actuator",
                "this actuator is in dry run and changes nothing; set actuator.dry_run to false",
            ));
        }
        let apply = match apply {
            true => Apply::Unverified,
            false => Apply::Nothing,
        };
        let found = self.finder.find(apply).await;
        let found = found.map_err(|error| {
            common::status::unavailable(error.to_string(), std::time::Duration::from_secs(5))
        })?;
        Ok(Response::new(wire::RecoverResponse {
            instances: found.into_iter().map(convert::stranded).collect(),
        }))
    }
}

fn refuse(error: CloudError) -> Status {
    convert::cloud_error(&error)
}

fn not_written(error: &NotDecided) -> Status {
    Status::internal(format!("{error}; nothing has changed"))
}

fn not_taken_on(resize_id: &str) -> Status {
    Status::not_found(format!(
        "this actuator never took on resize {resize_id}, or has forgotten it; describe the instance to see its type"
    ))
}

/// Sends every step, those that are past first, and ends after the final message.
async fn follow(
    mut record: watch::Receiver<Arc<Record>>,
    messages: mpsc::Sender<Result<wire::WatchResizeResponse, Status>>,
    shutdown: CancellationToken,
) {
    let mut sent = 0;
    loop {
        let now = Arc::clone(&record.borrow_and_update());
        let ended = now.finished_at.is_some();
        // A slow watcher sees each step all the same, if not each moment of it.
        for steps in sent + 1..now.steps.len() {
            if send(&messages, convert::resize_until(&now, steps))
                .await
                .is_err()
            {
                return;
            }
        }
        sent = now.steps.len();
        if send(&messages, convert::resize(&now)).await.is_err() || ended {
            return;
        }
        tokio::select! {
            changed = record.changed() => {
                // The sender goes once the end is written, and the end has been sent by then.
                if changed.is_err() {
                    return;
                }
            }
            () = messages.closed() => return,
            () = shutdown.cancelled() => {
                let status = Status::unavailable("the actuator is shutting down; watch again");
                let _ = messages.send(Err(status)).await;
                return;
            }
        }
    }
}

async fn send(
    messages: &mpsc::Sender<Result<wire::WatchResizeResponse, Status>>,
    resize: wire::Resize,
) -> Result<(), ()> {
    let message = wire::WatchResizeResponse {
        resize: Some(resize),
    };
    messages.send(Ok(message)).await.map_err(drop)
}

#[tonic::async_trait]
impl ActuatorService for Service {
    async fn describe_instance(
        &self,
        request: Request<wire::DescribeInstanceRequest>,
    ) -> Answer<wire::DescribeInstanceResponse> {
        let call = self.describe(request.into_inner().instance_id);
        self.metrics.calls.observe("DescribeInstance", call).await
    }

    async fn describe_instances(
        &self,
        request: Request<wire::DescribeInstancesRequest>,
    ) -> Answer<wire::DescribeInstancesResponse> {
        let call = self.describe_many(request.into_inner().instance_ids);
        self.metrics.calls.observe("DescribeInstances", call).await
    }

    async fn list_instance_types(
        &self,
        request: Request<wire::ListInstanceTypesRequest>,
    ) -> Answer<wire::ListInstanceTypesResponse> {
        let call = self.types(request.into_inner().instance_types);
        self.metrics.calls.observe("ListInstanceTypes", call).await
    }

    async fn read_metrics(
        &self,
        request: Request<wire::ReadMetricsRequest>,
    ) -> Answer<wire::ReadMetricsResponse> {
        let call = self.measured(request.into_inner());
        self.metrics.calls.observe("ReadMetrics", call).await
    }

    async fn preflight(
        &self,
        request: Request<wire::PreflightRequest>,
    ) -> Answer<wire::PreflightResponse> {
        let call = self.check(request.into_inner());
        self.metrics.calls.observe("Preflight", call).await
    }

    async fn start_resize(
        &self,
        request: Request<wire::StartResizeRequest>,
    ) -> Answer<wire::StartResizeResponse> {
        let call = self.start(request.into_inner());
        self.metrics.calls.observe("StartResize", call).await
    }

    async fn get_resize(
        &self,
        request: Request<wire::GetResizeRequest>,
    ) -> Answer<wire::GetResizeResponse> {
        let resize_id = request.into_inner().resize_id;
        self.metrics
            .calls
            .observe("GetResize", self.get(&resize_id))
            .await
    }

    type WatchResizeStream =
        Pin<Box<dyn Stream<Item = Result<wire::WatchResizeResponse, Status>> + Send>>;

    async fn watch_resize(
        &self,
        request: Request<wire::WatchResizeRequest>,
    ) -> Answer<Self::WatchResizeStream> {
        let open = async {
            let record = self.watch(&request.into_inner().resize_id).await?;
            let (sender, receiver) = mpsc::channel(16);
            tokio::spawn(follow(record, sender, self.shutdown.clone()));
            let stream: Self::WatchResizeStream = Box::pin(ReceiverStream::new(receiver));
            Ok(Response::new(stream))
        };
        self.metrics.calls.observe("WatchResize", open).await
    }

    async fn list_resizes(
        &self,
        request: Request<wire::ListResizesRequest>,
    ) -> Answer<wire::ListResizesResponse> {
        let call = self.list(request.into_inner());
        self.metrics.calls.observe("ListResizes", call).await
    }

    async fn recover(
        &self,
        request: Request<wire::RecoverRequest>,
    ) -> Answer<wire::RecoverResponse> {
        let call = Service::recover(self, request.into_inner().apply);
        self.metrics.calls.observe("Recover", call).await
    }

    async fn list_refusals(
        &self,
        _: Request<wire::ListRefusalsRequest>,
    ) -> Answer<wire::ListRefusalsResponse> {
        let call = self.refusals();
        self.metrics.calls.observe("ListRefusals", call).await
    }

    async fn forget_refusals(
        &self,
        request: Request<wire::ForgetRefusalsRequest>,
    ) -> Answer<wire::ForgetRefusalsResponse> {
        let call = self.forget(request.into_inner());
        self.metrics.calls.observe("ForgetRefusals", call).await
    }

    async fn get_limits(
        &self,
        _: Request<wire::GetLimitsRequest>,
    ) -> Answer<wire::GetLimitsResponse> {
        let call = self.limits();
        self.metrics.calls.observe("GetLimits", call).await
    }

    async fn set_kill_switch(
        &self,
        request: Request<wire::SetKillSwitchRequest>,
    ) -> Answer<wire::SetKillSwitchResponse> {
        let call = self.switch(request.into_inner());
        self.metrics.calls.observe("SetKillSwitch", call).await
    }

    async fn close_breaker(
        &self,
        _: Request<wire::CloseBreakerRequest>,
    ) -> Answer<wire::CloseBreakerResponse> {
        let call = Service::close_breaker(self);
        self.metrics.calls.observe("CloseBreaker", call).await
    }

    async fn configure_monitoring(
        &self,
        request: Request<wire::ConfigureMonitoringRequest>,
    ) -> Answer<wire::ConfigureMonitoringResponse> {
        let call = self.monitor(request.into_inner());
        self.metrics
            .calls
            .observe("ConfigureMonitoring", call)
            .await
    }
}
