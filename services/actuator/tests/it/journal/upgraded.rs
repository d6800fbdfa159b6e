//! The journal of an older version, with a resize at every step, under this one's binary and the machine's own clock.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use actuator::cloud::{InstanceState, Machines as _};
use proto::actuator::v1::{ListResizesRequest, ResizePhase};
use serde::Deserialize;
use simulator::cloud::{Deed, Timing};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use testkit::wait::until;

use crate::support::{Site, TAG};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/08c3a3d");

/// As `src/schedules/recorded.rs` writes it.
#[derive(Debug, Deserialize)]
struct Machine {
    instance_id: String,
    scenario: String,
    state: InstanceState,
    instance_type: String,
    tag: Option<String>,
}

#[tokio::test]
async fn every_machine_of_a_journal_of_08c3a3d_runs() {
    let mut site = Site::new().await;
    let fixtures = Path::new(FIXTURES);
    let text = std::fs::read_to_string(fixtures.join("machines.json")).unwrap();
    let machines: Vec<Machine> = serde_json::from_str(&text).unwrap();
    // Time for those that are on their way to be so.
    site.fake.set_timing(Timing::faster(1_000));
    for machine in &machines {
        let id = &machine.instance_id;
        site.fake.add_instance(id, &machine.instance_type);
        if let Some(tag) = &machine.tag {
            site.fake.set_tag(id, TAG, tag).await.unwrap();
        }
        if machine.state.is_gone() {
            site.fake.somebody(id, Deed::Terminate);
        } else if machine.state != InstanceState::Running {
            site.fake.somebody(id, Deed::Stop);
        }
    }
    until("they are so", async || {
        let mut states = machines
            .iter()
            .map(|machine| site.fake.state(&machine.instance_id).unwrap());
        states.all(|state| {
            matches!(state, InstanceState::Running | InstanceState::Stopped) || state.is_gone()
        })
    })
    .await;
    site.fake.set_timing(Timing::faster(50));
    for machine in &machines {
        match machine.state {
            InstanceState::Pending => site.fake.somebody(&machine.instance_id, Deed::Start),
            InstanceState::Stopping => {
                site.fake.somebody(&machine.instance_id, Deed::Start);
                site.fake.somebody(&machine.instance_id, Deed::Stop);
            }
            _ => {}
        }
    }
    let journal = site.journal();
    std::fs::create_dir_all(journal.parent().unwrap()).unwrap();
    std::fs::copy(fixtures.join("actuator.db"), &journal).unwrap();
    // Rows carry the waits that they began with; here nobody has minutes.
    let mut connection = SqliteConnectOptions::new()
        .filename(&journal)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql(
        "UPDATE resizes SET document = json_set(document, '$.machine.limits.poll.secs', 1,
             '$.machine.limits.settle.secs', 3, '$.machine.limits.first_pause.secs', 1,
             '$.machine.limits.longest_pause.secs', 2, '$.machine.monitoring_enabled', json('false'))",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    for key in [
        "READS_PER_SECOND",
        "READ_BURST",
        "CHANGES_PER_SECOND",
        "CHANGE_BURST",
    ] {
        site.set(&format!("AUTOSCALER__ACTUATOR__LIMITS__{key}"), "1000");
    }

    let mut actuator = site.boot().await;
    let start = Instant::now();
    let request = ListResizesRequest {
        active_only: true,
        page_size: 1_000,
        ..ListResizesRequest::default()
    };
    loop {
        let active = actuator.client.list_resizes(request.clone()).await.unwrap();
        let active = active.into_inner().resizes;
        if active.is_empty() {
            break;
        }
        let still: Vec<_> = active
            .iter()
            .map(|one| (&one.instance_id, one.phase()))
            .collect();
        assert!(
            start.elapsed() < Duration::from_secs(90),
            "{still:?}: {}",
            actuator.process.log()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    actuator.serves().await;
    for machine in &machines {
        let id = &machine.instance_id;
        let state = site.fake.state(id).unwrap();
        let a_user_stopped_it = machine.scenario == "a user stops it before we do"
            && machine.state != InstanceState::Running;
        let good = match machine.state {
            gone if gone.is_gone() => state.is_gone(),
            _ if a_user_stopped_it => state == InstanceState::Stopped,
            _ => state == InstanceState::Running,
        };
        assert!(good, "{machine:?}: {state}");
        if !state.is_gone() {
            assert!(!site.fake.tags(id).contains_key(TAG), "{machine:?}");
        }
    }
    let all = ListResizesRequest {
        active_only: false,
        ..request
    };
    let all = actuator
        .client
        .list_resizes(all)
        .await
        .unwrap()
        .into_inner()
        .resizes;
    // And one that its tag told of.
    assert!(all.len() >= machines.len(), "{}", all.len());
    let unended = all
        .iter()
        .filter(|one| one.phase() == ResizePhase::Unspecified);
    assert_eq!(unended.count(), 0);
}
