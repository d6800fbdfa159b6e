//! A Prometheus of ours that answers whatever a test wants: constant series, or something that is no answer at all.

use std::sync::{Arc, Mutex};

use axum::{
    Form, Router,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::post,
};

/// What it does from now on.
#[derive(Clone, Debug)]
pub enum Answer {
    /// CPU at this percentage, memory at 40, for these `instance` labels.
    Cpu(f64, Vec<String>),
    /// A login page with status 200.
    Html,
    /// Status 503.
    Unavailable,
}

/// The server; its answer may be changed at any time.
pub struct Prometheus {
    pub url: String,
    answer: Arc<Mutex<Answer>>,
}

#[derive(serde::Deserialize)]
struct Range {
    query: String,
    start: f64,
    end: f64,
    step: String,
}

impl Prometheus {
    /// Starts it on a free port, for as long as the test's runtime lives.
    pub async fn start(answer: Answer) -> Self {
        let answer = Arc::new(Mutex::new(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/api/v1/query_range", post(query_range))
            .with_state(Arc::clone(&answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, answer }
    }

    /// Changes the answer.
    pub fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }
}

async fn query_range(
    State(answer): State<Arc<Mutex<Answer>>>,
    Form(range): Form<Range>,
) -> Response {
    let answer = answer.lock().unwrap().clone();
    let (cpu, labels) = match answer {
        Answer::Html => return Html("<html><body>Please log in</body></html>").into_response(),
        Answer::Unavailable => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Answer::Cpu(cpu, labels) => (cpu, labels),
    };
    let value = match range.query.as_str() {
        query if query.contains("count") => 1.0,
        query if query.contains("idle") => cpu,
        query if query.contains("MemAvailable") => 40.0,
        query if query.contains("MemTotal") => 2_147_483_648.0,
        _ => 1_000_000.0,
    };
    let step: f64 = range.step.trim_end_matches('s').parse().unwrap();
    let points = ((range.end - range.start) / step) as u32 + 1;
    // Text, not values: a fleet's answer has a hundred thousand points, and its making must not be what is measured.
    let values: Vec<String> = (0..points)
        .map(|point| {
            let at = range.start + step * f64::from(point);
            // A real series is never quite constant.
            format!(
                "[{at},\"{}\"]",
                value * (1.0 - 0.001 * f64::from(point % 3))
            )
        })
        .collect();
    let values = values.join(",");
    let result: Vec<String> = labels
        .iter()
        .map(|label| format!("{{\"metric\":{{\"instance\":\"{label}\"}},\"values\":[{values}]}}"))
        .collect();
    let body = format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{}]}}}}",
        result.join(",")
    );
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
