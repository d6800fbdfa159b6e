//! The way to one service: calls with a deadline, repeated while it is unavailable, and probes that are not.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use common::{
    clock::machine,
    grpc::{Wire, channel},
    health::{self, Health},
    metadata::outgoing,
    retry,
};
use tonic::{Request, Response, Status};

use super::failure::{self, BadAnswer, CallError, Failure};

/// The time that a health probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// A call by its method: `call!(link, DecisionServiceClient::decide(request))`.
macro_rules! call {
    ($link:expr, $client:ident::$method:ident($request:expr)) => {
        $link
            .call($request, async |way, request| {
                $client::new(way).$method(request).await
            })
            .await
    };
}

/// A probe by its method.
macro_rules! probe {
    ($link:expr, $client:ident::$method:ident($request:expr)) => {
        $link
            .probe($request, async |way, request| {
                $client::new(way).$method(request).await
            })
            .await
    };
}
pub(super) use {call, probe};

/// The way to one service.
#[derive(Clone, Debug)]
pub struct Link {
    service: &'static str,
    /// Configuration key of the URL, for the remedy.
    pub key: &'static str,
    url: String,
    way: Wire,
    timeout: Duration,
}

/// The health of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceState {
    /// "predictor", "decision" or "actuator".
    pub service: &'static str,
    /// Its state.
    pub health: Health,
    /// Its address.
    pub url: String,
}

impl Link {
    /// Connects at the first call, which may take `timeout`.
    ///
    /// # Errors
    /// A URL that tonic can't use.
    pub fn new(
        service: &'static str,
        key: &'static str,
        url: &str,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            service,
            key,
            url: url.to_owned(),
            way: Wire::new(channel(url).with_context(|| format!("configuration key `{key}`"))?),
            timeout,
        })
    }

    /// Into this process.
    pub fn within(service: &'static str, key: &'static str, way: Wire, timeout: Duration) -> Self {
        Self {
            service,
            key,
            url: "this process".to_owned(),
            way,
            timeout,
        }
    }

    /// The health of the service; asked for once.
    pub async fn health(&self) -> ServiceState {
        ServiceState {
            service: self.service,
            health: health::check(self.way.clone(), PROBE_TIMEOUT).await,
            url: self.url.clone(),
        }
    }

    /// A call that is repeated while the service is unavailable.
    ///
    /// # Errors
    /// What the last attempt said, or that there was no time for one.
    pub async fn call<M, T, F, Fut>(&self, message: M, send: F) -> Result<T, CallError>
    where
        M: Clone,
        F: Fn(Wire, Request<M>) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let begin = machine().monotonic();
        let last = Mutex::new(None);
        let attempts = retry::on_unavailable(self.timeout, || {
            let left = self.timeout.saturating_sub(machine().since(begin));
            let attempt = send(self.way.clone(), outgoing(message.clone(), left));
            let last = &last;
            async move {
                let answer = attempt.await;
                if let Err(status) = &answer {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(status.clone());
                }
                answer
            }
        });
        // The header binds the server; this binds a connection that never answers.
        let status = match machine().timeout(self.timeout, attempts).await {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) => Some(status),
            // Time ran out between attempts: what the last one said is the cause.
            Err(_) => last.into_inner().unwrap_or_else(PoisonError::into_inner),
        };
        Err(match status {
            Some(status) => self.failed(&status),
            None => self.unsure(
                false,
                format!(
                    "no answer within {} s; see scheduler.call_timeout_seconds",
                    self.timeout.as_secs()
                ),
            ),
        })
    }

    /// One attempt within the time of a health probe: whoever asks how things stand must not wait for them to get better.
    ///
    /// # Errors
    /// What it said, or that there was no answer.
    pub async fn probe<M, T, Fut>(
        &self,
        message: M,
        send: impl FnOnce(Wire, Request<M>) -> Fut,
    ) -> Result<T, CallError>
    where
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let call = send(self.way.clone(), outgoing(message, PROBE_TIMEOUT));
        match machine().timeout(PROBE_TIMEOUT, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.failed(&status)),
            Err(_) => Err(self.unsure(
                false,
                format!("no answer within {} s", PROBE_TIMEOUT.as_secs()),
            )),
        }
    }

    /// The answer, if it could be understood.
    ///
    /// # Errors
    /// Why not: whether anything happened is not known.
    pub fn understood<T>(&self, answer: Result<T, BadAnswer>) -> Result<T, CallError> {
        answer.map_err(|bad| self.unsure(true, bad.to_string()))
    }

    /// A failed call by its status.
    pub fn failed(&self, status: &Status) -> CallError {
        let (message, was_answered) = failure::describe(status, self.key);
        CallError {
            service: self.service,
            url: self.url.clone(),
            message,
            was_answered,
            failure: Failure::of(status),
        }
    }

    /// A call of which nobody knows what came.
    pub fn unsure(&self, was_answered: bool, message: String) -> CallError {
        CallError {
            service: self.service,
            url: self.url.clone(),
            message,
            was_answered,
            failure: Failure::Unsure,
        }
    }
}
