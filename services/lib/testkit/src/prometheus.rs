//! A Prometheus that answers as it is told: good series, or any of the faults of a metrics source.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use axum::{
    Form, Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

/// A range query.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Query {
    pub query: String,
    pub start: i64,
    pub end: i64,
    pub step: i64,
    /// The header of that name.
    #[serde(skip)]
    pub authorization: Option<String>,
    /// All headers.
    #[serde(skip)]
    pub headers: HeaderMap,
    /// How it was asked.
    #[serde(skip)]
    pub method: Method,
}

impl Query {
    /// Whether it is the scheduler's own expression for CPU.
    pub fn is_for_cpu(&self) -> bool {
        let other = ["MemAvailable", "MemTotal", "node_disk", STEAL];
        let query = &self.query;
        !query.starts_with("count") && !other.iter().any(|name| query.contains(name))
    }

    /// The instances that it is narrowed to; `None` when it asks for all.
    pub fn narrowed_to(&self) -> Option<HashSet<String>> {
        let (_, rest) = self.query.split_once("instance=~\"")?;
        let alternatives = rest.split('"').next().unwrap_or_default();
        let names = alternatives.split('|');
        Some(names.map(|name| name.replace(r"\\", "")).collect())
    }

    /// Whether its matchers let the series of this instance through.
    pub fn asks_for(&self, label: &str) -> bool {
        self.narrowed_to().is_none_or(|names| names.contains(label))
    }
}

/// What only the expression for steal contains.
const STEAL: &str = r#"mode="steal""#;

type Answer = Arc<dyn Fn(&Query) -> Response + Send + Sync>;

#[derive(Clone)]
struct Shared {
    answer: Arc<Mutex<Answer>>,
    queries: Arc<Mutex<Vec<Query>>>,
}

/// A running server; it ends with the test's runtime.
pub struct Prometheus {
    pub url: String,
    shared: Shared,
}

impl Prometheus {
    /// One that answers so.
    pub async fn start(answer: impl Fn(&Query) -> Response + Send + Sync + 'static) -> Self {
        Self::start_below("", answer).await
    }

    /// One whose API is below a path, such as `/sub`.
    pub async fn start_below(
        path: &str,
        answer: impl Fn(&Query) -> Response + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            answer: Arc::new(Mutex::new(Arc::new(answer))),
            queries: Arc::default(),
        };
        let app = Router::new()
            .route(
                &format!("{path}/api/v1/query_range"),
                get(query_range).post(query_range),
            )
            .with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{path}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared }
    }

    /// From now on it answers so.
    pub fn answer(&self, answer: impl Fn(&Query) -> Response + Send + Sync + 'static) {
        *self.shared.answer.lock().unwrap() = Arc::new(answer);
    }

    /// From now on its machines are at these percentages.
    pub fn cpu(&self, percent: &'static [f64]) {
        self.answer(move |query| fleet(query, percent));
    }

    /// Queries since the last call.
    pub fn queries(&self) -> Vec<Query> {
        std::mem::take(&mut self.shared.queries.lock().unwrap())
    }
}

async fn query_range(
    State(shared): State<Shared>,
    method: Method,
    headers: HeaderMap,
    Form(mut query): Form<Query>,
) -> Response {
    let authorization = headers.get(header::AUTHORIZATION);
    query.authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
    query.method = method;
    query.headers = headers;
    shared.queries.lock().unwrap().push(query.clone());
    let answer = Arc::clone(&shared.answer.lock().unwrap());
    // Some answers sleep.
    tokio::task::spawn_blocking(move || answer(&query))
        .await
        .unwrap()
}

/// The value of one of the scheduler's own expressions on a machine with `cpu` percent, one vCPU and 2 GiB.
pub fn value(query: &Query, cpu: f64) -> f64 {
    match query.query.as_str() {
        query if query.starts_with("count") => 1.0,
        query if query.contains("MemAvailable") => 40.0,
        query if query.contains("MemTotal") => 2_147_483_648.0,
        query if query.contains("node_disk") => 1_000.0,
        query if query.contains(STEAL) => 0.0,
        _ => cpu,
    }
}

/// `10.0.0.1:9100` and so on at these percentages.
pub fn fleet(query: &Query, percent: &[f64]) -> Response {
    let series = percent.iter().enumerate().map(|(number, cpu)| {
        let labels = json!({"instance": format!("10.0.0.{}:9100", number + 1)});
        series(query, labels, |_| Some(value(query, *cpu).to_string()))
    });
    matrix(series.collect())
}

/// One series; `text` gives the value at a time.
pub fn series(query: &Query, labels: Value, text: impl Fn(i64) -> Option<String>) -> Value {
    let values: Vec<Value> = (query.start..=query.end)
        .step_by(query.step as usize)
        .filter_map(|at| Some(json!([at, text(at)?])))
        .collect();
    json!({"metric": labels, "values": values})
}

/// A good answer.
pub fn matrix(series: Vec<Value>) -> Response {
    let body = json!({"status": "success", "data": {"resultType": "matrix", "result": series}});
    json_body(&body)
}

/// Status 200 with this as JSON.
pub fn json_body(body: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

/// A status, and text.
pub fn status(code: u16, body: &'static str) -> Response {
    (StatusCode::from_u16(code).unwrap(), body).into_response()
}

/// Status 200 with a page to log in.
pub fn login_page() -> Response {
    Html("<html><body>Please log in</body></html>").into_response()
}

/// Labels of a series by name.
pub fn labels(pairs: &[(&str, &str)]) -> Value {
    json!(pairs.iter().copied().collect::<HashMap<_, _>>())
}
