//! What anybody may ask for has bounds, and no bound is met by a pause of a target or by the one actor.

use proto::decision::v1::{Policy, Strategy, decision_service_client::DecisionServiceClient};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::harness::{Server, World};

fn waits(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted
        && status
            .get_details_retry_info()
            .and_then(|info| info.retry_delay)
            .is_some_and(|delay| !delay.is_zero())
}

async fn decided(
    world: &World,
    server: &Server,
    name: &str,
    epoch: u64,
    times: u32,
) -> (u32, Option<Status>) {
    for number in 0..times {
        let mut request = world.request(&format!("{name}-{number}"), 50.0);
        request.lease_epoch = epoch;
        request.dry_run = true;
        if let Err(status) = server.decide(request).await {
            return (number, Some(status));
        }
    }
    (times, None)
}

#[tokio::test]
async fn decisions_of_a_caller_are_bounded_and_the_holder_of_the_lease_keeps_its_own() {
    let mut world = World::new();
    world.decisions_per_minute = 60;
    let server = world.start().await;
    let epoch = server.acquire("a", 60).await.unwrap().epoch;
    let (stored, refused) = decided(&world, &server, "stranger", 0, 10).await;
    assert_eq!(stored, 3);
    let refused = refused.unwrap();
    assert!(waits(&refused), "{refused}");
    assert!(
        refused.message().contains("decision.decisions_per_minute"),
        "{refused}"
    );
    // Somebody else has a count of their own.
    let elsewhere = tonic::transport::Endpoint::from_shared(server.url.clone())
        .unwrap()
        .local_address(Some([127, 0, 0, 2].into()))
        .connect_lazy();
    let mut elsewhere = DecisionServiceClient::new(elsewhere);
    let mut request = world.request("elsewhere", 50.0);
    request.dry_run = true;
    elsewhere.decide(request).await.unwrap();
    // From the same machine, under the lease.
    let (stored, refused) = decided(&world, &server, "actor", epoch, 100).await;
    assert_eq!(stored, 60);
    assert!(waits(&refused.unwrap()));
    // What was answered is answered again.
    let mut again = world.request("actor-0", 50.0);
    again.lease_epoch = epoch;
    server.decide(again).await.unwrap();
    world.pass(60);
    assert_eq!(decided(&world, &server, "later", epoch, 10).await.0, 10);
    server.stop().await;
}

#[test]
fn the_default_is_above_what_a_tick_of_ten_thousand_targets_needs() {
    let config = decision::Config::default();
    assert!(config.decisions_per_minute >= 20_000);
}

