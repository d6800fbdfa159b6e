//! The present: whatever is forecast, what is used now and was in the past hour must fit the smaller type.

use super::{
    Case,
    trail::{Stop, stop},
    want::Want,
};
use crate::decide::{input::Observation, verdict::ReasonCode};

impl Case<'_> {
    /// The last sample and the last hour's peak are at most `scale_up_cpu` percent of the smaller type.
    pub(super) fn present_fits(
        &self,
        want: &Want,
        observation: &Observation,
        to: &str,
    ) -> Result<((), String), Stop> {
        let blocked = |why: String| {
            stop(
                ReasonCode::PresentTooHigh,
                format!("{}, but {why}", want.sentence),
            )
        };
        let Some(limit) = self.capacity_of(to) else {
            return blocked(format!(
                "the vCPUs of {} or of {to} are unknown, so nothing says that the present fits",
                self.input.instance_type
            ));
        };
        let Some(peak) = observation.cpu_peak_last_hour_percent else {
            return blocked("the past hour's peak is unknown".to_owned());
        };
        let now = observation.cpu_percent;
        let numbers = format!("CPU is {now:.1} % and was at most {peak:.1} % in the past hour");
        if now.max(peak) <= limit.cpu_percent {
            Ok(((), format!("{numbers}, not above {}", limit.words)))
        } else {
            blocked(format!("{numbers}, above {}", limit.words))
        }
    }
}
