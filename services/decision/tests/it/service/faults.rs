use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use common::metadata::outgoing;
use proto::decision::v1::{Action, ListDecisionsRequest};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::harness::World;

async fn connect(database: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(database);
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[tokio::test]
async fn fault_45_a_locked_database_is_waited_for_within_bounds_and_then_unavailable() {
    let world = World::new();
    let server = world.start().await;
    server.list(ListDecisionsRequest::default()).await.unwrap();
    let mut other = connect(&world.database()).await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();

    let started = Instant::now();
    let request = outgoing(world.request("tick-1", 90.0), Duration::from_secs(2));
    let status = server.client.clone().decide(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("is busy"), "{status}");
    let retry = status.get_details_retry_info().unwrap();
    assert_eq!(retry.retry_delay, Some(Duration::from_secs(1)));
    // The answer came before the caller's deadline, after more than one attempt.
    assert!(
        (1_000..2_000).contains(&started.elapsed().as_millis()),
        "{:?}",
        started.elapsed()
    );
    // Readers don't wait.
    assert!(
        server
            .list(ListDecisionsRequest::default())
            .await
            .unwrap()
            .decisions
            .is_empty()
    );

    // A lock that goes away in time is not noticed by the caller.
    let late = server.decide(world.request("tick-1", 90.0));
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    };
    let (decision, ()) = tokio::join!(late, release);
    assert_eq!(decision.unwrap().action(), Action::ScaleUp);
    server.stop().await;
}

/// Starts the service on a database that something happened to; the error, and whether the file is as it was.
async fn refused(world: &World) -> (String, bool) {
    let before = fs::read(world.database()).unwrap();
    let error = world.start().await.error().await;
    (error, fs::read(world.database()).unwrap() == before)
}

#[tokio::test]
async fn fault_47_a_corrupt_database_is_refused_and_kept() {
    // Not a database at all.
    let world = World::new();
    fs::write(
        world.database(),
        b"PK\x03\x04 somebody restored the wrong file".repeat(100),
    )
    .unwrap();
    let (error, kept) = refused(&world).await;
    assert!(
        error.contains("is damaged") && error.contains("restore a backup"),
        "{error}"
    );
    assert!(!error.contains('\n') && kept, "{error}");

    // A database with a hole in it.
    let world = World::new();
    let server = world.start().await;
    for tick in 0..50 {
        server
            .decide(world.request(&format!("tick-{tick}"), 50.0))
            .await
            .unwrap();
    }
    server.stop().await;
    let mut bytes = fs::read(world.database()).unwrap();
    assert!(bytes.len() > 100_000);
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0xa5);
    fs::write(world.database(), &bytes).unwrap();
    let (error, kept) = refused(&world).await;
    assert!(error.contains("is damaged") && kept, "{error}");

    // A truncated one.
    bytes.truncate(10_000);
    fs::write(world.database(), &bytes).unwrap();
    let (error, kept) = refused(&world).await;
    assert!(error.contains("is damaged") && kept, "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let world = World::new();
    world.start().await.stop_when_ready().await;
    let mut connection = connect(&world.database()).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', 1, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let error = world.start().await.error().await;
    assert!(
        error.contains("has schema 9999, which this version does not know"),
        "{error}"
    );
}

#[tokio::test]
async fn fault_46_a_place_that_can_not_be_written_refuses_to_start() {
    let mut world = World::new();
    fs::write(world.folder.path().join("file"), "").unwrap();
    world.database_name = "file/decision.db".into();
    let error = world.start().await.error().await;
    assert!(
        error.contains("can't be used") && error.contains("decision.database"),
        "{error}"
    );
}
