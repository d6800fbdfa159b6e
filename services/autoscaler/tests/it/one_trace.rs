//! One tick is one trace across the four services, seen by a small OTLP receiver.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
};
use testkit::{moto::Moto, prometheus::Prometheus};

use crate::support::{autoscaler::Autoscaler, prometheus::cpu};

/// A span, as far as this test looks.
#[derive(Clone, Debug)]
struct Span {
    service: String,
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
}

#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let mut spans = self.0.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            let service = resource
                .resource
                .iter()
                .flat_map(|resource| &resource.attributes)
                .find(|attribute| attribute.key == "service.name")
                .and_then(|attribute| attribute.value.as_ref()?.value.clone());
            let Some(Value::StringValue(service)) = service else {
                panic!("a resource without service.name");
            };
            for span in resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans)
            {
                spans.push(Span {
                    service: service.clone(),
                    name: span.name,
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                });
            }
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tick_is_one_trace_across_the_four_services() {
    let receiver = Receiver::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server =
        tonic::transport::Server::builder().add_service(TraceServiceServer::new(receiver.clone()));
    tokio::spawn(
        server.serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
    );

    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(cpu(50.0, vec!["10.0.0.1:9100".into()])).await;
    let moto = Moto::start().await;
    let instance = moto.run_instance("t2.small").await;
    let scheduler = format!(
        "prometheus: {{url: '{}'}}\ntargets: [{{id: web, instance_id: {instance}, label: '10.0.0.1:9100'}}]",
        prometheus.url
    );
    let autoscaler = Autoscaler::configure(folder.path(), "trace", &[("scheduler", &scheduler)])
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .with("OTEL_BSP_SCHEDULE_DELAY", "100")
        .with_aws(&moto.url);
    let services = autoscaler.run_apart().await;
    let output = autoscaler.output(&["tick"]).await;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut logs = String::new();
    for mut service in services {
        logs += &service.log();
        // Ending flushes the last spans.
        assert_eq!(service.terminate().await, Some(0), "{logs}");
    }
    let spans = receiver.0.lock().unwrap().clone();
    let root = spans
        .iter()
        .find(|span| span.service == "scheduler" && span.name == "tick")
        .unwrap_or_else(|| panic!("no span `tick` in {spans:#?}\n{printed}\n{logs}"));
    let of_the_tick: Vec<&Span> = spans
        .iter()
        .filter(|span| span.trace == root.trace)
        .collect();
    let by_id: HashMap<&[u8], &Span> = of_the_tick
        .iter()
        .map(|span| (span.id.as_slice(), *span))
        .collect();
    for (service, call) in [
        ("predictor", "PredictorService/Forecast"),
        ("decision", "DecisionService/Decide"),
        ("actuator", "ActuatorService/DescribeInstances"),
    ] {
        let span = of_the_tick
            .iter()
            .find(|span| span.service == service && span.name.ends_with(call))
            .unwrap_or_else(|| panic!("no {call} of {service} in {of_the_tick:#?}\n{logs}"));
        let parent = by_id
            .get(span.parent.as_slice())
            .unwrap_or_else(|| panic!("the parent of {span:?} is not in {of_the_tick:#?}"));
        assert_eq!(parent.service, "scheduler", "{span:?}");
    }
}
