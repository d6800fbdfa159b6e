//! What runs on the connections of one listener, and what may begin.
//!
//! Invariant: some connections are always without a call, so that room can be made for whoever comes: only
//! [`Limits::busy`] of them may have calls at a time, and fewer of them watches, which last. Calls are bounded over all
//! connections together, for each costs memory, on whatever connection it lies. A health check is never refused, and
//! keeps no connection.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Moment, SharedClock},
    listen::Protocol,
};

/// A request must be there within this time of its headers; a stream of requests may take its own.
const RECEIVE: Duration = Duration::from_secs(60);
/// How long somebody who comes waits for room. It is there at once, unless every connection has a call.
const ROOM: Duration = Duration::from_secs(5);
/// Calls at a time, over all connections of a listener.
const MOST_CALLS: usize = 1_024;
/// Of these, the ones that last.
const MOST_WATCHES: usize = 512;

/// How long a connection may do nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// One whose first call does not come is ended, handshake or not.
    pub first_call: Duration,
    /// One that had calls and has none any more is ended after this; callers connect again.
    pub idle: Duration,
    /// An answer must be read within this time; a watch may take its own.
    pub read: Duration,
    /// How often a connection is looked at.
    pub look: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_call: Duration::from_secs(20),
            idle: Duration::from_secs(120),
            read: Duration::from_secs(60),
            look: Duration::from_secs(5),
        }
    }
}

/// What a call is to the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A health check or a scrape: always answered.
    Health,
    /// One request, one answer.
    Single,
    /// A stream in either direction, which may last.
    Watch,
}

