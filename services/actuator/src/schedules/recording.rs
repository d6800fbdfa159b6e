//! Writes what processes of this version leave, taken at every step of a resize: the files that `recorded.rs` reads.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    scene::{FROM, TARGET},
    stage::Stage,
};
use crate::{
    cloud::{ErrorKind, InstanceState, Operation},
    config::Config,
    fake::{Deed, Effect, FakeCloud, Timing},
    journal::{Admission, Line, Record, SqlStore, Store, memory::MemoryStore},
    resize::{Breadcrumb, Resize},
};

/// What the cloud looked like when the process that wrote a row ended.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Machine {
    pub resize_id: String,
    pub instance_id: String,
    pub scenario: String,
    /// Where the row says it is, and whether a call was under way; for those who read this file.
    pub step: String,
    pub in_flight: bool,
    pub state: InstanceState,
    pub instance_type: String,
    pub tag: Option<String>,
    /// Types without room, and types that fail their checks.
    pub no_capacity: Vec<String>,
    pub impaired: Vec<String>,
}

/// A way through a resize, up to so many crash points.
#[derive(Clone)]
pub struct Scenario {
    pub name: &'static str,
    pub prepare: fn(&FakeCloud),
    pub no_capacity: &'static [&'static str],
    pub impaired: &'static [&'static str],
    pub points: u32,
    /// What is asked for, of what is usual.
    pub asked: fn(&mut Record),
}

pub const ANY: &[&str] = &[
    "t3.nano",
    "t3.micro",
    "t3.small",
    "t3.medium",
    "t3.large",
    "t3.xlarge",
    "t3.2xlarge",
];

fn scenarios() -> Vec<Scenario> {
    let scenario = |name, prepare| Scenario {
        name,
        prepare,
        no_capacity: &[],
        impaired: &[],
        points: 80,
        asked: |_| {},
    };
    vec![
        scenario("plain", |_| {}),
        Scenario {
            asked: |record| record.dry_run = true,
            ..scenario("dry run", |_| {})
        },
        Scenario {
            asked: |record| {
                let crumb = record.machine.breadcrumb(&record.request.resize_id);
                record.machine =
                    Resize::recover(&crumb, "123456789012", true, Config::default().limits());
            },
            ..scenario("found by its tag", |fake| {
                for instance in fake.instances() {
                    fake.somebody(&instance.instance_id, Deed::Stop);
                    fake.somebody(
                        &instance.instance_id,
                        Deed::Edit(|instance| {
                            instance.tags.insert(
                                Breadcrumb::TAG.to_owned(),
                                "id=lost from=t3.small to=t3.medium".to_owned(),
                            );
                        }),
                    );
                }
            })
        },
        Scenario {
            no_capacity: &[TARGET],
            ..scenario("no capacity for the target", |_| {})
        },
        Scenario {
            no_capacity: &[TARGET, FROM],
            ..scenario("no capacity for target and old", |_| {})
        },
        Scenario {
            no_capacity: ANY,
            points: 260,
            ..scenario("no capacity anywhere", |_| {})
        },
        Scenario {
            impaired: &[TARGET],
            ..scenario("the target fails its checks", |_| {})
        },
        scenario("the target never boots", |fake| {
            fake.set_boots(TARGET, false);
        }),
        scenario("the stop takes 20 minutes", |fake| {
            fake.set_timing(Timing {
                stop: Duration::from_secs(1_200),
                ..Timing::default()
            });
        }),
        scenario("no stop has an effect", |fake| {
            fake.inject_calls(Operation::Stop, 1..=3, Effect::DropBefore);
        }),
        scenario("the first start is not permitted", |fake| {
            fake.inject_calls(
                Operation::Start,
                1..=1,
                Effect::Fail(ErrorKind::Unauthorized),
            );
        }),
        scenario("somebody starts it midway", |fake| {
            fake.inject_calls(Operation::ModifyType, 1..=1, Effect::Somebody(Deed::Start));
        }),
        scenario("somebody changes its type midway", |fake| {
            fake.inject_calls(
                Operation::ModifyType,
                1..=1,
                Effect::Somebody(Deed::Edit(|instance| {
                    "t3.large".clone_into(&mut instance.instance_type);
                })),
            );
        }),
        scenario("a user stops it before we do", |fake| {
            fake.inject_calls(Operation::SetTag, 1..=1, Effect::Somebody(Deed::Stop));
        }),
        scenario("terminated midway", |fake| {
            fake.inject_calls(Operation::Start, 1..=1, Effect::Somebody(Deed::Terminate));
        }),
        scenario("stop protection", |fake| {
            fake.inject_calls(Operation::Stop, 1..=9, Effect::Fail(ErrorKind::Protected));
        }),
        scenario("the tag is slow to come off", |fake| {
            fake.inject_calls(
                Operation::RemoveTag,
                1..=3,
                Effect::Fail(ErrorKind::Throttled),
            );
        }),
        scenario("every call loses its answer once", |fake| {
            for operation in [
                Operation::SetTag,
                Operation::Stop,
                Operation::ModifyType,
                Operation::Start,
                Operation::RemoveTag,
            ] {
                fake.inject_calls(operation, 1..=1, Effect::DropAfter);
            }
        }),
    ]
}

/// What a process left that ended at a point, while nobody took over.
pub struct Interrupted {
    pub record: Record,
    pub lines: Vec<Line>,
    pub machine: Machine,
    pub ended: bool,
}

