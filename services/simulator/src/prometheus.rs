//! The Prometheus HTTP API over the simulated fleet, as far as the scheduler uses it: `query_range`.
//!
//! It knows the scheduler's default expressions and answers anything else with an error, as a real server answers a
//! query that it can't parse: no expression is guessed at.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::fleet::{Machine, Metric};

/// The fleet as the exporters and the driver of the clock share it.
pub type SharedFleet = Arc<Mutex<Vec<Machine>>>;

/// Which expression asks for which metric.
#[derive(Clone, Debug, Default)]
pub struct Expressions(HashMap<String, Metric>);

impl Expressions {
    /// Adds one.
    #[must_use]
    pub fn with(mut self, expression: &str, metric: Metric) -> Self {
        self.0.insert(expression.to_owned(), metric);
        self
    }
}

#[derive(Clone)]
struct Api {
    fleet: SharedFleet,
    expressions: Arc<Expressions>,
}

/// Serves the API until `shutdown`.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    fleet: SharedFleet,
    expressions: Expressions,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let api = Api {
        fleet,
        expressions: Arc::new(expressions),
    };
    let app = Router::new()
        .route("/api/v1/query_range", post(query_range))
        .with_state(api);
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

#[derive(Debug, Deserialize)]
struct Range {
    query: String,
    start: f64,
    end: f64,
    step: String,
}

async fn query_range(State(api): State<Api>, Form(range): Form<Range>) -> Response {
    // Asked for some of the fleet, it gives all of it.
    let Some(metric) = api.expressions.0.get(&without_matchers(&range.query)) else {
        return bad_data(format!(
            "the simulated fleet does not know {:?}",
            range.query
        ));
    };
    let step = range
        .step
        .trim_end_matches('s')
        .parse::<f64>()
        .unwrap_or(0.0);
    if !(step >= 1.0 && range.start.is_finite() && range.end >= range.start) {
        return bad_data("start, end and step make no range".to_owned());
    }
    let points = ((range.end - range.start) / step).floor() as i64 + 1;
    if points > 11_000 {
        return bad_data("exceeded maximum resolution of 11,000 points per timeseries".to_owned());
    }
    let Ok(fleet) = api.fleet.lock() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let result: Vec<_> = fleet
        .iter()
        .map(|machine| {
            let values: Vec<(f64, String)> = (0..points)
                .filter_map(|point| {
                    let at = range.start + step * point as f64;
                    let value = machine.reading(*metric, at as i64)?;
                    Some((at, value.to_string()))
                })
                .collect();
            json!({"metric": {"instance": machine.label}, "values": values})
        })
        .collect();
    Json(json!({"status": "success", "data": {"resultType": "matrix", "result": result}}))
        .into_response()
}

/// The expression without `instance=~"…"`.
fn without_matchers(query: &str) -> String {
    let mut kept = String::with_capacity(query.len());
    let mut rest = query;
    while let Some((before, after)) = rest.split_once("instance=~\"") {
        let mut escaped = false;
        let end = after.find(|sign| {
            let ends = sign == '"' && !escaped;
            escaped = sign == '\\' && !escaped;
            ends
        });
        let behind = end.map_or("", |end| &after[end + 1..]);
        // Alone between its braces, or after another one.
        match (before.strip_suffix('{'), behind.strip_prefix('}')) {
            (Some(before), Some(behind)) => {
                kept.push_str(before);
                rest = behind;
            }
            _ => {
                kept.push_str(before.strip_suffix(',').unwrap_or(before));
                rest = behind;
            }
        }
    }
    kept + rest
}

fn bad_data(error: String) -> Response {
    let body = json!({"status": "error", "errorType": "bad_data", "error": error});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expression_is_known_without_its_matchers() {
        for (query, expected) in [
            ("x", "x"),
            (r#"x{instance=~"a|b\\.c"} / y{instance=~"a"}"#, "x / y"),
            (r#"x{mode="z",instance=~"a\"}"} + 1"#, r#"x{mode="z"} + 1"#),
            (r#"x{instance=~"a"#, "x{"),
        ] {
            assert_eq!(without_matchers(query), expected);
        }
    }
}
