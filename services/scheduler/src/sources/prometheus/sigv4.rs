//! Signatures of AWS (version 4), for Amazon Managed Service for Prometheus. The one place beside the actuator that knows
//! AWS: it reads metrics with credentials of its own, and can do nothing else.

use std::{
    sync::{Mutex as StdMutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials as _, SharedCredentialsProvider},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use common::{clock::machine, text::chain};
use jiff::{SignedDuration, Timestamp};
use prometheus_api::{Signer, Unsigned};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::sync::Mutex;

use super::settings::SigV4Config;

/// The service's name in signatures.
const SERVICE: &str = "aps";
/// What the chain of credentials gave is asked for again after this time, or so long before it ends.
const ASKED_AGAIN: SignedDuration = SignedDuration::from_mins(15);
const BEFORE_THE_END: SignedDuration = SignedDuration::from_mins(5);

/// A signer with the credentials that environment, profile, or role give.
#[derive(Debug)]
pub struct SigV4 {
    config: SigV4Config,
    kept: Mutex<Kept>,
    /// The token of the session, which goes out with each request.
    token: StdMutex<Option<String>>,
}

/// The credentials' source, made at the first request, and what it gave last.
#[derive(Debug, Default)]
struct Kept {
    provider: Option<SharedCredentialsProvider>,
    credentials: Option<(Credentials, Timestamp)>,
}

impl SigV4 {
    /// Asks for credentials at the first request.
    pub fn new(config: SigV4Config) -> Self {
        Self {
            config,
            kept: Mutex::default(),
            token: StdMutex::default(),
        }
    }

    async fn credentials(&self, now: Timestamp) -> Result<Credentials, Unsigned> {
        let mut kept = self.kept.lock().await;
        if let Some((credentials, until)) = &kept.credentials
            && now < *until
        {
            return Ok(credentials.clone());
        }
        if kept.provider.is_none() {
            kept.provider = self.provider().await;
        }
        let none = || Unsigned("there are no credentials of AWS for it".to_owned());
        let provider = kept.provider.as_ref().ok_or_else(none)?;
        let given = provider.provide_credentials().await;
        let credentials = given.map_err(|error| {
            Unsigned(format!(
                "credentials of AWS can't be had: {}",
                chain(&error)
            ))
        })?;
        let asked_again = now.saturating_add(ASKED_AGAIN).unwrap_or(now);
        let end = credentials
            .expiry()
            .and_then(|end| end.duration_since(UNIX_EPOCH).ok())
            .and_then(|end| Timestamp::from_second(end.as_secs().try_into().ok()?).ok())
            .and_then(|end| end.saturating_sub(BEFORE_THE_END).ok());
        let until = end.map_or(asked_again, |end| end.min(asked_again));
        kept.credentials = Some((credentials.clone(), until));
        Ok(credentials)
    }

    async fn provider(&self) -> Option<SharedCredentialsProvider> {
        let region = Region::new(self.config.region.clone());
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region);
        if let Some(profile) = &self.config.profile {
            loader = loader.profile_name(profile);
        }
        loader.load().await.credentials_provider()
    }
}

#[async_trait]
impl Signer for SigV4 {
    async fn sign(&self, request: &mut reqwest::Request) -> Result<(), Unsigned> {
        let now = machine().now();
        let credentials = self.credentials(now).await?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) =
            credentials.session_token().map(str::to_owned);
        add(request, credentials, &self.config.region, SERVICE, now)
    }

    fn secrets(&self) -> Vec<String> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.iter().cloned().collect()
    }
}

/// In whole seconds, as signatures have it; nothing is signed before 1970.
fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(at.as_second().try_into().unwrap_or(0))
}

/// Signs host, type and body.
fn add(
    request: &mut reqwest::Request,
    credentials: Credentials,
    region: &str,
    service: &str,
    now: Timestamp,
) -> Result<(), Unsigned> {
    let cannot = |error: &dyn std::error::Error| {
        Unsigned(format!("the query can't be signed: {}", chain(error)))
    };
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(system_time(now))
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| cannot(&error))?
        .into();
    let kind = request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    let headers = kind.map(|kind| (CONTENT_TYPE.as_str(), kind));
    let body = request.body().and_then(reqwest::Body::as_bytes);
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.url().as_str(),
        headers.into_iter(),
        SignableBody::Bytes(body.unwrap_or_default()),
    )
    .map_err(|error| cannot(&error))?;
    let signed = sign(signable, &params).map_err(|error| cannot(&error))?;
    let (instructions, _) = signed.into_parts();
    for (name, value) in instructions.headers() {
        let name = HeaderName::try_from(name).map_err(|error| cannot(&error))?;
        let mut value = HeaderValue::try_from(value).map_err(|error| cannot(&error))?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
