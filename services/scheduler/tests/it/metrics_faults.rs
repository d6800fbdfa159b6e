//! Faults 36 to 44 and 64: whatever is wrong with the metrics, the machine is held, the reason is said, and nothing
//! reaches the actuator. Every target would be scaled if its metrics were known.

use std::{io::Write as _, time::Duration};

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};
use flate2::{Compression, write::GzEncoder};
use proto::{decision::v1::ReasonCode, scheduler::v1::Tick};
use serde_json::json;
use testkit::prometheus::{Query, fleet, json_body, labels, matrix, series, status, value};

use crate::support::{WEB, World, result};

/// A world in which everything would be scaled.
pub async fn eager() -> World {
    let world = World::start().await;
    for target in ["web", "api", "job"] {
        world.predictor.make_busy(target);
    }
    world
}

/// Asserts that `target` was held for unknown metrics, and that the reason has these words.
pub fn assert_unknown(world: &World, tick: &Tick, target: &str, words: &[&str]) {
    let result = result(tick, target);
    assert_eq!(result.action, "hold", "{result:#?}");
    assert_eq!(result.reason_code, "metrics_unknown", "{result:#?}");
    assert_eq!(result.action_taken, "none");
    assert_eq!(result.cpu_percent, None, "unknown is no number");
    for word in words {
        assert!(
            result.error.contains(word),
            "{:?} lacks {word:?}",
            result.error
        );
        assert!(
            result.reason.contains(word),
            "{:?} lacks {word:?}",
            result.reason
        );
    }
    assert!(!result.error.contains('\n'));
    let request = world.decision.last_request(target);
    assert_eq!(request.unknown_reason_code(), ReasonCode::MetricsUnknown);
    assert!(request.observation.is_none() && request.forecast.is_none());
}

/// One tick in which Prometheus answers so, and all targets must be held for these words.
pub async fn all_unknown(
    answer: impl Fn(&Query) -> Response + Send + Sync + 'static,
    words: &[&str],
) {
    let world = eager().await;
    world.prometheus.answer(answer);
    let scheduler = world.scheduler("").await;
    let tick = scheduler.tick().await;
    for target in ["web", "api", "job"] {
        assert_unknown(&world, &tick, target, words);
    }
    assert_eq!(world.actuator.starts(), 0);
    // The same world with a good answer scales: so it was the fault that held it.
    world.prometheus.cpu(&[50.0, 50.0, 50.0]);
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").action, "scale_up");
}

#[tokio::test]
async fn fault_36_prometheus_down() {
    let world = eager().await;
    let scheduler = world
        .scheduler("prometheus: {url: 'http://127.0.0.1:9', timeout_seconds: 1}")
        .await;
    let tick = scheduler.tick().await;
    assert_unknown(
        &world,
        &tick,
        "web",
        &["http://127.0.0.1:9", "can't be reached"],
    );
    assert_eq!(world.actuator.starts(), 0);
}

#[tokio::test]
async fn fault_36_prometheus_answers_5xx() {
    all_unknown(
        |_| {
            status(
                503,
                r#"{"status":"error","errorType":"unavailable","error":"TSDB not ready"}"#,
            )
        },
        &["503", "TSDB not ready"],
    )
    .await;
}

/// A proxy that lets only reading through, as it sees it.
#[tokio::test]
async fn where_post_is_refused_queries_go_by_get() {
    for code in [403, 405, 501] {
        let world = eager().await;
        world
            .prometheus
            .answer(move |query| match query.method.as_str() {
                "GET" => fleet(query, &[50.0, 50.0, 50.0]),
                _ => status(code, "Method Not Allowed\n"),
            });
        let scheduler = world.scheduler("").await;
        let tick = scheduler.tick().await;
        assert_eq!(result(&tick, "web").action, "scale_up", "{code}");
        let asked = |method: &str| {
            let queries = world.prometheus.queries();
            let refused = queries
                .iter()
                .filter(|query| query.method == "POST")
                .count();
            assert!(queries.len() > refused, "{method}");
            refused
        };
        assert!(asked("POST") > 0);
        // It is remembered.
        scheduler.tick().await;
        assert_eq!(asked("GET"), 0, "{code}");
    }
}

