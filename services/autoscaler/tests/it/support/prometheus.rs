//! What a Prometheus answers for machines that are busy.

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use testkit::prometheus::{Query, value};

/// CPU at this percentage for these `instance` labels.
pub fn cpu(percent: f64, labels: Vec<String>) -> impl Fn(&Query) -> Response {
    move |query| {
        let value = value(query, percent);
        // Text, not values: a fleet's answer has a hundred thousand points, and its making must not be what is measured.
        let points = (query.start..=query.end).step_by(query.step as usize);
        let values: Vec<String> = points
            .enumerate()
            .map(|(point, at)| {
                // A real series is never quite constant.
                let value = value * (1.0 - 0.001 * (point % 3) as f64);
                format!("[{at},\"{value}\"]")
            })
            .collect();
        let values = values.join(",");
        let names = query.narrowed_to();
        let is_asked = |label: &&String| names.as_ref().is_none_or(|names| names.contains(*label));
        let asked = labels.iter().filter(is_asked);
        let series = asked.map(|label| {
            format!("{{\"metric\":{{\"instance\":\"{label}\"}},\"values\":[{values}]}}")
        });
        let series = series.collect::<Vec<_>>().join(",");
        let body = format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{series}]}}}}"
        );
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}
