//! Floods of connections and calls, over real sockets.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use jiff::Timestamp;
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};

use crate::{
    calls::{Calls, Kind, Patience},
    clock::{Clock as _, ManualClock, SharedClock, SystemClock, machine},
    grpc,
    health::{self, Health},
    listen::Protocol,
    metadata, serving,
};

const SOON: Duration = Duration::from_secs(10);
/// HTTP/2's, and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// More than socket buffers hold.
const LARGE: usize = 64 * 1024 * 1024;

/// A gRPC server with nothing but health, and an HTTP server that answers, with room for eight connections each.
struct Servers {
    grpc: SocketAddr,
    http: SocketAddr,
    shutdown: CancellationToken,
}

impl Servers {
    async fn start(connections: usize) -> Self {
        Self::start_with(connections, Patience::default(), Arc::new(SystemClock)).await
    }

    async fn start_with(connections: usize, patience: Patience, clock: SharedClock) -> Self {
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter
            .set_service_status("", tonic_health::ServingStatus::Serving)
            .await;
        let app = tonic::service::Routes::new(health).into_axum_router();
        let shutdown = CancellationToken::new();
        let serve = async |protocol, app| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let shutdown = shutdown.clone();
            let calls = Calls::new(connections, patience, Arc::clone(&clock));
            tokio::spawn(serving::serve_within(
                calls, protocol, listener, app, shutdown,
            ));
            address
        };
        let slow = async || {
            std::future::pending::<()>().await;
            "late"
        };
        let pages = Router::new()
            .route("/", get(async || "here"))
            .route("/health", get(async || "well"))
            .route("/large", get(async || vec![b'x'; LARGE]))
            .route("/slow", get(slow));
        Self {
            grpc: serve(Protocol::Grpc, app).await,
            http: serve(Protocol::Http, pages).await,
            shutdown,
        }
    }

    fn channel(&self) -> Channel {
        grpc::channel(&grpc::local_url(self.grpc)).unwrap()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn watch(channel: &Channel) -> Result<Streaming<HealthCheckResponse>, Status> {
    let mut client = HealthClient::new(channel.clone());
    let request = HealthCheckRequest::default();
    Ok(client.watch(request).await?.into_inner())
}

async fn flood(address: SocketAddr, connections: usize) -> Vec<TcpStream> {
    let mut flood = Vec::new();
    for _ in 0..connections {
        flood.push(TcpStream::connect(address).await.unwrap());
    }
    flood
}

/// How many of them the server still holds. To be asked once somebody who came later was answered: the last of them was
/// accepted then, and others closed for it.
async fn held(flood: &mut [TcpStream]) -> usize {
    let mut held = 0;
    for stream in flood {
        let mut bytes = [0; 1_024];
        loop {
            match machine()
                .timeout(Duration::from_millis(1), stream.read(&mut bytes))
                .await
            {
                // HTTP/2 greets.
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => break,
                Err(_) => {
                    held += 1;
                    break;
                }
            }
        }
    }
    held
}

/// What `look` sees once there is something, soon.
async fn eventually<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let seen = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
        }
    };
    machine().timeout(SOON, seen).await.unwrap()
}

async fn get_page(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    machine()
        .timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

#[tokio::test]
async fn idle_connections_make_room_and_watches_stay() {
    let servers = Servers::start(8).await;
    let watching = servers.channel();
    let mut watch = watch(&watching).await.unwrap();
    watch.message().await.unwrap().unwrap();
    let ours = servers.channel();
    assert_eq!(health::check(ours.clone(), SOON).await, Health::Serving);

    let mut floods = flood(servers.grpc, 100).await;
    // The connection that has been used before, a new one, and the watch.
    assert_eq!(health::check(ours, SOON).await, Health::Serving);
    assert_eq!(
        health::check(servers.channel(), SOON).await,
        Health::Serving
    );
    let held_of_flood = held(&mut floods).await;
    assert!((1..=7).contains(&held_of_flood), "{held_of_flood}");
    let silent = machine()
        .timeout(Duration::from_millis(100), watch.message())
        .await;
    assert!(silent.is_err(), "the watch was ended: {silent:?}");

    let mut floods = flood(servers.http, 100).await;
    assert!(get_page(servers.http, "/").await.contains("here"));
    assert!((1..=8).contains(&held(&mut floods).await));
}

#[tokio::test]
async fn watches_and_running_calls_leave_room_for_others_and_for_health() {
    let servers = Servers::start(8).await;
    let channels: Vec<Channel> = (0..8).map(|_| servers.channel()).collect();
    let mut watches = Vec::new();
    let mut refused = 0;
    for channel in &channels {
        match watch(channel).await {
            Ok(stream) => watches.push(stream),
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                assert!(status.message().contains("who keeps"), "{status:?}");
                refused += 1;
            }
        }
    }
    assert_eq!((watches.len(), refused), (4, 4));
    assert_eq!(
        health::check(servers.channel(), SOON).await,
        Health::Serving
    );

    // Seven calls run, on as many connections.
    let mut slow = flood(servers.http, 7).await;
    for stream in &mut slow {
        let request = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
    }
    // All of them are under way.
    let refused = async || {
        let page = get_page(servers.http, "/").await;
        page.starts_with("HTTP/1.1 503 ").then_some(page)
    };
    let refused = eventually(refused).await;
    assert_eq!(held(&mut slow).await, 7);
    assert!(refused.contains("as many calls as it can"), "{refused}");
    assert!(get_page(servers.http, "/health").await.contains("well"));
    drop(slow.pop());
    let here = async || {
        let page = get_page(servers.http, "/").await;
        page.contains("here").then_some(page)
    };
    eventually(here).await;
}

