//! The HTTP API: the seed's endpoints and fields, errors, documentation, exposition, and fault 63.

use proto::actuator::v1::ResizePhase;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use testkit::{prometheus::status, wait::until};

use crate::support::{Scheduler, World};

async fn get(scheduler: &Scheduler, path: &str) -> (StatusCode, Value) {
    let response = Client::new()
        .get(format!("{}{path}", scheduler.url))
        .send()
        .await
        .unwrap();
    let status = response.status();
    (status, response.json().await.unwrap())
}

#[tokio::test]
async fn autoscale_runs_a_tick_and_answers_as_the_seed_did() {
    let world = World::start().await;
    world.prometheus.cpu(&[80.0, 50.0, 20.0]);
    let scheduler = world.scheduler("").await;

    let (status, before) = get(&scheduler, "/autoscale_status").await;
    assert_eq!(status, StatusCode::OK);
    for field in [
        "timestamp",
        "predicted_cpu",
        "confidence",
        "decision",
        "reason",
        "current_instance_type",
        "action_taken",
        "dry_run",
    ] {
        assert!(
            before.as_object().unwrap().contains_key(field),
            "{before:#}"
        );
        assert_eq!(before[field], Value::Null, "{field}");
    }

    let (status, body) = get(&scheduler, "/autoscale").await;
    assert_eq!(status, StatusCode::OK, "{body:#}");
    assert_eq!(body["decision"], "scale_up");
    assert_eq!(body["predicted_cpu"], 80.0);
    assert_eq!(body["confidence"], 0.9);
    assert_eq!(body["current_instance_type"], "t2.small");
    assert_eq!(body["action_taken"], "started");
    assert_eq!(body["dry_run"], false);
    assert_eq!(body["aws_result"]["to_instance_type"], "t2.medium");
    assert_eq!(body["results"].as_array().unwrap().len(), 3);
    assert_eq!(body["results"][1]["decision"], "noop");
    assert!(body["results"][1].get("aws_result").is_none());
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));

    world.actuator.finish(ResizePhase::Succeeded);
    until("the end", async || world.decision.pending() == 0).await;
    let response = Client::new()
        .post(format!("{}/autoscale?target=api", scheduler.url))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        (&body["target"], body["results"].as_array().unwrap().len()),
        (&"api".into(), 1)
    );

    let (_, after) = get(&scheduler, "/autoscale_status").await;
    assert_eq!(after["action_taken"], "succeeded");
    assert_eq!(after["current_instance_type"], "t2.medium");
}

#[tokio::test]
async fn errors_have_a_status_and_a_detail() {
    let world = World::start().await;
    let scheduler = world.scheduler("").await;
    for (path, expected, words) in [
        (
            "/autoscale?target=wbe",
            StatusCode::NOT_FOUND,
            "no target \"wbe\"",
        ),
        (
            "/autoscale_status?target=",
            StatusCode::NOT_FOUND,
            "no target",
        ),
        ("/autoscale?tragte=web", StatusCode::BAD_REQUEST, "tragte"),
        ("/nothing", StatusCode::NOT_FOUND, "/docs"),
    ] {
        let (status, body) = get(&scheduler, path).await;
        assert_eq!(status, expected, "{path}: {body}");
        assert!(
            body["detail"].as_str().unwrap().contains(words),
            "{path}: {body}"
        );
    }
    let delete = Client::new().delete(format!("{}/autoscale", scheduler.url));
    assert_eq!(
        delete.send().await.unwrap().status(),
        StatusCode::METHOD_NOT_ALLOWED
    );

    for target in ["web", "api", "job"] {
        let status = tonic::Status::internal("disk full");
        world
            .decision
            .refuse
            .lock()
            .unwrap()
            .insert(target.into(), status);
    }
    let (status, body) = get(&scheduler, "/autoscale").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        body["detail"].as_str().unwrap().contains("disk full"),
        "{body}"
    );

    let empty = world.scheduler("targets: []").await;
    let (status, body) = get(&empty, "/autoscale").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .contains("scheduler.targets"),
        "{body}"
    );
}

