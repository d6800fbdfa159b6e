//! What is left of a question when it is answered: memory, telemetry.

use super::known::{Gathered, Gathering, Learned, Unread};
use crate::{
    context::Context,
    domain::Knowledge,
    memory::{
        hindsight::Tally,
        targets::{Tallies, TargetMemories},
    },
    metrics::ErrorKind,
};

/// Remembers and says what was learned while the fleet was looked at, compares what was forecast before with what came, and
/// keeps what the next tick needs.
pub fn remember(context: &Context, memories: &TargetMemories, gathering: &mut Gathering<'_>) {
    note(context, memories, std::mem::take(&mut gathering.learned));
    look_back(context, memories, &mut gathering.targets);
}

fn note(context: &Context, memories: &TargetMemories, learned: Learned) {
    let state = &context.state;
    if let Some(dry_run) = learned.dry_run {
        state.note_dry_run(dry_run);
    }
    for (target_id, at) in &learned.resize_ends {
        state.note_resize_end(target_id, *at);
    }
    state.note_types(learned.types);
    for target_id in &learned.gone {
        memories.forget(target_id);
    }
    for unread in learned.unread {
        match unread {
            Unread::Policy(error) => {
                tracing::warn!(%error, "policy not read; types of its ladder are not described");
            }
            Unread::Types(error) => {
                tracing::warn!(%error, "instance types not described; the memory guard can't judge them");
                context.metrics.error(ErrorKind::Instance);
            }
            Unread::LastResize { target_id, error } => {
                tracing::warn!(%error, target = target_id, "last resize not read");
            }
        }
    }
}

fn look_back(context: &Context, memories: &TargetMemories, gathered: &mut [Gathered<'_>]) {
    let mut tallies = Tallies::new();
    for one in gathered {
        let (instance, series, forecast) = match &mut one.knowledge {
            Knowledge::Unforecast {
                instance, series, ..
            } => (instance, series, None),
            Knowledge::Forecast {
                instance,
                series,
                forecast,
                ..
            } => (instance, series, Some(forecast)),
            _ => continue,
        };
        memories.note(
            &one.target.id,
            &instance.instance_type,
            series,
            forecast,
            &mut tallies,
        );
    }
    context.metrics.forecasts.judged(&tallies);
    let (targets, pending) = memories.size();
    let mut all = Tally::default();
    tallies.values().for_each(|tally| all.merge(tally));
    if all.outcomes > 0 {
        let outcomes = all.outcomes as f64;
        tracing::info!(
            outcomes = all.outcomes,
            mae_percent = all.error / outcomes,
            persistence_mae_percent = all.persistence_error / outcomes,
            coverage_q90 = all.level_q90.value(),
            peak_coverage_q90 = all.peak_q90.value(),
            peak_coverage_q95 = all.peak_q95.value(),
            targets,
            pending,
            "forecasts compared with what came"
        );
    }
}
