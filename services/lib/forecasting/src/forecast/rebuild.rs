//! Which questions one series asks of the model: its present, and where nothing is known yet, its past.

use super::{
    answer::Source,
    prepared::{Prepared, outcome},
    question::Question,
};
use crate::{
    calibration::{RawForecast, Served, Targets, Track},
    features::View,
    local::{LocalModel, LocalPass},
    series::history::History,
};

/// Past origins that are forecast again where there is no calibration.
const PAST_ORIGINS: usize = 80;
/// How they thin out with their distance: it grows with this power of their number. What happened lately says most.
const THINNING: i32 = 3;
/// How far back they lie at most, and the series' own model learns.
const PAST_SECONDS: usize = 7 * 86_400;
/// Distance of the origins that the series' own model learns from, in seconds: as samples arrive, and when it is built
/// anew. The second is no divisor of an hour, so that every phase of hourly jobs is met.
const CARRIED_STRIDE_SECONDS: u32 = 300;
pub const REBUILT_STRIDE_SECONDS: u32 = 1_500;

/// What is asked for one horizon.
pub struct Asked {
    horizon_seconds: u32,
    steps: usize,
    /// Origins with their questions: past ones ascending, the present last.
    origins: Vec<usize>,
    /// What the series' own model learned meanwhile.
    local: LocalModel,
    local_next: usize,
}

/// Teaches the series' own model for `horizon_seconds` and collects the questions into `questions`.
pub fn ask<'a>(
    prepared: &'a Prepared,
    position: usize,
    horizon_seconds: u32,
    least_history_seconds: u32,
    questions: &mut Vec<Question<'a>>,
) -> Asked {
    let history = &prepared.history;
    let step = prepared.step_seconds;
    let steps = (horizon_seconds / step) as usize;
    let last = prepared.last();
    let track = &prepared.calibration.tracks[position];
    let carried = prepared.source == Source::Carried;
    let (mut pass, past) = if carried {
        let stride = (CARRIED_STRIDE_SECONDS / step) as usize;
        let next = prepared.index_of_next(track.local_next_seconds);
        let pass = LocalPass::resume(history, 0, steps, stride, next, track.local.clone());
        (pass, Vec::new())
    } else {
        let stride = (REBUILT_STRIDE_SECONDS / step) as usize;
        let start = (last + 1)
            .saturating_sub(PAST_SECONDS / step as usize + steps)
            .max(history.steps(60));
        let pass = LocalPass::resume(history, 0, steps, stride, start, LocalModel::default());
        let past = past_origins(history, last, steps, least_history_seconds);
        (pass, past)
    };
    let mut origins = Vec::with_capacity(past.len() + 1);
    for origin in past.into_iter().chain([last]) {
        if let Some(view) = View::new(history, origin, 0) {
            origins.push(origin);
            questions.push(Question {
                view,
                horizon_seconds,
                step_seconds: step,
                local: pass.at(&view),
            });
        }
    }
    Asked {
        horizon_seconds,
        steps,
        origins,
        local_next: pass.next(),
        local: pass.into_model(),
    }
}

impl Asked {
    /// How many questions.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Brings `track` up to date with the model's answers and returns the forecast of now; `None` when the present is
    /// not known.
    pub fn settle(
        self,
        targets: &Targets,
        prepared: &Prepared,
        track: &mut Track,
        answers: &[RawForecast],
    ) -> Option<Served> {
        track.local = self.local;
        track.local_next_seconds = prepared.last_seconds
            + (self.local_next as i64 - prepared.last() as i64) * i64::from(prepared.step_seconds);
        track.settle_due(
            targets,
            self.horizon_seconds,
            prepared.last_seconds,
            |origin| prepared.came(origin, self.steps),
        );
        let mut now = None;
        for (origin, answer) in self.origins.iter().zip(answers) {
            let seconds = prepared.seconds(*origin);
            let (served, pending) = track.serve(targets, seconds, answer, self.steps == 1);
            if *origin == prepared.last() {
                track.wait(pending, self.horizon_seconds);
                now = Some(served);
            } else {
                let outcome = outcome(&prepared.history, *origin, self.steps);
                track.settle(targets, &pending, outcome);
            }
        }
        now
    }
}

/// Past origins whose value and outcome are known at `last`, oldest first.
fn past_origins(
    history: &History,
    last: usize,
    steps: usize,
    least_history_seconds: u32,
) -> Vec<usize> {
    let step = history.step_seconds();
    let least = (least_history_seconds / step) as usize;
    let Some(newest) = last.checked_sub(steps) else {
        return Vec::new();
    };
    let reach = newest
        .saturating_sub(least)
        .min(PAST_SECONDS / step as usize);
    if newest < least {
        return Vec::new();
    }
    // Newest first. After a gap they are dense where it began.
    let known: Vec<usize> = (newest - reach..=newest)
        .rev()
        .filter(|origin| {
            !history.value(*origin).is_nan() && outcome(history, *origin, steps).is_known()
        })
        .collect();
    let Some(room) = known.len().checked_sub(1) else {
        return Vec::new();
    };
    let back = |turn: usize| {
        let share = turn as f64 / PAST_ORIGINS as f64;
        // Near the present no two are the same.
        turn.max((share.powi(THINNING) * room as f64) as usize)
    };
    let mut origins: Vec<usize> = (0..PAST_ORIGINS)
        .map(back)
        .take_while(|back| *back <= room)
        .map(|back| known[back])
        .collect();
    origins.reverse();
    origins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(points: usize) -> Vec<usize> {
        past_origins(&History::new(300, vec![1.0; points]), points - 1, 12, 3_600)
    }

    #[test]
    fn past_origins_are_dense_lately_and_reach_a_week_back() {
        let all = origins(4_000);
        assert_eq!(all.len(), PAST_ORIGINS);
        assert!(all.is_sorted_by(|left, right| left < right));
        // The outcome of the newest is just known.
        assert_eq!(all.last(), Some(&(3_999 - 12)));
        let back: Vec<usize> = all.iter().map(|origin| 3_999 - 12 - origin).collect();
        assert!((1_900..=2_016).contains(&back[0]), "{back:?}");
        let last_day = back.iter().filter(|back| **back < 288).count();
        assert!((36..=48).contains(&last_day), "{back:?}");
    }

    #[test]
    fn after_a_gap_they_are_dense_where_it_began() {
        let mut values = vec![1.0; 1_000];
        values[600..999].fill(f32::NAN);
        let history = History::new(300, values);
        let all = past_origins(&history, 999, 12, 3_600);
        assert_eq!(all.len(), PAST_ORIGINS);
        let near = all.iter().filter(|origin| **origin >= 500).count();
        assert!(near > 30, "{all:?}");
    }

    #[test]
    fn of_a_short_history_every_origin_is_used_once() {
        assert_eq!(origins(60), (12..=47).collect::<Vec<_>>());
        assert!(origins(12).is_empty());
    }
}
