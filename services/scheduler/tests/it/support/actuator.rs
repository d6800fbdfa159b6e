//! An actuator with instances that change their type when it is told to finish, and replies that get lost.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{
    clock::{Clock as _, SystemClock},
    metadata::deadline,
    time::to_proto,
};
use futures::{Stream, StreamExt as _};
use proto::actuator::v1::{
    CloseBreakerRequest, CloseBreakerResponse, ConfigureMonitoringRequest,
    ConfigureMonitoringResponse, DescribeInstanceRequest, DescribeInstanceResponse,
    DescribeInstancesRequest, DescribeInstancesResponse, ForgetRefusalsRequest,
    ForgetRefusalsResponse, GetLimitsRequest, GetLimitsResponse, GetResizeRequest,
    GetResizeResponse, Instance, InstanceState, InstanceType, ListInstanceTypesRequest,
    ListInstanceTypesResponse, ListRefusalsRequest, ListRefusalsResponse, ListResizesRequest,
    ListResizesResponse, MetricSeries, PreflightRequest, PreflightResponse, ReadMetricsRequest,
    ReadMetricsResponse, RecoverRequest, RecoverResponse, Resize, ResizePhase,
    SetKillSwitchRequest, SetKillSwitchResponse, StartResizeRequest, StartResizeResponse,
    WatchResizeRequest, WatchResizeResponse,
    actuator_service_server::{ActuatorService, ActuatorServiceServer},
};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

/// What happens to the reply of StartResize.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Reply {
    #[default]
    Given,
    /// The resize starts, the reply never comes.
    LostAfter,
    /// Neither.
    LostBefore,
}

#[derive(Default)]
pub struct FakeActuator {
    pub instances: Mutex<HashMap<String, Instance>>,
    pub resizes: Mutex<HashMap<String, watch::Sender<Resize>>>,
    pub starts: Mutex<Vec<StartResizeRequest>>,
    /// Calls that described instances.
    pub looks: Mutex<u32>,
    /// Resizes end at once instead of when told.
    pub instant: Mutex<bool>,
    pub dry_run: Mutex<bool>,
    pub reply: Mutex<Reply>,
    /// The next streams break after their first message.
    pub break_streams: Mutex<u32>,
    pub refuse: Mutex<Option<Status>>,
    /// What asking for instances comes to.
    pub blind: Mutex<Option<Status>>,
    highest_epoch: Mutex<u64>,
    pub limits: Mutex<GetLimitsResponse>,
    /// What its cloud measured.
    pub measured: Mutex<Vec<MetricSeries>>,
    /// Questions for it.
    pub reads: Mutex<Vec<ReadMetricsRequest>>,
    /// What such a question comes to.
    pub unreadable: Mutex<Option<Status>>,
}

impl FakeActuator {
    pub fn add(&self, instance_id: &str, instance_type: &str, private_ip: &str) {
        let instance = Instance {
            instance_id: instance_id.to_owned(),
            instance_type: instance_type.to_owned(),
            state: InstanceState::Running.into(),
            private_ip: private_ip.to_owned(),
            ..Default::default()
        };
        self.instances
            .lock()
            .unwrap()
            .insert(instance_id.to_owned(), instance);
    }

    pub fn change(&self, instance_id: &str, change: impl FnOnce(&mut Instance)) {
        change(self.instances.lock().unwrap().get_mut(instance_id).unwrap());
    }

    pub fn instance_type(&self, instance_id: &str) -> String {
        self.instances.lock().unwrap()[instance_id]
            .instance_type
            .clone()
    }

    pub fn starts(&self) -> usize {
        self.starts.lock().unwrap().len()
    }

    /// Ends every running resize.
    pub fn finish(&self, phase: ResizePhase) {
        for resize in self.resizes.lock().unwrap().values() {
            self.end(resize, phase);
        }
    }

    /// As if a holder of this epoch had acted.
    pub fn fence(&self, epoch: u64) {
        *self.highest_epoch.lock().unwrap() = epoch;
    }

