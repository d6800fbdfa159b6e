//! Evidence: a machine is known by its days, not by its minutes, before it becomes smaller.

use super::{
    Case,
    trail::{Stop, stop},
    want::Want,
};
use crate::{
    decide::{
        input::{Evidence, Observation},
        verdict::ReasonCode,
    },
    text,
};

impl Case<'_> {
    /// Enough history was seen of each measurement that the way down rests on: CPU, and memory, which guards it.
    pub(super) fn enough_history(
        &self,
        want: &Want,
        observation: &Observation,
    ) -> Result<((), String), Stop> {
        let needed = Evidence {
            spanned_seconds: self.policy.down_history_seconds,
            observed_seconds: self.policy.down_observed_seconds,
        };
        let seen = [
            ("CPU", observation.cpu_evidence),
            ("memory", observation.memory_evidence),
        ];
        let words = |(name, seen): &(&str, Evidence)| {
            format!(
                "{name} was observed for {} within {}",
                text::duration(seen.observed_seconds.into()),
                text::duration(seen.spanned_seconds.into())
            )
        };
        let asked = format!(
            "{} within {} are asked before a type becomes smaller",
            text::duration(needed.observed_seconds.into()),
            text::duration(needed.spanned_seconds.into())
        );
        let short = seen.iter().find(|(_, seen)| {
            seen.spanned_seconds < needed.spanned_seconds
                || seen.observed_seconds < needed.observed_seconds
        });
        match short {
            Some(short) => stop(
                ReasonCode::EvidenceTooShort,
                format!("{}, but {}; {asked}", want.sentence, words(short)),
            ),
            None => Ok((
                (),
                format!("{}, {}; {asked}", words(&seen[0]), words(&seen[1])),
            )),
        }
    }
}
