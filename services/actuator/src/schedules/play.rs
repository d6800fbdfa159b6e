//! Plays schedules, one or all.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use super::{faults::Fault, stage::Stage};
use crate::journal::{Store, memory::MemoryStore};

/// Plays one schedule; returns how many crash points it had, and how many of the crashes happened.
pub async fn play(
    fault: &Fault,
    crash_at: &[u32],
    inner: Arc<dyn Store>,
) -> Result<(u32, u32), String> {
    let stage = Stage::new(inner, crash_at);
    (fault.prepare)(&stage.fake);
    let named = |error: String| format!("{}, crashes at {crash_at:?}: {error}", fault.name);
    let ending = stage.run(fault.then).await.map_err(named)?;
    stage.judge(fault, &ending).await.map_err(|error| {
        let story: Vec<String> = ending
            .lines
            .iter()
            .map(|line| format!("\n  {:?} {}: {}", line.kind, line.step, line.detail))
            .collect();
        named(format!("{error}{}", story.concat()))
    })?;
    Ok((stage.store.points.load(Ordering::Relaxed), ending.crashes))
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Plays `schedules` on all cores; returns how many there were.
pub fn all(faults: &[Fault], crashes: impl Fn(&Fault) -> Vec<Vec<u32>> + Sync) -> usize {
    let next = AtomicU32::new(0);
    let count = AtomicU32::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runtime = runtime();
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    for crash_at in crashes(fault) {
                        let store = Arc::new(MemoryStore::default());
                        if let Err(failure) = runtime.block_on(play(fault, &crash_at, store)) {
                            failures.lock().unwrap().push(failure);
                            break;
                        }
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    count.into_inner() as usize
}

/// How many crash points a fault has when nothing crashes.
pub fn points(fault: &Fault) -> u32 {
    let store = Arc::new(MemoryStore::default());
    let played = runtime().block_on(play(fault, &[], store));
    played.map_or(0, |(points, _)| points)
}

/// None, and one at each point.
pub fn with_each_crash(fault: &Fault) -> Vec<Vec<u32>> {
    let crashes = (0..points(fault)).map(|point| vec![point]);
    std::iter::once(Vec::new()).chain(crashes).collect()
}
