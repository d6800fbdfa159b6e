//! Reviews of targets' pasts, a few at each tick: every target has its turn, and no tick has many.

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
        let now = context.clock.monotonic();
        let due = self.due(context, now, &gathering.targets);
        let one = |gathered| review(context, tick, gathering, gathered).boxed();
        run_all(CONCURRENCY, due.into_iter().map(one).collect()).await;
    }

    /// The targets that wait longest, those that were never asked about first.
    fn due<'a, 'b>(
        &self,
        context: &Context,
        now: Moment,
        targets: &'b [Gathered<'a>],
    ) -> Vec<&'b Gathered<'a>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
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
        due.truncate(targets.len().div_ceil(TICKS));
        for gathered in &due {
            asked.insert(gathered.target.id.clone(), now);
        }
        due
    }
}

async fn review(
    context: &Context,
    tick: TickBounds<'_>,
    gathering: &Gathering<'_>,
    gathered: &Gathered<'_>,
) {
    let Some(series) = gathered.knowledge.series() else {
        return;
    };
    if context.clock.monotonic() >= tick.deadline {
        return;
    }
    let question = ReviewQuestion {
        target: gathered.target,
        demand: steps::demand(series),
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