/// What is left by a process that ends at `point`.
pub async fn interrupt(scenario: &Scenario, point: u32, number: usize) -> Interrupted {
    let inner = Arc::new(MemoryStore::default());
    let stage = Stage::new(Arc::clone(&inner) as Arc<dyn Store>, &[point]);
    let instance_id = format!("i-{number:017x}");
    let resize_id = format!("recorded-{number:04}");
    stage.fake.add_instance(&instance_id, FROM);
    for name in scenario.no_capacity {
        stage.fake.set_capacity(name, false);
    }
    for name in scenario.impaired {
        stage.fake.set_healthy(name, false);
    }
    (scenario.prepare)(&stage.fake);
    let (journal, executor) = stage.process();
    let mut record = Stage::request();
    record.request.instance_id.clone_from(&instance_id);
    record.request.resize_id.clone_from(&resize_id);
    record.request.lease_epoch = 6;
    (scenario.asked)(&mut record);
    let Ok(Admission::New(record)) = journal.admit(record, None).await else {
        panic!("not taken on");
    };
    let ended = tokio::select! {
        biased;
        () = stage.store.crashed.notified() => false,
        () = executor.run(record, None) => true,
    };
    let record = inner.get(&resize_id).await.unwrap().unwrap();
    let tag = stage.fake.tags(&instance_id).remove(Breadcrumb::TAG);
    Interrupted {
        lines: inner.lines(&resize_id).await.unwrap(),
        machine: Machine {
            scenario: scenario.name.to_owned(),
            step: record.machine.step().to_string(),
            in_flight: record.machine.under_way_since().is_some(),
            state: stage.fake.state(&instance_id).unwrap(),
            instance_type: stage.fake.instance_type(&instance_id).unwrap(),
            tag,
            no_capacity: owned(scenario.no_capacity),
            impaired: owned(scenario.impaired),
            resize_id,
            instance_id,
        },
        record,
        ended,
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub fn document(record: &Record) -> serde_json::Value {
    serde_json::to_value(&record.machine).unwrap()
}

/// Removes fields, however deep.
fn strip(value: &mut serde_json::Value, names: &[&str]) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(&name.as_str()));
            fields.values_mut().for_each(|field| strip(field, names));
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| strip(item, names)),
        _ => {}
    }
}

/// Alike are rows that differ in their times only, or in how often the whole ladder has failed.
fn kind(interrupted: &Interrupted) -> String {
    let mut document = document(&interrupted.record);
    let round = document.pointer("/state/after_stop/1/round");
    let goes_round = round.is_some_and(|round| *round != 0);
    let times = [
        "limits",
        "waited",
        "looks",
        "pause",
        "tries",
        "error",
        "missing",
        "unconfirmed",
        "since",
        "sent_at",
    ];
    strip(&mut document, &times);
    let Machine {
        state,
        instance_type,
        tag,
        ..
    } = &interrupted.machine;
    let mut instance_type = instance_type.as_str();
    if goes_round {
        strip(&mut document, &["rung", "round", "seen_type"]);
        instance_type = "";
    }
    format!("{document} {state} {instance_type} {}", tag.is_some())
}

#[tokio::test]
#[ignore = "writes the files that the other tests read: RECORD_TO=FOLDER, with the code of the version to be recorded"]
async fn record_a_journal_of_this_version() {
    let folder = std::env::var("RECORD_TO").unwrap();
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("actuator.db");
    let store = SqlStore::open(&path.display().to_string()).await.unwrap();
    let mut machines: Vec<Machine> = Vec::new();
    let mut kinds = BTreeSet::new();
    for scenario in scenarios() {
        for point in 0..scenario.points {
            let interrupted = interrupt(&scenario, point, machines.len() + 1).await;
            let ended = interrupted.ended;
            if kinds.insert(kind(&interrupted)) {
                write(&store, &interrupted).await;
                machines.push(interrupted.machine);
            }
            if ended {
                break;
            }
        }
    }
    store.close().await;
    std::fs::remove_file(folder.join("actuator.db.lock")).unwrap();
    let text = serde_json::to_string_pretty(&machines).unwrap();
    std::fs::write(folder.join("machines.json"), text + "\n").unwrap();
    eprintln!("{} rows", machines.len());

    // As a kill leaves it: what was written last stands in the log beside the file.
    let killed = tempfile::tempdir().unwrap();
    let path = killed.path().join("actuator.db");
    let store = SqlStore::open(&path.display().to_string()).await.unwrap();
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let plain = &scenarios()[0];
    let at = |step: &str| {
        machines.iter().position(|machine| {
            machine.scenario == plain.name && machine.step == step && machine.in_flight
        })
    };
    let number = at("modify").unwrap() + 1;
    let mut point = 0;
    let interrupted = loop {
        let interrupted = interrupt(plain, point, number).await;
        if interrupted.machine.step == "modify" && interrupted.machine.in_flight {
            break interrupted;
        }
        point += 1;
    };
    write(&store, &interrupted).await;
    let folder = folder.join("killed");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["actuator.db", "actuator.db-wal"] {
        std::fs::copy(killed.path().join(name), folder.join(name)).unwrap();
    }
    let text = serde_json::to_string_pretty(&[interrupted.machine]).unwrap();
    std::fs::write(folder.join("machines.json"), text + "\n").unwrap();
}

pub async fn write(store: &SqlStore, interrupted: &Interrupted) {
    let request = interrupted.record.request.clone();
    let record = &interrupted.record;
    let machine = record.machine.clone();
    let new = Record::new(request, record.dry_run, machine, record.created_at);
    assert!(matches!(
        store.admit(&new, None).await,
        Ok(Ok(Admission::New(_)))
    ));
    store.write(record, &interrupted.lines).await.unwrap();
}