#[tokio::test]
async fn leased_resources_are_bounded_and_the_fleets_lease_is_always_had() {
    let world = World::new();
    let server = world.start().await;
    for number in 0..100 {
        server
            .acquire_of(&format!("junk-{number}"), "x", 3_600)
            .await
            .unwrap();
    }
    let status = server.acquire_of("junk-100", "x", 60).await.unwrap_err();
    assert!(waits(&status), "{status}");
    // Those that are there go on, and the fleet's comes on top.
    server.acquire_of("junk-7", "x", 60).await.unwrap();
    server.acquire("a", 60).await.unwrap();
    let status = server.acquire_of("fleet", "b", 3_601).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    // What nobody holds is forgotten when room is needed.
    world.pass(2 * 3_600 + 1);
    server.acquire_of("junk-100", "x", 60).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_target_has_one_pause_and_the_list_says_who_and_why() {
    let world = World::new();
    let server = world.start().await;
    for number in 0..50 {
        server
            .pause("web-1", Some(world.now() + 60 + number))
            .await
            .unwrap();
    }
    let mut down = proto::decision::v1::PauseRequest {
        target_id: "web-1".into(),
        reason: "night".into(),
        by: "bob@ops-2".into(),
        ..Default::default()
    };
    down.set_direction(proto::decision::v1::PauseDirection::Down);
    let response = server
        .client
        .clone()
        .pause(down)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(response.replaced.unwrap().by, "ada@ops-1");
    server.pause("", None).await.unwrap();
    server.pause("web-2", None).await.unwrap();
    for page_size in [0, 1, 2, 3] {
        let found: Vec<_> = server
            .pauses(page_size)
            .await
            .into_iter()
            .map(|pause| (pause.target_id, pause.by, pause.reason))
            .collect();
        let expected = [
            ("", "ada@ops-1", "release week"),
            ("web-1", "bob@ops-2", "night"),
            ("web-2", "ada@ops-1", "release week"),
        ]
        .map(|(target, by, reason)| (target.to_owned(), by.to_owned(), reason.to_owned()));
        assert_eq!(found, expected, "pages of {page_size}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_pause_by_instance_id_holds_the_target_of_that_instance() {
    let world = World::new();
    let server = world.start().await;
    let request = world.request("tick-1", 90.0);
    server.pause(&request.instance_id, None).await.unwrap();
    let held = server.decide(request).await.unwrap();
    assert_eq!(
        held.reason_code(),
        proto::decision::v1::ReasonCode::Paused,
        "{}",
        held.reason
    );
    assert_eq!(server.target("web-1").await.pauses.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn pauses_of_unknown_names_are_bounded_and_those_of_targets_never_refused() {
    let world = World::new();
    let server = world.start().await;
    server.decide(world.request("tick-1", 50.0)).await.unwrap();
    server.stop_when_ready().await;
    // As 10,000 calls would leave it.
    let database = format!("sqlite://{}", world.database().display());
    let pool = sqlx::SqlitePool::connect(&database).await.unwrap();
    sqlx::query(
        "WITH RECURSIVE junk (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM junk WHERE number < 10000)
         INSERT INTO pauses (target_id, direction, reason, since) SELECT 'junk-' || number, 'both', '', 0 FROM junk",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let server = world.start().await;
    let status = server.pause("one-more", None).await.unwrap_err();
    assert!(waits(&status), "{status}");
    for name in ["", "web-1", "junk-5"] {
        server.pause(name, None).await.unwrap();
    }
    // Room comes back with each that is taken back.
    assert!(server.resume("junk-1").await);
    server.pause("one-more", None).await.unwrap();
    server.stop().await;
}

fn policy(scale_up_cpu: f64, of: Policy) -> Policy {
    Policy {
        strategy: Strategy::Threshold.into(),
        scale_up_cpu,
        ..of
    }
}

#[tokio::test]
async fn nothing_is_applied_over_the_policy_of_the_file() {
    let mut world = World::new();
    let server = world.start().await;
    let configured = server.policy().await;
    let base = configured.policy.clone().unwrap();
    let applied = server.apply(policy(40.0, base.clone())).await.unwrap();
    assert_eq!(server.policy().await.version, applied.version);
    server.stop().await;

    // The next start finds a policy in the file.
    world.pinned = true;
    let server = world.start().await;
    let in_force = server.policy().await;
    assert_eq!(
        (in_force.version.as_str(), in_force.source.as_str()),
        (configured.version.as_str(), "configuration")
    );
    let status = server.apply(policy(41.0, base)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status.message().contains("`policy.source: store`"),
        "{status}"
    );
    assert_eq!(server.policy().await.version, configured.version);
    server.stop().await;

    world.pinned = false;
    let server = world.start().await;
    assert_eq!(server.policy().await.version, applied.version);
    server.stop().await;
}

#[tokio::test]
async fn the_history_of_policies_is_pruned_and_what_decided_is_kept() {
    let world = World::new();
    let server = world.start().await;
    let base = server.policy().await.policy.unwrap();
    let first = server.apply(policy(40.0, base.clone())).await.unwrap();
    let decided = server.decide(world.request("tick-1", 20.0)).await.unwrap();
    assert_eq!(decided.policy_version, first.version);
    server.stop().await;
    // As 9,999 further calls would leave it.
    let database = format!("sqlite://{}", world.database().display());
    let pool = sqlx::SqlitePool::connect(&database).await.unwrap();
    for statement in [
        "WITH RECURSIVE junk (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM junk WHERE number < 9999)
         INSERT INTO policies (version, document, first_used)
         SELECT 'junk-' || number, (SELECT document FROM policies LIMIT 1), 0 FROM junk",
        "INSERT INTO policy_applications (version, applied_at) SELECT version, 0 FROM policies WHERE version LIKE 'junk-%'",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    let server = world.start().await;
    let last = server.apply(policy(42.0, base)).await.unwrap();
    assert_eq!(server.policy().await.version, last.version);
    server.explain(&decided.decision_id).await.unwrap();
    let (policies,): (i64,) = sqlx::query_as("SELECT count(*) FROM policies")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(policies <= 102, "{policies}");
    pool.close().await;
    server.stop().await;
}