/// A proxy that lets only reading through, and then another one.
#[tokio::test]
async fn what_is_too_long_for_get_goes_by_post_again() {
    let world = eager().await;
    let refuses = |method: &'static str, code, words| {
        move |query: &Query| match query.method.as_str() == method {
            true => status(code, words),
            false => fleet(query, &[50.0, 50.0, 50.0]),
        }
    };
    world.prometheus.answer(refuses("POST", 405, "no"));
    let scheduler = world.scheduler("").await;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").error, "");
    world.prometheus.answer(refuses("GET", 414, "too long"));
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").error, "", "{tick:#?}");
    world.prometheus.queries();
    scheduler.tick().await;
    let queries = world.prometheus.queries();
    assert!(queries.iter().all(|query| query.method == "POST"));
    // Neither way is open.
    world
        .prometheus
        .answer(|query| match query.method.as_str() {
            "GET" => status(414, "too long"),
            _ => status(405, "no"),
        });
    for _ in 0..2 {
        let tick = scheduler.tick().await;
        assert_unknown(&world, &tick, "web", &["414", "too long; ", "let POST"]);
    }
}

#[tokio::test]
async fn no_error_repeats_a_secret_that_the_server_does() {
    let world = eager().await;
    world.prometheus.answer(|query| {
        let said = query.authorization.clone().unwrap_or_default();
        (
            StatusCode::UNAUTHORIZED,
            format!("who is {said}, with pass%word or pass%25word?"),
        )
            .into_response()
    });
    let host = world.prometheus.url.strip_prefix("http://").unwrap();
    let header = format!(
        "prometheus: {{url: 'http://{host}', headers: {{Authorization: 'Token hunter2hunter2'}}}}"
    );
    let token = format!("prometheus: {{url: 'http://{host}', bearer_token: hunter2hunter2}}");
    let password = format!("prometheus: {{url: 'http://user:pass%25word@{host}'}}");
    for (lines, secrets) in [
        (header, &["hunter2"][..]),
        (token, &["hunter2"]),
        (password, &["pass%", "dXNlcjpwYXNz"]),
    ] {
        let scheduler = world.scheduler(&lines).await;
        let tick = scheduler.tick().await;
        assert_unknown(&world, &tick, "web", &["401", "who is"]);
        let all = format!("{tick:?} {:?}", world.decision.last_request("web"));
        for secret in secrets {
            assert!(!all.contains(secret), "{all}");
        }
        scheduler.terminate().await.unwrap();
    }
}

#[tokio::test]
async fn headers_of_ones_own_go_to_the_central_prometheus_only() {
    let world = eager().await;
    let url = &world.prometheus.url;
    let headers = "headers: {X_Api_Key: '007', token: cxtp}";
    let scheduler = world
        .scheduler(&format!("prometheus: {{url: '{url}', {headers}}}"))
        .await;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").action, "scale_up");
    for query in world.prometheus.queries() {
        assert_eq!(query.headers["x-api-key"], "007");
        assert_eq!(query.headers["token"], "cxtp");
    }
    scheduler.terminate().await.unwrap();
    let port = url.rsplit(':').next().unwrap();
    world.actuator.change(WEB, |instance| {
        instance.public_ip = "127.0.0.1".into();
    });
    let lines = format!(
        "prometheus: {{mode: on_instance, address: public, port: {port}, {headers}}}\n\
         targets: [{{id: web, instance_id: {WEB}}}]"
    );
    world.scheduler(&lines).await.tick().await;
    let queries = world.prometheus.queries();
    assert!(!queries.is_empty());
    assert!(
        queries
            .iter()
            .all(|query| !query.headers.contains_key("token"))
    );
}

