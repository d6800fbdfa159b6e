//! What is kept of each target from tick to tick: the predictor's calibration, and forecasts that wait for their outcome.
//! All of it may be lost.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    domain::{Forecast, Series},
    memory::hindsight::{Pending, Tally},
};

/// The predictor refuses larger ones.
const LARGEST_STATE: usize = 64 * 1024;

/// Memories of all targets, by target id.
#[derive(Debug, Default)]
pub struct TargetMemories {
    inner: Mutex<HashMap<String, TargetMemory>>,
}

#[derive(Debug, Default)]
struct TargetMemory {
    instance_type: String,
    pending: Pending,
    /// The state and the capacity that it was made for.
    calibration: Option<(Vec<u8>, f64)>,
}

/// How pairs of forecast and outcome did, by horizon in seconds.
pub type Tallies = BTreeMap<u32, Tally>;

impl TargetMemories {
    fn inner(&self) -> MutexGuard<'_, HashMap<String, TargetMemory>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calibration to send along with `series` of a target that is of `instance_type`; empty when there is none that
    /// fits. Percent of another type or of another capacity would be misread.
    pub fn calibration(&self, target_id: &str, instance_type: &str, series: &Series) -> Vec<u8> {
        let inner = self.inner();
        let memory = inner
            .get(target_id)
            .filter(|memory| memory.instance_type == instance_type);
        match memory.and_then(|memory| memory.calibration.as_ref()) {
            Some((state, capacity)) if *capacity == series.capacity_percent => state.clone(),
            _ => Vec::new(),
        }
    }

    /// Judges what `series` has an outcome for, then remembers `forecast`, which was made from it, and takes its
    /// calibration out. Another type than before ends what was pending.
    pub fn note(
        &self,
        target_id: &str,
        instance_type: &str,
        series: &Series,
        forecast: Option<&mut Forecast>,
        tallies: &mut Tallies,
    ) {
        let mut inner = self.inner();
        let memory = inner.entry(target_id.to_owned()).or_default();
        if memory.instance_type != instance_type {
            *memory = TargetMemory {
                instance_type: instance_type.to_owned(),
                ..TargetMemory::default()
            };
        }
        for pair in memory.pending.settle(series) {
            tallies
                .entry(pair.promise.horizon_seconds)
                .or_default()
                .add(&pair);
        }
        if let Some(forecast) = forecast {
            let state = std::mem::take(&mut forecast.calibration_state);
            // What was learned of a part would stand for the whole.
            memory.calibration = ((1..=LARGEST_STATE).contains(&state.len()) && !series.is_part)
                .then_some((state, series.capacity_percent));
            if let Some(issued) = &forecast.issued {
                memory.pending.push(issued.clone());
            }
        }
    }

    /// Forgets a target that is gone.
    pub fn forget(&self, target_id: &str) {
        self.inner().remove(target_id);
    }

    /// Targets, and forecasts that wait.
    pub fn size(&self) -> (usize, usize) {
        let inner = self.inner();
        let pending = inner.values().map(|memory| memory.pending.len()).sum();
        (inner.len(), pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Issued, Promise};

    /// A forecast made at `origin` (seconds): in 600 s 47, q90 55 at the horizon and 49 of the peak, where 60 was last.
    fn forecast(origin: i64, state: &[u8]) -> Forecast {
        Forecast {
            issued: Some(Issued {
                origin,
                last: 60.0,
                step_seconds: 300,
                promises: vec![Promise {
                    horizon_seconds: 600,
                    point: 47.0,
                    level_q90: Some(55.0),
                    peak_q90: Some(49.0),
                    peak_q95: None,
                }],
            }),
            calibration_state: state.to_vec(),
            ..Forecast::default()
        }
    }

    fn series(until: i64, capacity_percent: f64) -> Series {
        let timestamps: Vec<i64> = (0..=until / 300).map(|index| index * 300).collect();
        Series {
            cpu_percent: vec![50.0; timestamps.len()],
            timestamps,
            capacity_percent,
            ..Series::default()
        }
    }

    fn note(
        memories: &TargetMemories,
        instance_type: &str,
        until: i64,
        state: &[u8],
    ) -> (Tallies, Forecast) {
        let mut tallies = Tallies::new();
        let mut answer = forecast(until, state);
        memories.note(
            "web",
            instance_type,
            &series(until, 100.0),
            Some(&mut answer),
            &mut tallies,
        );
        (tallies, answer)
    }

    #[test]
    fn calibration_travels_to_the_next_tick_and_not_to_the_decision() {
        let memories = TargetMemories::default();
        assert!(
            memories
                .calibration("web", "t3.small", &series(0, 100.0))
                .is_empty()
        );
        let (_, answer) = note(&memories, "t3.small", 0, b"state");
        assert!(answer.calibration_state.is_empty(), "it was taken out");
        let carried = |instance_type, capacity| {
            memories.calibration("web", instance_type, &series(300, capacity))
        };
        assert_eq!(carried("t3.small", 100.0), b"state");
        assert!(carried("t3.large", 100.0).is_empty(), "of another type");
        assert!(carried("t3.small", 200.0).is_empty(), "of another capacity");
        let part = Series {
            is_part: true,
            ..series(0, 100.0)
        };
        let mut answer = forecast(0, b"short");
        let tallies = &mut Tallies::new();
        memories.note("web", "t3.small", &part, Some(&mut answer), tallies);
        assert!(carried("t3.small", 100.0).is_empty(), "of a part of it");
        note(&memories, "t3.small", 300, &[7; LARGEST_STATE + 1]);
        assert!(
            carried("t3.small", 100.0).is_empty(),
            "the predictor would refuse it"
        );
        note(&memories, "t3.small", 600, b"state");
        memories.forget("web");
        assert!(carried("t3.small", 100.0).is_empty());
        assert_eq!(memories.size(), (0, 0));
    }

    #[test]
    fn outcomes_are_counted_at_a_later_tick() {
        let memories = TargetMemories::default();
        assert!(note(&memories, "t3.small", 0, b"").0.is_empty());
        assert!(note(&memories, "t3.small", 300, b"").0.is_empty());
        let (tallies, _) = note(&memories, "t3.small", 600, b"");
        let tally = tallies[&600];
        assert_eq!(tally.outcomes, 1);
        assert_eq!((tally.error, tally.persistence_error), (3.0, 10.0));
        assert_eq!((tally.level_q90.covered, tally.peak_q90.covered), (1, 0));
        assert_eq!(memories.size(), (1, 2));
    }

    #[test]
    fn a_resize_ends_what_was_pending() {
        let memories = TargetMemories::default();
        note(&memories, "t3.small", 0, b"");
        let (tallies, _) = note(&memories, "t3.large", 600, b"");
        assert!(tallies.is_empty(), "{tallies:?}");
        assert_eq!(memories.size(), (1, 1));
    }

    #[test]
    fn outcomes_count_without_a_new_forecast_too() {
        let memories = TargetMemories::default();
        note(&memories, "t3.small", 0, b"");
        let mut tallies = Tallies::new();
        memories.note("web", "t3.small", &series(900, 100.0), None, &mut tallies);
        assert_eq!(tallies[&600].outcomes, 1);
    }
}
