//! Reviews of targets' pasts: the first as soon as all of a target's past is read, then a few at each tick, so that every
//! target has its turn and no tick has many.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::clock::Moment;
use futures::FutureExt as _;

use super::{
    act::TickBounds,
    known::{Gathered, Gathering},
};
use crate::{
    bounded::run_all,
    config::Window,
    context::Context,
    domain::{ReviewQuestion, Sizing},
    metrics::ErrorKind,
    samples::steps,
};

/// A review is made again after it.
const EVERY: Duration = Duration::from_secs(12 * 3_600);
/// In so many ticks all targets have had a turn: six hours of ticks of five minutes.
const TICKS: usize = 72;
/// So many are asked about for the first time in a tick, at most: without a review no machine becomes smaller.
const FIRST: usize = 200;
/// Reviews at the same time: each computes for some ten milliseconds.
const CONCURRENCY: usize = 2;

/// Whose turn it is.
#[derive(Debug)]
pub struct Reviews {
    /// The history that they are made from.
    window: Window,
    /// That it is short is said once.
    said: AtomicBool,
    /// When each target was asked about last in this process.
    asked: Mutex<HashMap<String, Moment>>,
}

impl Reviews {
    /// Nobody was asked about.
    pub fn over(window: Window) -> Self {
        Self {
            window,
            said: AtomicBool::new(false),
            asked: Mutex::default(),
        }
    }

    /// Has those targets reviewed whose turn it is. What fails is tried again when it is their turn again.
    pub async fn run(&self, context: &Context, tick: TickBounds<'_>, gathering: &Gathering<'_>) {
        if gathering.policy.sizing != Sizing::ByReviews {
            return;
        }
        if let Err(short) = self.window.holds_reviews()
            && !self.said.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("{short}");
        }
        let due = self.due(context, &gathering.targets);
        let one = |gathered| self.review(context, tick, gathering, gathered).boxed();
        run_all(CONCURRENCY, due.into_iter().map(one).collect()).await;
    }

    /// The targets that were never asked about, of which a tick has many, then those that wait longest.
    fn due<'a, 'b>(&self, context: &Context, targets: &'b [Gathered<'a>]) -> Vec<&'b Gathered<'a>> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |gathered: &&Gathered<'_>| asked.get(&gathered.target.id).copied();
        let mut due: Vec<_> = targets
            .iter()
            .filter(|gathered| {
                gathered
                    .knowledge
                    .series()
                    .is_some_and(|series| !series.is_part)
            })
            .filter(|gathered| at(gathered).is_none_or(|at| context.clock.since(at) >= EVERY))
            .collect();
        due.sort_by_key(at);
        let new = due.partition_point(|gathered| at(gathered).is_none());
        due.truncate(of_a_tick(targets.len(), new));
        due
    }

    async fn review(
        &self,
        context: &Context,
        tick: TickBounds<'_>,
        gathering: &Gathering<'_>,
        gathered: &Gathered<'_>,
    ) {
        let Some(series) = gathered.knowledge.series() else {
            return;
        };
        let now = context.clock.monotonic();
        // Who is left over is asked about at the next tick.
        if now >= tick.deadline {
            return;
        }
        self.note(&gathered.target.id, now);
        let question = ReviewQuestion {
            target: gathered.target,
            demand: steps::demand(series),
            memory_peak_mib: gathered
                .knowledge
                .observation()
                .and_then(|seen| seen.memory_peak_mib),
            instance_types: gathering.types_for(gathered),
            lease_epoch: tick.lease_epoch,
        };
        let target_id = &gathered.target.id;
        match context.peers.decision.review(&question).await {
            Ok(None) => tracing::debug!(target_id, "reviewed"),
            Ok(Some(why)) => tracing::info!(target_id, why, "not reviewed"),
            Err(error) => {
                tracing::warn!(target_id, %error, "not reviewed");
                context.metrics.error(ErrorKind::Decision);
            }
        }
    }

    fn note(&self, target_id: &str, now: Moment) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(target_id.to_owned(), now);
    }
}

/// How many are asked about at a tick, of whom so many are `new`.
fn of_a_tick(targets: usize, new: usize) -> usize {
    targets.div_ceil(TICKS).max(new.min(FIRST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_fleet_is_reviewed_at_once_and_no_tick_has_many() {
        for (targets, new, expected) in [
            (3, 3, 3),
            (3, 0, 1),
            (1_000, 1_000, 200),
            (1_000, 150, 150),
            (10_000, 10_000, 200),
            (10_000, 50, 139),
            (20_000, 20_000, 278),
        ] {
            assert_eq!(of_a_tick(targets, new), expected, "{targets}, {new}");
        }
    }
}