    fn end(&self, resize: &watch::Sender<Resize>, phase: ResizePhase) {
        resize.send_modify(|resize| {
            if resize.finished_at.is_some() {
                return;
            }
            if phase == ResizePhase::Succeeded {
                self.change(&resize.instance_id, |instance| {
                    instance.instance_type = resize.target_instance_type.clone();
                });
            }
            resize.phase = phase.into();
            resize.running_instance_type = self.instance_type(&resize.instance_id);
            resize.finished_at = Some(to_proto(SystemClock.now()));
        });
    }

    /// A resize as if some scheduler had started it.
    pub fn begin(&self, request: &StartResizeRequest) -> Resize {
        let mut resizes = self.resizes.lock().unwrap();
        let sender = resizes.entry(request.resize_id.clone()).or_insert_with(|| {
            watch::Sender::new(Resize {
                resize_id: request.resize_id.clone(),
                instance_id: request.instance_id.clone(),
                from_instance_type: request.expected_instance_type.clone(),
                target_instance_type: request.target_instance_type.clone(),
                phase: ResizePhase::Stopping.into(),
                dry_run: request.dry_run || *self.dry_run.lock().unwrap(),
                ..Default::default()
            })
        });
        if sender.borrow().dry_run {
            self.end(sender, ResizePhase::DryRun);
        } else if *self.instant.lock().unwrap() {
            self.end(sender, ResizePhase::Succeeded);
        }
        sender.borrow().clone()
    }
}

pub struct Served(Arc<FakeActuator>);

pub fn server(fake: &Arc<FakeActuator>) -> ActuatorServiceServer<Served> {
    ActuatorServiceServer::new(Served(Arc::clone(fake)))
}

#[tonic::async_trait]
impl ActuatorService for Served {
    async fn describe_instance(
        &self,
        request: Request<DescribeInstanceRequest>,
    ) -> Result<Response<DescribeInstanceResponse>, Status> {
        assert!(
            deadline(&request).is_some(),
            "every call carries a deadline"
        );
        let instances = self.0.instances.lock().unwrap();
        let instance = instances
            .get(&request.get_ref().instance_id)
            .ok_or_else(|| Status::not_found("no such instance"))?;
        Ok(Response::new(DescribeInstanceResponse {
            instance: Some(instance.clone()),
            dry_run: *self.0.dry_run.lock().unwrap(),
        }))
    }

    async fn describe_instances(
        &self,
        request: Request<DescribeInstancesRequest>,
    ) -> Result<Response<DescribeInstancesResponse>, Status> {
        assert!(
            deadline(&request).is_some(),
            "every call carries a deadline"
        );
        let ids = request.into_inner().instance_ids;
        assert!((1..=200).contains(&ids.len()), "{} ids", ids.len());
        *self.0.looks.lock().unwrap() += 1;
        if let Some(status) = self.0.blind.lock().unwrap().clone() {
            return Err(status);
        }
        let instances = self.0.instances.lock().unwrap();
        Ok(Response::new(DescribeInstancesResponse {
            instances: ids
                .iter()
                .filter_map(|id| instances.get(id).cloned())
                .collect(),
            dry_run: *self.0.dry_run.lock().unwrap(),
        }))
    }

    async fn list_instance_types(
        &self,
        request: Request<ListInstanceTypesRequest>,
    ) -> Result<Response<ListInstanceTypesResponse>, Status> {
        let known = [
            ("t2.small", 1, 2_048),
            ("t2.medium", 2, 4_096),
            ("t2.large", 2, 8_192),
        ];
        let names = request.into_inner().instance_types;
        let instance_types = known
            .into_iter()
            .filter(|(name, _, _)| names.iter().any(|wanted| wanted == name))
            .map(|(name, vcpus, memory_mib)| InstanceType {
                instance_type: name.to_owned(),
                vcpus,
                memory_mib,
                ..Default::default()
            })
            .collect();
        Ok(Response::new(ListInstanceTypesResponse { instance_types }))
    }