#[tokio::test]
async fn errors_in_plain_text_are_quoted_with_what_to_do() {
    all_unknown(
        |_| status(401, "no org id\n"),
        &["401 Unauthorized: no org id", "scheduler.prometheus.tenant"],
    )
    .await;
    all_unknown(
        |_| {
            status(
                502,
                "<html><title>502 Bad Gateway</title><h1>nginx</h1></html>",
            )
        },
        &["502 Bad Gateway nginx"],
    )
    .await;
    for (scheme, path, words) in [
        ("http", "/graph", "the URL is the address before /graph"),
        ("https", "", "it does not speak TLS; write http://"),
    ] {
        let world = eager().await;
        let wrong = world.prometheus.url.replace("http", scheme) + path;
        let lines = format!("prometheus: {{url: '{wrong}'}}");
        let tick = world.scheduler(&lines).await.tick().await;
        assert_unknown(&world, &tick, "web", &[words]);
    }
}

#[tokio::test]
async fn fault_36_prometheus_slow() {
    let world = eager().await;
    world.prometheus.answer(|query| {
        std::thread::sleep(Duration::from_millis(1_500));
        fleet(query, &[50.0, 50.0, 50.0])
    });
    let lines = format!(
        "prometheus: {{url: '{}', timeout_seconds: 1}}",
        world.prometheus.url
    );
    let scheduler = world.scheduler(&lines).await;
    let tick = scheduler.tick().await;
    assert_unknown(&world, &tick, "web", &["did not answer within 1 s"]);
    assert_eq!(world.actuator.starts(), 0);
}

#[tokio::test]
async fn fault_37_values_that_are_no_percentage() {
    for text in ["NaN", "+Inf", "-Inf", "-7", "140"] {
        all_unknown(
            move |query| {
                if !query.is_for_cpu() {
                    return fleet(query, &[50.0, 50.0, 50.0]);
                }
                let all = (1..=3).map(|number| {
                    let labels = labels(&[("instance", &format!("10.0.0.{number}:9100"))]);
                    series(query, labels, |_| Some(text.to_owned()))
                });
                matrix(all.collect())
            },
            &["the last CPU sample is"],
        )
        .await;
    }
}

#[tokio::test]
async fn fault_38_empty() {
    all_unknown(|_| matrix(Vec::new()), &["no CPU samples"]).await;
}

#[tokio::test]
async fn fault_38_stale_for_one_target_only() {
    let world = eager().await;
    world.prometheus.answer(|query| {
        let old = query.end - 3_600;
        let one = |number: u32, newest: i64| {
            let labels = labels(&[("instance", &format!("10.0.0.{number}:9100"))]);
            series(query, labels, |at| {
                (at <= newest).then(|| value(query, 50.0).to_string())
            })
        };
        matrix(vec![one(1, old), one(2, query.end), one(3, query.end)])
    });
    let scheduler = world.scheduler("").await;
    let tick = scheduler.tick().await;
    assert_unknown(&world, &tick, "web", &["3600 s old"]);
    assert_eq!(result(&tick, "api").action, "scale_up");
    assert_eq!(world.actuator.starts(), 2);
}

#[tokio::test]
async fn fault_38_missing_memory_stays_missing() {
    let world = World::start().await;
    world.prometheus.answer(|query| match query.query.as_str() {
        text if text.contains("MemAvailable") => matrix(Vec::new()),
        _ => fleet(query, &[50.0, 50.0, 50.0]),
    });
    let scheduler = world.scheduler("").await;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").memory_percent, None);
    assert!(result(&tick, "web").error.contains("memory is unknown"));
    let observation = world.decision.last_request("web").observation.unwrap();
    assert_eq!(
        (observation.memory_percent, observation.memory_peak_mib),
        (None, None)
    );
}

#[tokio::test]
async fn fault_39_duplicate_series_are_refused_with_both_names() {
    let world = eager().await;
    world.prometheus.answer(|query| {
        let of = |job, cpu| {
            let labels = labels(&[("instance", "10.0.0.1:9100"), ("job", job)]);
            series(query, labels, |_| Some(value(query, cpu).to_string()))
        };
        matrix(vec![of("node", 50.0), of("copy", 60.0)])
    });
    let scheduler = world.scheduler("").await;
    let tick = scheduler.tick().await;
    let both = [
        r#"{instance="10.0.0.1:9100",job="node"}"#,
        r#"{instance="10.0.0.1:9100",job="copy"}"#,
    ];
    assert_unknown(&world, &tick, "web", &both);
    assert_eq!(world.actuator.starts(), 0);
}

