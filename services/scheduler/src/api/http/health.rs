//! `GET /health`: this service and those behind it.

use axum::{Json, extract::State, http::StatusCode};
use common::health::Health;
use serde::Serialize;
use utoipa::ToSchema;

use super::{app::App, standing::StandingBody};

/// State of the scheduler and of the services behind it.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthBody {
    /// "ok" when all services serve, else "degraded".
    status: &'static str,
    /// Version of the scheduler.
    version: &'static str,
    /// The three services behind it.
    services: Vec<ServiceBody>,
    /// End of the last tick; null before the first.
    last_tick_at: Option<String>,
    /// What holds resizes back now. It makes no service unwell: the status doesn't depend on it.
    standing: StandingBody,
}

/// State of one service.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceBody {
    /// "predictor", "decision" or "actuator".
    service: &'static str,
    /// "serving", "not_serving" or "unreachable".
    state: String,
    /// Where it is.
    url: String,
    /// Why it does not serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// How the scheduler and the services behind it are
#[utoipa::path(
    get,
    path = "/health",
    responses(
        (status = 200, description = "All services serve", body = HealthBody),
        (status = 503, description = "At least one doesn't", body = HealthBody),
    )
)]
pub async fn health(State(app): State<App>) -> (StatusCode, Json<HealthBody>) {
    let (services, standing) = futures::join!(app.context.peers.health(), app.standing.ask());
    let all_serve = services
        .iter()
        .all(|service| service.health == Health::Serving);
    let (code, status) = match all_serve {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "degraded"),
    };
    let last_tick = app.context.state.summary().last_tick;
    let body = HealthBody {
        status,
        version: env!("CARGO_PKG_VERSION"),
        services: services
            .into_iter()
            .map(|service| ServiceBody {
                service: service.service,
                state: service.health.to_string(),
                url: service.url,
                detail: service.health.why_not("it"),
            })
            .collect(),
        standing: standing.into(),
        last_tick_at: last_tick.map(|tick| tick.finished_at.to_string()),
    };
    (code, Json(body))
}