    async fn start_resize(
        &self,
        request: Request<StartResizeRequest>,
    ) -> Result<Response<StartResizeResponse>, Status> {
        let request = request.into_inner();
        self.0.starts.lock().unwrap().push(request.clone());
        if let Some(status) = self.0.refuse.lock().unwrap().clone() {
            return Err(status);
        }
        {
            let mut highest = self.0.highest_epoch.lock().unwrap();
            if request.lease_epoch < *highest {
                return Err(common::status::failed_precondition(
                    "LEASE_EPOCH",
                    &highest.to_string(),
                    "stale lease epoch",
                ));
            }
            *highest = request.lease_epoch;
        }
        let reply = *self.0.reply.lock().unwrap();
        let resize = (reply != Reply::LostBefore).then(|| self.0.begin(&request));
        if reply != Reply::Given {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        Ok(Response::new(StartResizeResponse { resize }))
    }

    async fn get_resize(
        &self,
        request: Request<GetResizeRequest>,
    ) -> Result<Response<GetResizeResponse>, Status> {
        let resizes = self.0.resizes.lock().unwrap();
        let resize = resizes
            .get(&request.get_ref().resize_id)
            .ok_or_else(|| Status::not_found("no such resize"))?;
        let resize = Some(resize.borrow().clone());
        Ok(Response::new(GetResizeResponse { resize }))
    }

    type WatchResizeStream =
        Pin<Box<dyn Stream<Item = Result<WatchResizeResponse, Status>> + Send>>;

    async fn watch_resize(
        &self,
        request: Request<WatchResizeRequest>,
    ) -> Result<Response<Self::WatchResizeStream>, Status> {
        let updates = {
            let resizes = self.0.resizes.lock().unwrap();
            let resize = resizes
                .get(&request.get_ref().resize_id)
                .ok_or_else(|| Status::not_found("no such resize"))?;
            WatchStream::new(resize.subscribe())
        };
        let steps = updates.map(|resize| {
            Ok(WatchResizeResponse {
                resize: Some(resize),
            })
        });
        let mut breaks = self.0.break_streams.lock().unwrap();
        if *breaks > 0 {
            *breaks -= 1;
            let broken = futures::stream::iter([Err(Status::unavailable("connection reset"))]);
            return Ok(Response::new(Box::pin(steps.take(1).chain(broken))));
        }
        Ok(Response::new(Box::pin(steps)))
    }

    async fn read_metrics(
        &self,
        request: Request<ReadMetricsRequest>,
    ) -> Result<Response<ReadMetricsResponse>, Status> {
        let request = request.into_inner();
        self.0.reads.lock().unwrap().push(request.clone());
        if let Some(status) = self.0.unreadable.lock().unwrap().clone() {
            return Err(status);
        }
        let mut series = self.0.measured.lock().unwrap().clone();
        series.retain(|series| {
            request.instance_ids.contains(&series.instance_id)
                && request.metrics.contains(&series.metric)
        });
        Ok(Response::new(ReadMetricsResponse {
            charged: (request.instance_ids.len() * request.metrics.len()) as u32,
            series,
            gaps: Vec::new(),
        }))
    }

    async fn preflight(
        &self,
        _: Request<PreflightRequest>,
    ) -> Result<Response<PreflightResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_resizes(
        &self,
        _: Request<ListResizesRequest>,
    ) -> Result<Response<ListResizesResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn configure_monitoring(
        &self,
        _: Request<ConfigureMonitoringRequest>,
    ) -> Result<Response<ConfigureMonitoringResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn recover(
        &self,
        _: Request<RecoverRequest>,
    ) -> Result<Response<RecoverResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn get_limits(
        &self,
        _: Request<GetLimitsRequest>,
    ) -> Result<Response<GetLimitsResponse>, Status> {
        let mut limits = self.0.limits.lock().unwrap().clone();
        limits.fence_epoch = *self.0.highest_epoch.lock().unwrap();
        Ok(Response::new(limits))
    }

    async fn set_kill_switch(
        &self,
        _: Request<SetKillSwitchRequest>,
    ) -> Result<Response<SetKillSwitchResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_refusals(
        &self,
        _: Request<ListRefusalsRequest>,
    ) -> Result<Response<ListRefusalsResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn forget_refusals(
        &self,
        _: Request<ForgetRefusalsRequest>,
    ) -> Result<Response<ForgetRefusalsResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn close_breaker(
        &self,
        _: Request<CloseBreakerRequest>,
    ) -> Result<Response<CloseBreakerResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}
