//! The HTTP API on :8000: the seed's endpoints with the seed's fields, and ours.

pub mod autoscale;
pub mod guard;
pub mod health;
pub mod standing;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
};
use common::{
    exposition,
    serving::{self, Protocol},
};
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    context::Context,
    tick::{standing::StandingProbe, ticker::Ticker},
};
use guard::AllowedHosts;

/// Requests that still run this long after shutdown began are dropped.
const DRAIN: Duration = Duration::from_secs(10);

/// What the handlers work with.
#[derive(Clone)]
pub struct App {
    /// The surroundings of ticks.
    pub context: Context,
    /// Runs them.
    pub ticker: Arc<Ticker>,
    /// Who knows what holds resizes back.
    pub standing: StandingProbe,
    /// All metrics of this process.
    pub registry: Arc<Registry>,
    /// Names with dots under which the API may be called.
    pub hosts: AllowedHosts,
    /// A GET runs a tick for scripts on other machines, too.
    pub allow_get: bool,
}

/// An error of the API, as the seed wrote them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    #[serde(skip)]
    status: StatusCode,
    /// What is wrong, one line.
    detail: String,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }

    fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Cloud Autoscaler",
    description = "Forecasts CPU and resizes EC2 instances. Calls from other sites' pages are refused with 403, and a GET \
                   never acts for a browser."
))]
struct Document;

/// All routes.
pub fn router(app: App) -> Router {
    let hosts = app.hosts.clone();
    let guarded = OpenApiRouter::new()
        .routes(routes!(autoscale::autoscale_by_get, autoscale::autoscale))
        .routes(routes!(autoscale::autoscale_status))
        .route_layer(middleware::from_fn_with_state(
            hosts.clone(),
            guard::refuse_strangers,
        ));
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(guarded)
        .routes(routes!(health::health))
        .routes(routes!(metrics))
        .split_for_parts();
    router
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
        .fallback(async || {
            Problem::new(
                StatusCode::NOT_FOUND,
                "not found; /docs lists what there is",
            )
        })
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method not allowed; see /docs",
            )
        })
        .layer(middleware::from_fn_with_state(
            hosts,
            guard::refuse_rebinding,
        ))
        .layer(middleware::from_fn(guard::harden))
        .with_state(app)
}

/// Serves until `shutdown`, then drains within a bound.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    app: App,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let server = serving::serve(Protocol::Http, listener, router(app), shutdown.clone());
    within_drain(server, shutdown).await
}

/// Runs `server` until it ends, or until the drain time after `shutdown` is over.
pub async fn within_drain<E>(
    server: impl Future<Output = Result<(), E>>,
    shutdown: CancellationToken,
) -> Result<(), E> {
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = server => result,
        () = drained => Ok(()),
    }
}

/// Metrics of this scheduler in the Prometheus exposition format
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "text/plain")))]
async fn metrics(State(app): State<App>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, exposition::CONTENT_TYPE)],
        exposition::render(&app.registry),
    )
}
