//! The times of a policy as messages.

use common::text::one_line;
use proto::decision::v1 as message;

use crate::policy::times::{Freeze, Period, SaturationPasses, Window};

pub fn windows_message(windows: &[Window]) -> Vec<message::Window> {
    let window = |window: &Window| message::Window {
        days: window.days.clone(),
        from: window.from.clone(),
        to: window.to.clone(),
    };
    windows.iter().map(window).collect()
}

pub fn windows(windows: Vec<message::Window>) -> Vec<Window> {
    let window = |window: message::Window| Window {
        days: window.days,
        from: window.from,
        to: window.to,
    };
    windows.into_iter().map(window).collect()
}

pub fn freeze_message(freeze: &Freeze) -> message::Freeze {
    message::Freeze {
        from: freeze.from.clone(),
        to: freeze.to.clone(),
        reason: freeze.reason.clone(),
    }
}

pub fn freeze(freeze: message::Freeze) -> Freeze {
    Freeze {
        from: freeze.from,
        to: freeze.to,
        reason: one_line(&freeze.reason),
    }
}

pub fn period_message(period: &Period) -> message::SchedulePeriod {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    message::SchedulePeriod {
        days: period.days.clone(),
        from: period.from.clone(),
        to: period.to.clone(),
        min_type: name(&period.min_type),
        max_type: name(&period.max_type),
        r#type: name(&period.exact),
    }
}

pub fn period(period: message::SchedulePeriod) -> Period {
    Period {
        days: period.days,
        from: period.from,
        to: period.to,
        min_type: named(period.min_type),
        max_type: named(period.max_type),
        exact: named(period.r#type),
    }
}

/// A name, unless it is empty.
pub fn named(name: String) -> Option<String> {
    Some(name).filter(|name| !name.is_empty())
}

pub fn passes_message(passes: SaturationPasses) -> message::SaturationPasses {
    message::SaturationPasses {
        windows: Some(passes.windows),
        cooldown: passes.cooldown,
        freeze: passes.freeze,
    }
}

/// Absent means the default.
pub fn passes(passes: Option<message::SaturationPasses>) -> SaturationPasses {
    let given = passes.unwrap_or_default();
    SaturationPasses {
        windows: given.windows.unwrap_or(SaturationPasses::default().windows),
        cooldown: given.cooldown,
        freeze: given.freeze,
    }
}
