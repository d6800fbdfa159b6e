//! The HTTP API on :8000: the seed's endpoints with the seed's fields, and ours.

pub mod app;
pub mod autoscale;
pub mod guard;
pub mod health;
mod problem;
pub mod standing;

use std::time::Duration;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    middleware,
    response::IntoResponse,
};
use common::{clock::machine, exposition, listen::Protocol, serving};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use app::App;
use problem::Problem;

/// Requests that still run this long after shutdown began are dropped.
const DRAIN: Duration = Duration::from_secs(10);

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
        machine().sleep(DRAIN).await;
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
