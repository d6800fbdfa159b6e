use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse as _, Redirect, Response},
};
use serde_json::json;
use testkit::prometheus::{Prometheus, Query, json_body, matrix, series};

use super::*;
use crate::folder::{Source, read_folder};

/// As [`super::collect`], with nobody to hear of progress.
async fn collect(args: &PrometheusArgs, samples: &Path, now: i64) -> Result<(), CollectError> {
    super::collect(args, samples, now, |_| {}).await
}

fn read(folder: &Path) -> Vec<Source> {
    let sources = read_folder(folder, None).unwrap();
    sources.collect::<Result<_, _>>().unwrap()
}

const NOW: i64 = 1_700_000_123;

/// A Prometheus below a path, whose `answer` gets the query and how many came before, and its URL with a password.
async fn start(
    answer: impl Fn(&Query, usize) -> Response + Send + Sync + 'static,
) -> (Prometheus, String) {
    let before = AtomicUsize::new(0);
    let answer = move |query: &Query| answer(query, before.fetch_add(1, Ordering::Relaxed));
    let fake = Prometheus::start_below("/sub", answer).await;
    let url = fake.url.replace("http://", "http://u:secret@") + "/";
    (fake, url)
}

fn asked(fake: &Prometheus) -> Vec<(i64, i64)> {
    let queries = fake.queries().into_iter();
    queries.map(|query| (query.start, query.end)).collect()
}

/// Two machines; the value at a time is `value` of the number of steps to it.
fn fleet(query: &Query, value: impl Fn(i64) -> String) -> Response {
    let machine = |instance: &str| {
        let labels = json!({"instance": instance});
        series(query, labels, |at| Some(value(at / query.step)))
    };
    matrix(vec![machine("a:9100"), machine("b:9100")])
}

fn args(url: &str) -> PrometheusArgs {
    PrometheusArgs {
        prometheus: Some(url.to_owned()),
        query: "cpu".to_owned(),
        days: 3,
        step: 300,
        samples: None,
        bearer_token: None,
        tenant: None,
    }
}

#[tokio::test]
async fn an_interrupted_run_goes_on_with_what_is_missing() {
    let (fake, url) = start(|query, before| match before {
        2 => (StatusCode::SERVICE_UNAVAILABLE, "restarting").into_response(),
        _ => fleet(query, |step| (step % 90).to_string()),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let error = collect(&args(&url), folder.path(), NOW).await.unwrap_err();
    assert!(error.to_string().contains("503"), "{error}");
    let first = asked(&fake);
    assert_eq!(first.len(), 3);

    // Five minutes later: the two chunks that are there stay.
    collect(&args(&url), folder.path(), NOW + 300)
        .await
        .unwrap();
    let second = asked(&fake);
    assert_eq!(second.len(), 2, "{second:?}");
    assert_eq!(second[0], first[2]);
    assert_eq!(second[1].1, (NOW + 300) / 300 * 300);

    // An hour later: only the last one has grown, and its shorter self is gone.
    collect(&args(&url), folder.path(), NOW + 3_900)
        .await
        .unwrap();
    let third = asked(&fake);
    assert_eq!(third.len(), 1);
    assert_eq!(third[0].0, second[1].0);
    assert_eq!(chunk_files(&folder.path().join(SOURCE)).unwrap().len(), 4);

    collect(&args(&url), folder.path(), NOW + 3_900)
        .await
        .unwrap();
    assert_eq!(asked(&fake), []);

    let sources = read(folder.path());
    assert_eq!((sources.len(), sources[0].name.as_str()), (1, "prometheus"));
    let series = &sources[0].series[1];
    assert_eq!(series.name, r#"{instance="b:9100"}"#);
    let times: Vec<i64> = (first[0].0..=third[0].1).step_by(300).collect();
    assert_eq!(series.timestamps_seconds, times);
    assert_eq!(series.cpu_percent.len(), times.len());
    let last = third[0].1 / 300 % 90;
    assert_eq!(series.cpu_percent.last(), Some(&(last as f64)));
}

#[tokio::test]
async fn what_is_no_number_is_dropped_and_another_query_is_not_mixed_in() {
    let (fake, url) = start(|query, _| {
        fleet(query, |step| match step % 3 {
            0 => "NaN".to_owned(),
            1 => "-Inf".to_owned(),
            _ => "7.25".to_owned(),
        })
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut asking = args(&url.replace("u:secret@", ""));
    asking.bearer_token = Some("token".to_owned());
    collect(&asking, folder.path(), NOW).await.unwrap();
    let authorization = fake.queries()[0].authorization.clone();
    assert_eq!(authorization.as_deref(), Some("Bearer token"));
    let sources = read(folder.path());
    let values = &sources[0].series[0].cpu_percent;
    assert!(!values.is_empty());
    assert!(values.iter().all(|value| *value == 7.25), "{values:?}");

    asking.query = "other".to_owned();
    let error = collect(&asking, folder.path(), NOW).await.unwrap_err();
    assert!(
        error.to_string().contains("another query: cpu at"),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_is_one_line_without_secrets_and_leaves_nothing_in_the_way() {
    type Case = (fn(&Query, usize) -> Response, &'static [&'static str]);
    let cases: [Case; 9] = [
        (
            |_, _| Html("<html>log in</html>").into_response(),
            &["text/html", "login page"],
        ),
        (
            |_, _| Redirect::temporary("http://sso/").into_response(),
            &["redirects to http://sso/"],
        ),
        (
            |_, _| {
                let body =
                    json!({"status": "error", "errorType": "bad_data", "error": "parse\nerror"});
                (StatusCode::BAD_REQUEST, json_body(&body)).into_response()
            },
            &["400", "parse error"],
        ),
        (
            |_, _| {
                json_body(
                    &json!({"status": "error", "errorType": "execution", "error": "too many samples"}),
                )
            },
            &["execution: too many samples"],
        ),
        (
            |_, _| {
                let data = json!({"resultType": "matrix", "result": []});
                json_body(
                    &json!({"status": "success", "data": data, "warnings": ["store s3 is down"]}),
                )
            },
            &["warns", "store s3 is down"],
        ),
        (
            |_, _| matrix(Vec::new()),
            &["gives no series for cpu over 3 days"],
        ),
        (
            |query, _| fleet(query, |_| "NaN".to_owned()),
            &["gives no series"],
        ),
        (
            |query, _| fleet(query, |_| "1700".to_owned()),
            &["outside 0 to 100", "percent"],
        ),
        (
            |_, _| "{\"status\":".into_response(),
            &["not an answer of the Prometheus API"],
        ),
    ];
    for (answer, expected) in cases {
        let (_fake, url) = start(answer).await;
        let folder = tempfile::tempdir().unwrap();
        let error = collect(&args(&url), folder.path(), NOW).await.unwrap_err();
        let error = common::text::chain(&error);
        for words in expected {
            assert!(error.contains(words), "{error:?} lacks {words:?}");
        }
        assert!(
            !error.contains('\n') && !error.contains("secret"),
            "{error}"
        );
        let kept = chunk_files(&folder.path().join(SOURCE)).unwrap_or_default();
        assert!(kept.is_empty(), "{expected:?}: {kept:?}");
        let (_good, url) = start(|query, _| fleet(query, |_| "5".to_owned())).await;
        collect(&args(&url), folder.path(), NOW).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    for (url, expected) in [
        ("http://127.0.0.1:9", "can't be reached"),
        ("prometheus:9090", "must begin with http"),
        ("nonsense", "not usable"),
    ] {
        let error = collect(&args(url), folder.path(), NOW).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