/// Service discovery writes the type into a label, and the machine was resized; a second job scrapes the same.
#[tokio::test]
async fn series_of_one_machine_whose_labels_changed_are_its_history() {
    let world = eager().await;
    world.prometheus.answer(|query| {
        let cut = query.end - 6 * 3_600;
        let of = |kind, keep: fn(i64, i64) -> bool| {
            let labels = labels(&[("instance", "10.0.0.1:9100"), ("instance_type", kind)]);
            series(query, labels, |at| {
                keep(at, cut).then(|| value(query, 50.0).to_string())
            })
        };
        matrix(vec![
            of("t2.nano", |at, cut| at < cut),
            of("t2.small", |at, cut| at >= cut),
            of("t2.small-again", |at, cut| at >= cut),
        ])
    });
    let tick = world.scheduler("").await.tick().await;
    let web = result(&tick, "web");
    assert_eq!(web.action, "scale_up", "{web:#?}");
    assert_eq!(web.error, "");
    let samples = world
        .decision
        .last_request("web")
        .observation
        .unwrap()
        .samples;
    assert!(samples > 500, "{samples}");
    assert_unknown(
        &world,
        &tick,
        "api",
        &["none with instance=10.0.0.2", "there are: 10.0.0.1:9100"],
    );
}

#[tokio::test]
async fn fault_40_an_endless_body_is_capped() {
    let world = eager().await;
    world.prometheus.answer(|_| {
        let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 65_536]));
        (
            [(header::CONTENT_TYPE, "application/json")],
            Body::from_stream(endless),
        )
            .into_response()
    });
    let lines = format!(
        "prometheus: {{url: '{}', max_body_bytes: 1000000, timeout_seconds: 20}}",
        world.prometheus.url
    );
    let scheduler = world.scheduler(&lines).await;
    let tick = scheduler.tick().await;
    assert_unknown(&world, &tick, "web", &["more than 1000000 bytes"]);
}

#[tokio::test]
async fn fault_40_a_gzip_bomb_is_capped_at_its_unpacked_size() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 100_000);
    let world = eager().await;
    world.prometheus.answer(move |_| {
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CONTENT_ENCODING, "gzip"),
        ];
        (headers, bomb.clone()).into_response()
    });
    let lines = format!(
        "prometheus: {{url: '{}', max_body_bytes: 1000000, timeout_seconds: 20}}",
        world.prometheus.url
    );
    let scheduler = world.scheduler(&lines).await;
    let tick = scheduler.tick().await;
    assert_unknown(&world, &tick, "web", &["more than 1000000 bytes"]);
}

#[tokio::test]
async fn fault_40_html_with_200() {
    let page = "<!doctype html><title>Log in</title>";
    all_unknown(
        move |_| axum::response::Html(page).into_response(),
        &["text/html", "login page"],
    )
    .await;
}

#[tokio::test]
async fn fault_40_json_that_is_something_else() {
    all_unknown(
        |_| json_body(&json!({"message": "hello"})),
        &["not an answer of the Prometheus API"],
    )
    .await;
}

#[tokio::test]
async fn fault_41_future_and_reordered_timestamps() {
    all_unknown(
        |query| {
            let shifted = Query {
                start: query.start + 7_200,
                end: query.end + 7_200,
                ..query.clone()
            };
            fleet(&shifted, &[50.0, 50.0, 50.0])
        },
        &["7200 s in the future"],
    )
    .await;
    all_unknown(
        |query| {
            let all = (1..=3).map(|number| {
                let labels = labels(&[("instance", &format!("10.0.0.{number}:9100"))]);
                let mut series = series(query, labels, |_| Some(value(query, 50.0).to_string()));
                series["values"].as_array_mut().unwrap().reverse();
                series
            });
            matrix(all.collect())
        },
        &["out of order"],
    )
    .await;
}

