//! The fake over HTTP, in EC2's and SSM's own protocols, so that the real SDK client meets it and its faults.
//!
//! EC2 and Auto Scaling: a form comes in, XML goes out. SSM and Service Quotas: JSON both ways. CloudWatch: CBOR both ways. All on one port, as
//! `AWS_ENDPOINT_URL` has it. A lost answer is a connection that is closed without one.

mod cbor;
mod ec2;
mod errors;
mod json;
mod reply;
mod xml;

use std::io;

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use self::reply::Form;
use crate::cloud::FakeCloud;

/// Answers on `listener` until the future is dropped, or the listener breaks.
///
/// # Errors
/// When connections can't be accepted any more.
pub async fn serve(listener: TcpListener, fake: FakeCloud) -> io::Result<()> {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let fake = fake.clone();
        connections.spawn(async move {
            let answer = service_fn(|request| answer(&fake, request));
            // An error is a caller that hung up, or a fault that was asked for.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// A call whose answer is lost; hyper closes the connection on it.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

async fn answer(
    fake: &FakeCloud,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Lost> {
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let operation = cbor::operation(request.uri().path()).map(str::to_owned);
    let body = request
        .into_body()
        .collect()
        .await
        .map_err(|_| Lost)?
        .to_bytes();
    let reply = match (operation, target) {
        (Some(operation), _) => cbor::answer(fake, &operation, &body).await,
        (None, Some(target)) => json::answer(fake, &target, &body).await,
        (None, None) => {
            let form: Form = url::form_urlencoded::parse(&body).into_owned().collect();
            ec2::answer(fake, &form).await
        }
    }
    .ok_or(Lost)?;
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or_default();
    let content_type = hyper::header::HeaderValue::from_static(reply.content_type);
    if reply.content_type == cbor::CONTENT_TYPE {
        let protocol = hyper::header::HeaderValue::from_static("rpc-v2-cbor");
        response.headers_mut().insert("smithy-protocol", protocol);
    }
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}