#[tokio::test]
async fn health_shows_the_services_behind_it() {
    let world = World::start().await;
    let scheduler = world.scheduler("").await;
    let (status, body) = get(&scheduler, "/health").await;
    assert_eq!(status, StatusCode::OK, "{body:#}");
    assert_eq!(body["status"], "ok");
    let scheduler = world.scheduler("actuator_url: 'http://127.0.0.1:9'").await;
    let (status, body) = get(&scheduler, "/health").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body:#}");
    assert_eq!(body["status"], "degraded");
    let states: Vec<(&str, &str)> = body["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| {
            (
                service["service"].as_str().unwrap(),
                service["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("predictor", "serving"),
            ("decision", "serving"),
            ("actuator", "unreachable")
        ]
    );
}

#[tokio::test]
async fn the_documentation_works_offline() {
    let world = World::start().await;
    let scheduler = world.scheduler("").await;
    let (status, document) = get(&scheduler, "/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    for (path, method) in [
        ("/autoscale", "get"),
        ("/autoscale", "post"),
        ("/autoscale_status", "get"),
        ("/health", "get"),
        ("/metrics", "get"),
    ] {
        assert!(
            document["paths"][path][method].is_object(),
            "{method} {path}"
        );
    }
    let page = Client::new()
        .get(format!("{}/docs", scheduler.url))
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let html = page.text().await.unwrap();
    assert!(html.contains("swagger-ui"), "{html}");
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "{html}"
    );
    let script = format!("{}/docs/swagger-ui-bundle.js", scheduler.url);
    assert_eq!(
        Client::new().get(script).send().await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_exposition_counts() {
    let world = World::start().await;
    let scheduler = world.scheduler("").await;
    scheduler.tick().await;
    world.prometheus.answer(|_| status(500, ""));
    scheduler.tick().await;
    let metrics = Client::new()
        .get(format!("{}/metrics", scheduler.url))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        "autoscaler_scheduler_ticks_total{result=\"complete\"} 2",
        "autoscaler_scheduler_targets{action=\"hold\"} 3",
        "autoscaler_scheduler_errors_total{kind=\"metrics\"} 3",
        "autoscaler_scheduler_decisions_total{action=\"hold\",reason_code=\"metrics_unknown\"} 3",
        "autoscaler_scheduler_tick_seconds_count 2",
        "autoscaler_scheduler_lease_held 1",
        "autoscaler_scheduler_grpc_calls_total{method=\"RunTick\",code=\"OK\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

/// Sends what a browser would send for a stranger's page.
async fn refused(name: &str, value: &str) {
    let world = World::start().await;
    let scheduler = world.scheduler("").await;
    for (method, path) in [
        (Method::GET, "/autoscale"),
        (Method::POST, "/autoscale"),
        (Method::GET, "/autoscale_status"),
    ] {
        let response = Client::new()
            .request(method.clone(), format!("{}{path}", scheduler.url))
            .header(name, value)
            .send()
            .await
            .unwrap();
        assert_eq!(
            response.status(),
            StatusCode::FORBIDDEN,
            "{method} {path} with {name}: {value}"
        );
        let body: Value = response.json().await.unwrap();
        assert!(body["detail"].is_string());
    }
    assert!(
        world.decision.requests.lock().unwrap().is_empty(),
        "no tick ran"
    );
}

#[tokio::test]
async fn fault_63_a_cross_site_request_is_refused() {
    refused("sec-fetch-site", "cross-site").await;
}

#[tokio::test]
async fn fault_63_a_foreign_origin_is_refused() {
    refused("origin", "https://evil.example").await;
}

#[tokio::test]
async fn fault_63_a_foreign_host_is_refused() {
    refused("host", "evil.example").await;
}

#[tokio::test]
async fn fault_63_configured_names_and_the_own_page_come_in() {
    let world = World::start().await;
    let scheduler = world.scheduler("http_hosts: [scaler.example.com]").await;
    let response = Client::new()
        .post(format!("{}/autoscale", scheduler.url))
        .header("host", "scaler.example.com")
        .header("origin", "https://scaler.example.com")
        .header("sec-fetch-site", "same-origin")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

const MARKS: [(&str, &str); 3] = [
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0",
    ),
    ("accept-language", "en"),
    ("referer", "http://evil.example/"),
];

#[tokio::test]
async fn a_get_with_any_mark_of_a_browser_answers_the_last_results_and_runs_no_tick() {
    let world = World::start().await;
    let scheduler = world.scheduler("http_allow_get: true").await;
    for (name, value) in MARKS {
        let request = Client::new()
            .get(format!("{}/autoscale", scheduler.url))
            .header(name, value);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = response.json().await.unwrap();
        assert!(body["note"].as_str().unwrap().contains("POST"), "{body}");
        assert_eq!(body["decision"], Value::Null, "nothing was decided yet");
    }
    assert!(world.decision.requests.lock().unwrap().is_empty());

    // The seed's own way still acts, and then a browser sees the result.
    let (_, acted) = get(&scheduler, "/autoscale").await;
    assert_eq!(acted["decision"], "noop");
    assert!(acted.get("note").is_none(), "{acted}");
    let seen = Client::new()
        .get(format!("{}/autoscale?target=api", scheduler.url))
        .header(MARKS[0].0, MARKS[0].1);
    let seen: Value = seen.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&seen["target"], &seen["decision"]),
        (&"api".into(), &"noop".into())
    );
    assert_eq!(world.decision.requests.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_get_through_a_proxy_acts_only_where_configuration_allows_it() {
    let world = World::start().await;
    let strict = world.scheduler("").await;
    let open = world.scheduler("http_allow_get: true").await;
    for (scheduler, ticks) in [(&strict, 0), (&open, 1)] {
        let request = Client::new()
            .get(format!("{}/autoscale?target=web", scheduler.url))
            .header("x-forwarded-for", "10.1.2.3");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
        assert_eq!(world.decision.requests.lock().unwrap().len(), ticks);
    }
}

#[tokio::test]
async fn a_browsers_post_without_an_origin_is_refused() {
    for (name, value) in MARKS {
        let world = World::start().await;
        let scheduler = world.scheduler("").await;
        let request = Client::new()
            .post(format!("{}/autoscale", scheduler.url))
            .header(name, value);
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::FORBIDDEN
        );
        assert!(world.decision.requests.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn pages_that_only_show_refuse_a_browser_under_a_foreign_name_and_nobody_else() {
    let world = World::start().await;
    let scheduler = world.scheduler("http_hosts: [scaler.example.com]").await;
    for path in ["/health", "/metrics", "/docs/", "/openapi.json", "/nothing"] {
        let ask = async |headers: &[(&str, &str)]| {
            let request = Client::new().get(format!("{}{path}", scheduler.url));
            let request = headers.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            });
            request.send().await.unwrap()
        };
        let usual = match path {
            "/nothing" => StatusCode::NOT_FOUND,
            _ => StatusCode::OK,
        };
        let foreign = ("host", "evil.example:8000");
        assert_eq!(ask(&[foreign]).await.status(), usual, "{path}: a scrape");
        let refused = ask(&[foreign, MARKS[0]]).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path}");
        let ours = ask(&[("host", "scaler.example.com"), MARKS[0]]).await;
        assert_eq!(ours.status(), usual, "{path}");
        for answer in [&refused, &ours] {
            let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(header("x-frame-options"), "DENY");
            assert_eq!(header("cross-origin-resource-policy"), "same-origin");
            let policy = header("content-security-policy");
            assert!(policy.contains("default-src 'none'"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        }
    }
}