impl Kind {
    pub(crate) fn of(protocol: Protocol, path: &str) -> Self {
        match protocol {
            Protocol::Http if matches!(path, "/health" | "/metrics") => Self::Health,
            Protocol::Http => Self::Single,
            Protocol::Grpc if path == "/grpc.health.v1.Health/Check" => Self::Health,
            Protocol::Grpc => {
                // By name, as the contract has them; a test compares it with the descriptors.
                let method = path.rsplit('/').next().unwrap_or_default();
                let streams = method.starts_with("Watch")
                    || method.ends_with("Stream")
                    || method == "ServerReflectionInfo";
                if streams { Self::Watch } else { Self::Single }
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    connections: usize,
    /// Connections that may have a call.
    busy: usize,
    /// Connections that may have a watch.
    watching: usize,
}

/// The connections of one listener and their calls.
#[derive(Debug)]
pub(crate) struct Calls {
    limits: Limits,
    patience: Patience,
    clock: SharedClock,
    table: Mutex<Table>,
    /// When a connection has ended, or has no call any more.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    connections: HashMap<u64, Entry>,
    calls: usize,
    watches: usize,
}

#[derive(Debug)]
struct Entry {
    calls: usize,
    watches: usize,
    /// It has had a call, so it is somebody's who asks.
    served: bool,
    /// Since when it is without a call.
    idle_since: Moment,
    /// Answers that are not read yet, and since when none was read to its end.
    unread: usize,
    unread_since: Moment,
    evicted: CancellationToken,
}

impl Calls {
    pub(crate) fn new(connections: usize, patience: Patience, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            patience,
            clock,
            limits: Limits {
                connections,
                busy: (connections * 7 / 8).max(1),
                watching: (connections / 2).max(1),
            },
            table: Mutex::default(),
            changed: Notify::new(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection that was accepted; when there is none, the connection that is longest without a call is
    /// ended for it. `None` when all have calls and keep them.
    pub(crate) async fn admit(self: &Arc<Self>) -> Option<Connection> {
        let room = async {
            loop {
                let changed = self.changed.notified();
                if let Some(connection) = self.place_or_evict() {
                    return connection;
                }
                changed.await;
            }
        };
        self.clock.timeout(ROOM, room).await.ok()
    }

    pub(crate) fn most_connections(&self) -> usize {
        self.limits.connections
    }

    /// The machine's, but in tests.
    pub(crate) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// True when the next one needs somebody's place.
    pub(crate) fn is_full(&self) -> bool {
        self.table().connections.len() >= self.limits.connections
    }

    fn place_or_evict(self: &Arc<Self>) -> Option<Connection> {
        let mut table = self.table();
        let now = self.clock.monotonic();
        if table.connections.len() < self.limits.connections {
            let id = table.next;
            table.next += 1;
            let evicted = CancellationToken::new();
            let entry = Entry {
                calls: 0,
                watches: 0,
                served: false,
                idle_since: now,
                unread: 0,
                unread_since: now,
                evicted: evicted.clone(),
            };
            table.connections.insert(id, entry);
            return Some(Connection {
                calls: Arc::clone(self),
                id,
                evicted,
            });
        }
        // One at a time. Those that never asked anything go first.
        let leaving = table
            .connections
            .values()
            .any(|entry| entry.evicted.is_cancelled());
        if !leaving {
            let victim = table
                .connections
                .values()
                .filter(|entry| entry.calls == 0)
                .min_by_key(|entry| (entry.served, entry.idle_since));
            if let Some(victim) = victim {
                victim.evicted.cancel();
            }
        }
        None
    }

    fn begin(self: &Arc<Self>, id: u64, kind: Kind) -> Result<Call, Refusal> {
        let mut table = self.table();
        let now = self.clock.monotonic();
        let (calls, watches) = (table.calls, table.watches);
        let busy = |table: &Table| {
            table
                .connections
                .values()
                .filter(|entry| entry.calls > 0)
                .count()
        };
        let watching = |table: &Table| {
            table
                .connections
                .values()
                .filter(|entry| entry.watches > 0)
                .count()
        };
        let entry = table.connections.get(&id).ok_or(Refusal::Closed)?;
        let (first, first_watch) = (entry.calls == 0, entry.watches == 0);
        match kind {
            Kind::Health => {}
            Kind::Watch
                if watches >= MOST_WATCHES
                    || (first_watch && watching(&table) >= self.limits.watching) =>
            {
                return Err(Refusal::Watches(watches));
            }
            Kind::Single | Kind::Watch
                if calls >= MOST_CALLS || (first && busy(&table) >= self.limits.busy) =>
            {
                return Err(Refusal::Calls(calls));
            }
            Kind::Single | Kind::Watch => {}
        }
        let counts = usize::from(kind != Kind::Health);
        let watch = usize::from(kind == Kind::Watch);
        table.calls += counts;
        table.watches += watch;
        if let Some(entry) = table.connections.get_mut(&id) {
            entry.calls += counts;
            entry.watches += watch;
            entry.served = true;
            entry.idle_since = now;
        }
        Ok(Call {
            calls: Arc::clone(self),
            id,
            kind,
            unread: false,
        })
    }
}

/// The place of one connection. Dropped, it is free.
#[derive(Debug)]
pub(crate) struct Connection {
    calls: Arc<Calls>,
    id: u64,
    evicted: CancellationToken,
}

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its place is needed.
    Evicted,
    /// Nothing was asked for too long.
    Idle,
    /// Answers are not read.
    Unread,
}

impl Connection {
    /// Where its calls begin.
    pub(crate) fn door(&self) -> Door {
        Door {
            calls: Arc::clone(&self.calls),
            id: self.id,
        }
    }

    /// Returns when the connection has to end.
    pub(crate) async fn end(&self) -> End {
        loop {
            let look = match self.look() {
                Ok(wait) => wait,
                Err(end) => return end,
            };
            tokio::select! {
                () = self.evicted.cancelled() => return End::Evicted,
                () = self.calls.clock.sleep(look) => {}
            }
        }
    }

    /// When to look again, or the end.
    fn look(&self) -> Result<Duration, End> {
        let patience = self.calls.patience;
        let table = self.calls.table();
        let now = self.calls.clock.monotonic();
        let Some(entry) = table.connections.get(&self.id) else {
            return Err(End::Evicted);
        };
        if entry.unread > 0 && now - entry.unread_since >= patience.read {
            return Err(End::Unread);
        }
        if entry.calls > 0 || entry.unread > 0 {
            return Ok(patience.look);
        }
        let allowed = if entry.served {
            patience.idle
        } else {
            patience.first_call
        };
        match allowed.checked_sub(now - entry.idle_since) {
            // Calls come meanwhile, and nobody wakes who waits here.
            Some(left) if !left.is_zero() => Ok(left.min(patience.look)),
            _ => Err(End::Idle),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut table = self.calls.table();
        if let Some(entry) = table.connections.remove(&self.id) {
            // Calls that outlive their connection by a moment find nothing of it.
            table.calls -= entry.calls;
            table.watches -= entry.watches;
        }
        drop(table);
        self.calls.changed.notify_waiters();
    }
}

/// What a connection's requests pass.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    calls: Arc<Calls>,
    id: u64,
}

impl Door {
    /// A call that may run, or why not.
    pub(crate) fn begin(&self, kind: Kind) -> Result<Call, Refusal> {
        self.calls.begin(self.id, kind)
    }
}

/// A call that runs. Dropped, it has ended.
#[derive(Debug)]
pub(crate) struct Call {
    calls: Arc<Calls>,
    id: u64,
    kind: Kind,
    unread: bool,
}

impl Call {
    /// The request's body, which must come in time.
    pub(crate) fn receive(&self, body: Incoming) -> Body {
        match self.kind {
            Kind::Watch => Body::new(body),
            Kind::Health | Kind::Single => Body::new(Timely {
                body,
                late: Box::pin({
                    let clock = Arc::clone(&self.calls.clock);
                    async move { clock.sleep(RECEIVE).await }
                }),
            }),
        }
    }

    /// The call goes on until the body of its answer is read.
    pub(crate) fn answer(mut self, response: Response) -> Response {
        if self.kind != Kind::Watch {
            let mut table = self.calls.table();
            if let Some(entry) = table.connections.get_mut(&self.id) {
                if entry.unread == 0 {
                    entry.unread_since = self.calls.clock.monotonic();
                }
                entry.unread += 1;
                drop(table);
                self.unread = true;
            }
        }
        let (mut parts, body) = response.into_parts();
        say_exhausted(&mut parts.headers);
        Response::from_parts(parts, Body::new(Answer { body, _call: self }))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let now = self.calls.clock.monotonic();
        let counts = usize::from(self.kind != Kind::Health);
        let watch = usize::from(self.kind == Kind::Watch);
        let mut table = self.calls.table();
        let Some(entry) = table.connections.get_mut(&self.id) else {
            return;
        };
        entry.calls -= counts;
        entry.watches -= watch;
        entry.idle_since = now;
        if self.unread {
            entry.unread -= 1;
            entry.unread_since = now;
        }
        let idle = entry.calls == 0;
        table.calls -= counts;
        table.watches -= watch;
        drop(table);
        if idle {
            self.calls.changed.notify_waiters();
        }
    }
}

/// Why a call may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the connection is being closed; connect again")]
    Closed,
    #[error(
        "this server runs as many calls as it can at a time ({0}); try again, or find out who keeps so many open"
    )]
    Calls(usize),
    #[error(
        "this server has as many watches and streams as it can at a time ({0}); try again, or find out who keeps so many open"
    )]
    Watches(usize),
}

