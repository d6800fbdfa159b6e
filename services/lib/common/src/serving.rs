//! One way to accept connections, for gRPC, the HTTP API and the expositions: as many as there is room for, and none for
//! ever.
//!
//! Callers that only connect must not use up the descriptors that bring a machine up. Each listener holds a bounded number
//! of connections. When all are taken, the one that has been without a call for longest is closed for the new one, so that
//! whoever comes to ask something gets in, from whatever address. Connections on which something runs are spared, and
//! `calls.rs` sees to it that some are always without.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo, response::Response};
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tracing::Instrument as _;

use crate::{
    calls::{Calls, Connection, Door, End, Kind, Patience},
    clock::{Moment, SharedClock, SystemClock},
    descriptors,
    listen::Protocol,
    metadata,
};

/// HTTP/1 headers must be complete within this time.
const HEADERS: Duration = Duration::from_secs(10);
/// What a connection that was told to end has to do so.
const FAREWELL: Duration = Duration::from_secs(2);
/// After an error of accept, such as a process or system out of descriptors.
const BACK_OFF: Duration = Duration::from_millis(100);
/// How often such an error, or a full listener, is worth a line.
const REMIND: Duration = Duration::from_secs(60);
/// Streams that one HTTP/2 connection may have at a time.
const STREAMS_PER_CONNECTION: u32 = 256;

/// Serves `app` until `shutdown`, then until the last connection has ended its calls; dropping the future ends them all.
/// Requests carry the peer's address as [`ConnectInfo`].
///
/// # Errors
/// None so far: what goes wrong with a connection, or with accepting one, ends nothing else.
pub async fn serve(
    protocol: Protocol,
    listener: TcpListener,
    app: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_within(
        Calls::new(
            descriptors::connections_per_listener(),
            Patience::default(),
            Arc::new(SystemClock),
        ),
        protocol,
        listener,
        app,
        shutdown,
    )
    .await
}

pub(crate) async fn serve_within(
    calls: Arc<Calls>,
    protocol: Protocol,
    listener: TcpListener,
    app: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let clock = calls.clock();
    let mut running = JoinSet::new();
    let accepting = async {
        let (mut full, mut broken) = (Reminder::default(), Reminder::default());
        loop {
            while running.try_join_next().is_some() {}
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                // The caller's, not ours.
                Err(error) if is_the_peers(&error) => continue,
                Err(error) => {
                    if broken.is_due(clock) {
                        tracing::error!(%error, %address, "can't accept connections; trying on");
                    }
                    clock.sleep(BACK_OFF).await;
                    continue;
                }
            };
            if calls.is_full() && full.is_due(clock) {
                tracing::warn!(
                    %address,
                    connections = calls.most_connections(),
                    "as many connections as this listener may hold; the longest without a call makes room for the next"
                );
            }
            let Some(place) = calls.admit().await else {
                continue;
            };
            let app = app.clone();
            running.spawn(connection(
                protocol,
                stream,
                peer,
                app,
                place,
                Arc::clone(clock),
                shutdown.clone(),
            ));
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = accepting => {}
    }
    drop(listener);
    while running.join_next().await.is_some() {}
    Ok(())
}

fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Says that something is worth a line, but not every time.
#[derive(Default)]
struct Reminder(Option<Moment>);

impl Reminder {
    fn is_due(&mut self, clock: &SharedClock) -> bool {
        let now = clock.monotonic();
        let due = self.0.is_none_or(|last| now - last >= REMIND);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

async fn connection(
    protocol: Protocol,
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    place: Connection,
    clock: SharedClock,
    shutdown: CancellationToken,
) {
    // Only delays answers when it can't be set.
    let _ = stream.set_nodelay(true);
    let door = place.door();
    let service = service_fn(move |request: Request<Incoming>| {
        let (app, door) = (app.clone(), door.clone());
        async move { Ok::<_, Infallible>(answer(protocol, request, peer, app, door).await) }
    });
    let builder = builder(protocol);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let (mut draining, mut until) = (false, None);
    loop {
        tokio::select! {
            // What it returns is an end in any case, and the peer's affair.
            _ = serving.as_mut() => return,
            end = place.end(), if until.is_none() => match end {
                End::Evicted => {
                    // At once, for somebody waits. One poll sends the farewell of HTTP/2.
                    serving.as_mut().graceful_shutdown();
                    let _ = clock.timeout(Duration::ZERO, serving.as_mut()).await;
                    return;
                }
                End::Unread => return,
                End::Idle => {
                    serving.as_mut().graceful_shutdown();
                    until = Some(clock.monotonic() + FAREWELL);
                }
            },
            () = shutdown.cancelled(), if !draining => {
                // The drain time of the whole server bounds what still runs.
                serving.as_mut().graceful_shutdown();
                draining = true;
            }
            () = at(until, &clock) => return,
        }
    }
}

async fn at(end: Option<Moment>, clock: &SharedClock) {
    match end {
        Some(end) => clock.sleep_until(end).await,
        None => std::future::pending().await,
    }
}

fn builder(protocol: Protocol) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    match protocol {
        Protocol::Grpc => {
            builder = builder.http2_only();
            builder
                .http2()
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS_PER_CONNECTION)
                .keep_alive_interval(Duration::from_secs(30))
                .keep_alive_timeout(Duration::from_secs(10));
        }
        Protocol::Http => {
            builder = builder.http1_only();
            builder
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS);
        }
    }
    builder
}

async fn answer(
    protocol: Protocol,
    request: Request<Incoming>,
    peer: SocketAddr,
    mut app: Router,
    door: Door,
) -> Response {
    let kind = Kind::of(protocol, request.uri().path());
    let call = match door.begin(kind) {
        Ok(call) => call,
        Err(refusal) => return refusal.into_response(protocol),
    };
    let mut request = request.map(|body| call.receive(body));
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = match protocol {
        Protocol::Grpc => {
            let span = metadata::incoming_span(&request);
            metadata::within_deadline(request, |request| app.call(request))
                .instrument(span)
                .await
        }
        Protocol::Http => app
            .call(request)
            .await
            .unwrap_or_else(|never| match never {}),
    };
    call.answer(response)
}