#[tokio::test]
async fn calls_are_bounded_over_all_connections_together() {
    let servers = Servers::start(64).await;
    let channels: Vec<Channel> = (0..10).map(|_| servers.channel()).collect();
    let mut watches = Vec::new();
    for number in 0..700 {
        if let Ok(stream) = watch(&channels[number % 10]).await {
            watches.push(stream);
        }
    }
    assert_eq!(watches.len(), 512);
    let status = watch(&channels[0]).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    // What has ended makes room.
    watches.truncate(500);
    watches.push(eventually(async || watch(&channels[0]).await.ok()).await);
}

#[tokio::test]
async fn a_connection_without_a_call_is_ended_and_one_with_a_call_is_not() {
    let patience = Patience {
        first_call: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        read: Duration::from_secs(60),
        look: Duration::from_millis(50),
    };
    let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
    let servers = Servers::start_with(8, patience, Arc::new(clock.clone())).await;
    let watching = servers.channel();
    let mut watch = watch(&watching).await.unwrap();
    watch.message().await.unwrap().unwrap();
    // Nothing, half of HTTP/2's preface, all of it, half of a header.
    for (address, opening) in [
        (servers.grpc, &b""[..]),
        (servers.grpc, b"PRI * HTTP/2.0\r\n"),
        (servers.grpc, PREFACE),
        (servers.http, b""),
        (servers.http, b"GET / HTTP/1.1\r\nHo"),
    ] {
        let began = clock.monotonic();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(opening).await.unwrap();
        let mut rest = Vec::new();
        let mut end = pin!(stream.read_to_end(&mut rest));
        loop {
            tokio::select! {
                biased;
                // In any form.
                _ = &mut end => break,
                // Its connection is looked after, and that of the watch.
                () = clock.until_asleep(2) => clock.advance(patience.look),
                () = machine().sleep(SOON) => panic!("{opening:?} is still there"),
            }
        }
        let lasted = clock.monotonic() - began;
        assert!(lasted >= patience.first_call, "{opening:?} too soon");
    }

    // Callers of one that was used connect again without noticing.
    let ours = servers.channel();
    for _ in 0..3 {
        assert_eq!(health::check(ours.clone(), SOON).await, Health::Serving);
        clock.advance(patience.idle * 2);
        clock.until_asleep(1).await;
    }
    let silent = machine()
        .timeout(Duration::from_millis(10), watch.message())
        .await;
    assert!(silent.is_err(), "the watch was ended: {silent:?}");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends_with_its_connection() {
    let patience = Patience {
        idle: Duration::from_millis(300),
        read: Duration::from_millis(300),
        look: Duration::from_millis(300),
        ..Patience::default()
    };
    let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
    let servers = Servers::start_with(8, patience, Arc::new(clock.clone())).await;
    let mut greedy = TcpStream::connect(servers.http).await.unwrap();
    let request = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
    greedy.write_all(request).await.unwrap();
    let mut bytes = vec![0; LARGE];
    let mut read = greedy.read(&mut bytes[..1]).await.unwrap();
    clock.until_asleep(1).await;
    clock.advance(patience.read);
    // All that is left is the time to say farewell in.
    clock.until_asleep(1).await;
    clock.advance(Duration::from_secs(2));
    clock.until_asleep(0).await;
    // What the kernel took of it, and no more.
    while let Ok(Ok(more @ 1..)) = machine().timeout(SOON / 10, greedy.read(&mut bytes)).await {
        read += more;
    }
    assert!(read < LARGE / 2, "{read}");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_resource_exhausted() {
    let servers = Servers::start(8).await;
    for megabytes in [5, 100] {
        let request = HealthCheckRequest {
            service: "x".repeat(megabytes * 1_000_000),
        };
        let mut client = HealthClient::new(servers.channel());
        let status = client.check(request).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        assert!(status.message().contains("too large"), "{status:?}");
    }
}

#[tokio::test]
async fn a_deadline_that_passes_ends_the_call() {
    async fn never(_: axum::extract::Request) -> &'static str {
        std::future::pending().await
    }
    let request = http::Request::builder()
        .header("grpc-timeout", "20m")
        .body(axum::body::Body::empty())
        .unwrap();
    let response = machine()
        .timeout(
            SOON,
            metadata::within_deadline(request, |request| async {
                never(request).await;
                unreachable!()
            }),
        )
        .await
        .unwrap();
    assert_eq!(response.headers()["grpc-status"], "1");
}

#[test]
fn streams_are_known_by_their_names() {
    let contract = prost_types::FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
    let mut streams = 0;
    for file in &contract.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let streaming = method.client_streaming() || method.server_streaming();
                let kind = Kind::of(Protocol::Grpc, &path);
                assert_eq!(kind == Kind::Watch, streaming, "{path}");
                streams += u32::from(streaming);
            }
        }
    }
    assert!(streams >= 3, "{streams}");
}