impl Refusal {
    pub(crate) fn into_response(self, protocol: Protocol) -> Response {
        match protocol {
            Protocol::Grpc => {
                tonic::Status::resource_exhausted(self.to_string()).into_http::<Body>()
            }
            Protocol::Http => {
                let body = serde_json::json!({ "detail": self.to_string() }).to_string();
                let headers = [(header::CONTENT_TYPE, "application/json")];
                (StatusCode::SERVICE_UNAVAILABLE, headers, body).into_response()
            }
        }
    }
}

/// A message that is too large is RESOURCE_EXHAUSTED in every other implementation of gRPC; tonic says OUT_OF_RANGE.
fn say_exhausted(headers: &mut HeaderMap) {
    const OUT_OF_RANGE: &str = "11";
    const RESOURCE_EXHAUSTED: HeaderValue = HeaderValue::from_static("8");
    let too_large = headers
        .get("grpc-message")
        .and_then(|message| message.to_str().ok())
        .is_some_and(|message| {
            message
                .replace("%20", " ")
                .contains("message length too large")
        });
    if too_large
        && headers
            .get("grpc-status")
            .is_some_and(|status| status == OUT_OF_RANGE)
    {
        headers.insert("grpc-status", RESOURCE_EXHAUSTED);
    }
}

/// The body of an answer, which ends its call.
struct Answer {
    body: Body,
    _call: Call,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        frame.map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                say_exhausted(trailers);
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a request, which has to arrive.
struct Timely {
    body: Incoming,
    late: Pin<Box<dyn Future<Output = ()> + Send>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the request did not arrive within {RECEIVE:?}")]
struct Late;

impl HttpBody for Timely {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => match self.late.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Some(Err(Late.into()))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
