//! The model is swapped when its folder changes or a signal comes, and kept when its successor is bad.

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

use common::clock::{self, ManualClock};
use jiff::Timestamp;
use predictor::Config;
use proto::predictor::v1::{
    ForecastRequest, GetModelRequest, predictor_service_client::PredictorServiceClient,
};
use serde_json::{Value, json};
use testkit::{
    http::metrics,
    model::{artifact, copy_of_artifact},
    process::{Process, free_port},
    wait,
};
use tonic::transport::Channel;

use crate::support::{Running, machine};

type Client = PredictorServiceClient<Channel>;

fn change_manifest(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("manifest.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(&path, manifest.to_string()).unwrap();
}

async fn version(client: &mut Client) -> String {
    match client.get_model(GetModelRequest {}).await {
        Ok(card) => card.into_inner().model.unwrap().version,
        Err(status) => status.message().to_owned(),
    }
}

/// Asks until `expected` is served.
async fn serves(client: &mut Client, expected: &str) {
    wait::answer(
        async || version(client).await,
        |version| version == expected,
    )
    .await;
}

async fn refused(running: &Running) -> u32 {
    let text = metrics(&running.metrics_url).await;
    let line = "autoscaler_predictor_refused_models_total ";
    let count = text.lines().find_map(|found| found.strip_prefix(line));
    count.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_changed_folder_is_served_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let config = Config {
        artifact: Some(path.clone()),
        watch_seconds: 1,
        ..Config::default()
    };
    let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
    let mut running = Running::start_on(config, Arc::new(clock.clone())).await;
    assert!(
        version(&mut running.client)
            .await
            .contains("cannot be read")
    );

    // It appears: nobody has to call.
    copy_of_artifact(&path);
    change_manifest(&path, |manifest| manifest["version"] = json!("first"));
    look(&clock, 2).await;
    assert_eq!(version(&mut running.client).await, "first");

    // A model that fails its golden rows is refused, once, and the old one answers as before.
    let question = || ForecastRequest {
        series: vec![machine("a", 600, 300, 5)],
        ..ForecastRequest::default()
    };
    let before = running.client.forecast(question()).await.unwrap();
    let already = refused(&running).await;
    change_manifest(&path, |manifest| {
        manifest["version"] = json!("bad");
        manifest["golden"]["expected"][0][0] = json!(1e6);
    });
    look(&clock, 5).await;
    assert_eq!(
        refused(&running).await,
        already + 1,
        "one attempt for one change"
    );
    let after = running.client.forecast(question()).await.unwrap();
    assert_eq!(before.into_inner(), after.into_inner());
    assert_eq!(version(&mut running.client).await, "first");

    // A good one comes, file by file: the manifest first, the model that it needs later.
    let (model, aside) = (path.join("peak_q90.json.gz"), folder.path().join("aside"));
    fs::rename(&model, &aside).unwrap();
    copy_of_manifest(&path);
    change_manifest(&path, |manifest| manifest["version"] = json!("second"));
    look(&clock, 3).await;
    assert_eq!(version(&mut running.client).await, "first");
    fs::rename(&aside, &model).unwrap();
    look(&clock, 2).await;
    assert_eq!(version(&mut running.client).await, "second");

    // Nobody looks when nobody is to.
    running.stop().await;
    let config = Config {
        artifact: Some(path.clone()),
        watch_seconds: 0,
        ..Config::default()
    };
    let mut running = Running::start_on(config, Arc::new(clock.clone())).await;
    assert_eq!(version(&mut running.client).await, "second");
    assert_eq!(clock.sleepers(), 0);
    running.stop().await;
}

/// Lets the predictor look at its folder so many times, a second apart, and do what it finds to do.
async fn look(clock: &ManualClock, times: usize) {
    for _ in 0..times {
        clock.until_asleep(1).await;
        clock.advance(Duration::from_secs(1));
    }
    clock.until_asleep(1).await;
}

fn copy_of_manifest(folder: &Path) {
    let from = artifact().join("manifest.json");
    fs::copy(from, folder.join("manifest.json")).unwrap();
}

#[tokio::test]
async fn the_binary_reloads_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    copy_of_artifact(&path);
    change_manifest(&path, |manifest| manifest["version"] = json!("first"));
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_predictor"));
    command
        .current_dir(folder.path())
        .env("AUTOSCALER__PREDICTOR__LISTEN", &address)
        .env("AUTOSCALER__PREDICTOR__METRICS_LISTEN", "127.0.0.1:0")
        .env("AUTOSCALER__PREDICTOR__ARTIFACT", &path)
        .env("AUTOSCALER__PREDICTOR__WATCH_SECONDS", "0");
    let mut binary = Process::start("predictor", folder.path(), &mut command);
    let channel = common::grpc::channel(&format!("http://{address}")).unwrap();
    let mut client = Client::new(channel);
    serves(&mut client, "first").await;

    change_manifest(&path, |manifest| manifest["version"] = json!("second"));
    assert_eq!(version(&mut client).await, "first", "nothing watches");
    binary.signal("HUP");
    serves(&mut client, "second").await;
    fs::write(path.join("manifest.json"), "{").unwrap();
    binary.signal("HUP");
    clock::machine().sleep(Duration::from_millis(500)).await;
    assert_eq!(version(&mut client).await, "second");
    // A second SIGHUP did not end it either.
    assert!(binary.ended().is_none());
}
