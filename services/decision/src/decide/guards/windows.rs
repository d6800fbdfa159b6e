//! Windows: the hours in which resizes may begin, up and down apart.

use crate::{
    decide::{checks::Finding, verdict::ReasonCode, want::Step},
    policy::{hours::Hours, times::Window, zone},
    text,
};

/// It is in one of the windows of its direction, or the direction has none; a saturated machine goes up where the policy
/// says so.
pub fn check(step: &Step<'_>) -> Finding {
    let Step { case, want, .. } = *step;
    let windows = case.policy.windows.of(want.direction);
    if windows.is_empty() {
        return Finding::Skip("the policy names no windows for this direction");
    }
    let name = &case.policy.zone;
    let direction = want.direction.name();
    let Some(zone) = zone::find(name) else {
        // Checked when the policy was taken; a zone may be gone from a later release's database.
        return step.block(
            ReasonCode::OutsideWindow,
            format_args!("the zone {name} is not known"),
        );
    };
    let windows = windows.iter().map(Window::hours);
    let windows: Vec<Hours> = windows.filter_map(Result::ok).collect();
    let local = zone.to_datetime(case.now);
    if let Some(open) = windows.iter().find(|hours| hours.contain(local)) {
        return Finding::Pass(format!("within {open} ({name})"));
    }
    let next = windows
        .iter()
        .filter_map(|hours| hours.next_begin(&zone, case.now))
        .min();
    let next = match next {
        Some(next) => format!(
            "the next window {direction} begins {}",
            text::local_time(next, &zone)
        ),
        None => format!("no window {direction} is near"),
    };
    if want.saturated && case.policy.saturation_passes.windows {
        return Finding::Pass(format!(
            "{next} ({name}); measured saturation does not wait for it"
        ));
    }
    step.block(ReasonCode::OutsideWindow, format_args!("{next} ({name})"))
}