#[tokio::test]
async fn fault_42_api_warnings_hold() {
    all_unknown(
        |query| {
            let labels = labels(&[("instance", "10.0.0.1:9100")]);
            let series = series(query, labels, |_| Some(value(query, 5.0).to_string()));
            json_body(&json!({
                "status": "success",
                "warnings": ["store gateway eu-1 unavailable"],
                "data": {"resultType": "matrix", "result": [series]},
            }))
        },
        &["incomplete", "store gateway eu-1 unavailable"],
    )
    .await;
}

/// A good answer with further fields.
fn with(query: &Query, fields: serde_json::Value) -> serde_json::Value {
    let labels = labels(&[("instance", "10.0.0.1:9100")]);
    let series = series(query, labels, |_| Some(value(query, 50.0).to_string()));
    let mut body = json!({
        "status": "success",
        "data": {"resultType": "matrix", "result": [series]},
    });
    let body_fields = body.as_object_mut().unwrap();
    body_fields.extend(fields.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn fault_42_an_answer_that_says_in_any_form_that_it_is_partial_holds() {
    for fields in [
        json!({"isPartial": true}),
        json!({"pageInfo": {"nextPageToken": "abc"}}),
        json!({"warnings": "store gateway eu-1 unavailable"}),
    ] {
        all_unknown(
            move |query| json_body(&with(query, fields.clone())),
            &["incomplete"],
        )
        .await;
    }
    all_unknown(
        |query| {
            let limit = [("m3-results-limited", "max_fetch_series_limit_applied")];
            (limit, json_body(&with(query, json!({})))).into_response()
        },
        &["incomplete", "max_fetch_series_limit_applied"],
    )
    .await;
    all_unknown(
        |query| {
            let part = axum::http::StatusCode::PARTIAL_CONTENT;
            (part, json_body(&with(query, json!({})))).into_response()
        },
        &["206"],
    )
    .await;
}

#[tokio::test]
async fn fault_42_only_what_is_incomplete_is_unknown() {
    let world = eager().await;
    world.prometheus.answer(|query| match query.query.as_str() {
        text if text.contains("MemAvailable") => {
            json_body(&with(query, json!({"isPartial": true})))
        }
        _ => fleet(query, &[50.0, 50.0, 50.0]),
    });
    let scheduler = world.scheduler("").await;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").action, "scale_up");
    assert_eq!(result(&tick, "web").memory_percent, None);
    assert!(result(&tick, "web").error.contains("incomplete"));
}

#[tokio::test]
async fn advice_about_the_expression_is_no_missing_data() {
    let advice = "PromQL info: metric might not be a counter";
    for fields in [json!({"warnings": [advice]}), json!({"infos": [advice]})] {
        let world = eager().await;
        world
            .prometheus
            .answer(move |query| json_body(&with(query, fields.clone())));
        let scheduler = world.scheduler("").await;
        let tick = scheduler.tick().await;
        assert_eq!(result(&tick, "web").action, "scale_up");
        assert_eq!(result(&tick, "web").error, "");
        assert_eq!(world.decision.last_request("web").notes, [advice]);
    }
}

#[tokio::test]
async fn cpu_as_a_share_is_unknown_until_the_unit_is_said() {
    all_unknown(
        |query| fleet(query, &[0.88, 0.88, 0.88]),
        &["multiply the query by 100", "scheduler.prometheus.cpu_unit"],
    )
    .await;
    let world = eager().await;
    world.prometheus.cpu(&[0.88, 0.003, 0.5]);
    let lines = format!(
        "prometheus: {{url: '{}', cpu_unit: ratio}}",
        world.prometheus.url
    );
    let scheduler = world.scheduler(&lines).await;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").cpu_percent, Some(88.0));
    assert_eq!(result(&tick, "api").cpu_percent, Some(0.3));
    let sent = world.predictor.last("job").unwrap();
    assert!(sent.cpu.iter().all(|cpu| *cpu == 50.0));
}

#[tokio::test]
async fn what_is_left_out_and_what_contradicts_goes_with_the_question() {
    let world = eager().await;
    world
        .actuator
        .change(WEB, |instance| instance.instance_type = "t2.medium".into());
    // Two vCPUs by its type, one by its CPU options, and an exporter that is scraped twice.
    world.actuator.change(WEB, |instance| instance.vcpus = 1);
    world.prometheus.answer(|query| {
        let labels = labels(&[("instance", "10.0.0.1:9100")]);
        let one = series(query, labels, |at| {
            Some(match query.query.as_str() {
                _ if query.is_for_cpu() && at == query.end - 3_600 => "NaN".to_owned(),
                query if query.starts_with("count") => "2".to_owned(),
                _ => value(query, 64.0).to_string(),
            })
        });
        matrix(vec![one])
    });
    let scheduler = world.scheduler("").await;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").cpu_percent, Some(64.0));
    let contradiction = "577 of 577 vCPU counts are 2, but the machine has 1";
    let error = &result(&tick, "web").error;
    assert!(error.contains(contradiction), "{error}");
    let request = world.decision.last_request("web");
    assert!(request.notes[0].contains(contradiction), "{request:#?}");
    let left_out = "1 of 577 CPU values are left out";
    assert!(request.notes[1].contains(left_out), "{request:#?}");
    let seen = request.observation.unwrap();
    assert_eq!(seen.cpu_spanned_seconds, 172_800);
    assert_eq!(seen.cpu_observed_seconds, 172_500);
    assert_eq!(seen.memory_spanned_seconds, 172_800);
    assert_eq!(seen.cpu_peak_last_hour_percent, Some(64.0));
}

#[tokio::test]
async fn fault_43_after_a_resize_history_is_on_the_new_scale_and_the_boot_is_left_out() {
    let world = World::start().await;
    world
        .actuator
        .change(WEB, |instance| instance.instance_type = "t2.medium".into());
    // One vCPU at 80 percent until an hour ago, then two at 40 after a boot at 100.
    world.prometheus.answer(|query| {
        let resized = query.end - 3_600;
        let one = |number: u32| {
            let labels = labels(&[("instance", &format!("10.0.0.{number}:9100"))]);
            series(query, labels, |at| {
                let value = match query.query.as_str() {
                    query if query.starts_with("count") => f64::from(1 + i32::from(at >= resized)),
                    _ if query.is_for_cpu() && at < resized => 80.0,
                    _ if query.is_for_cpu() && at == resized => 100.0,
                    _ if query.is_for_cpu() => 40.0,
                    _ => value(query, 0.0),
                };
                Some(value.to_string())
            })
        };
        matrix(vec![one(1)])
    });
    let scheduler = world.scheduler("").await;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").cpu_percent, Some(40.0));
    let sent = world.predictor.last("web").unwrap();
    assert!(sent.cpu.iter().all(|cpu| *cpu == 40.0), "{:?}", sent.cpu);
    assert_eq!(sent.cpu.len(), 576);
    assert_eq!(sent.capacity, 100.0);
}

#[tokio::test]
async fn fault_43_the_tick_after_a_resize_decides() {
    let world = eager().await;
    // Down at the sample before the newest, which is of the boot; the policy's limit of 600 s is one step.
    world.prometheus.answer(|query| {
        let one = |number: u32| {
            let labels = labels(&[("instance", &format!("10.0.0.{number}:9100"))]);
            series(query, labels, |at| {
                let value = match query.end - at {
                    600 => return None,
                    0 if query.is_for_cpu() => 99.0,
                    _ => value(query, 50.0),
                };
                Some(value.to_string())
            })
        };
        matrix((1..=3).map(one).collect())
    });
    let lines = format!(
        "prometheus: {{url: '{}', step_seconds: 600}}",
        world.prometheus.url
    );
    let scheduler = world.scheduler(&lines).await;
    let tick = scheduler.tick().await;
    for target in ["web", "api", "job"] {
        let result = result(&tick, target);
        assert_eq!(result.action, "scale_up", "{result:#?}");
        assert_eq!(result.cpu_percent, Some(50.0));
        let seen = world.decision.last_request(target).observation.unwrap();
        assert_eq!(seen.sample_age_limit_seconds, 2 * 600 + 60 + 120);
    }
}

#[tokio::test]
async fn fault_44_hostile_labels_are_escaped() {
    let world = eager().await;
    let hostile = r#"10.0.0.1"} or vector(1) #"#;
    world.prometheus.answer(|query| {
        let hostile = labels(&[
            ("instance", "10.0.0.2:9100"),
            ("x", "a\n| decision=scale_down \u{1b}[31m"),
        ]);
        let plain = labels(&[("instance", "10.0.0.2:9100")]);
        let good = |labels, cpu| series(query, labels, |_| Some(value(query, cpu).to_string()));
        matrix(vec![good(hostile, 50.0), good(plain, 60.0)])
    });
    let lines = format!(
        "prometheus:\n  url: {}\n  cpu_query: 'cpu{{instance=~\"$instances\"}}'\n\
         targets:\n- id: web\n  instance_id: {WEB}\n  label: '{hostile}'\n\
         - id: api\n  instance_id: {}\n  label: '10.0.0.2:9100'",
        world.prometheus.url,
        crate::support::API,
    );
    let scheduler = world.scheduler(&lines).await;
    let tick = scheduler.tick().await;
    let queries = world.prometheus.queries();
    let cpu = queries
        .iter()
        .find(|query| query.query.starts_with("cpu"))
        .unwrap();
    assert_eq!(
        cpu.query,
        r#"cpu{instance=~"10\\.0\\.0\\.1\"\\} or vector\\(1\\) #|10\\.0\\.0\\.2:9100"}"#
    );
    let error = &result(&tick, "api").error;
    assert!(!error.contains(char::is_control), "{error:?}");
    assert!(error.contains(r"a\n| decision=scale_down"), "{error:?}");
    assert_eq!(world.actuator.starts(), 0);
}

#[tokio::test]
async fn fault_64_redirects_are_not_followed() {
    all_unknown(
        |_| Redirect::temporary("http://169.254.169.254/latest/meta-data/").into_response(),
        &["redirects to http://169.254.169.254/", "not followed"],
    )
    .await;
}

#[tokio::test]
async fn fault_64_a_name_that_resolves_to_the_metadata_service_is_blocked() {
    // Names are judged by their addresses, at each connection: see metrics/guard.rs for the resolver itself. A literal
    // address never gets past the configuration, so the address of an instance is what is left.
    let world = eager().await;
    for address in ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"] {
        world
            .actuator
            .change(WEB, |instance| instance.private_ip = address.to_owned());
        let lines = format!(
            "prometheus: {{mode: on_instance, timeout_seconds: 1}}\ntargets: [{{id: web, instance_id: {WEB}}}]"
        );
        let scheduler = world.scheduler(&lines).await;
        let tick = scheduler.tick().await;
        assert_unknown(&world, &tick, "web", &["blocked"]);
        scheduler.terminate().await.unwrap();
    }
    assert_eq!(world.actuator.starts(), 0);
}

#[tokio::test]
async fn the_seeds_mode_asks_the_prometheus_on_the_instance() {
    let world = eager().await;
    world.prometheus.answer(|query| {
        let labels = labels(&[("instance", "localhost:9100")]);
        matrix(vec![series(query, labels, |_| {
            Some(value(query, 50.0).to_string())
        })])
    });
    world.actuator.change(WEB, |instance| {
        instance.private_ip = "10.255.255.1".into();
        instance.public_ip = "127.0.0.1".into();
    });
    let port = world.prometheus.url.rsplit(':').next().unwrap();
    let lines = format!(
        "prometheus: {{mode: on_instance, address: public, port: {port}, timeout_seconds: 1}}\n\
         targets: [{{id: web, instance_id: {WEB}}}, {{id: api, instance_id: {}}}]",
        crate::support::API
    );
    let scheduler = world.scheduler(&lines).await;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").action, "scale_up", "{tick:#?}");
    assert_eq!(result(&tick, "web").cpu_percent, Some(50.0));
    assert_unknown(&world, &tick, "api", &["no public address"]);
}
