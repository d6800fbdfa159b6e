//! Sizing rules, pasts and reviews as messages.

use common::{request::Fields, time::to_proto};
use proto::decision::v1 as message;
use sizing::{
    appetite::Appetite,
    past::{Past, Served},
    pool,
    review::{Candidate, Review},
    rule::{Fit, Need, Quiet, Rule},
    step,
};

use crate::{decide::guide::Guide, service::reviews::Reviewed};

/// The appetite of a policy; unspecified means the default.
pub fn appetite(fields: &mut Fields, number: i32) -> Appetite {
    use message::Appetite as Message;
    match Message::try_from(number) {
        Ok(Message::Unspecified) => Appetite::default(),
        Ok(Message::Careful) => Appetite::Careful,
        Ok(Message::Balanced) => Appetite::Balanced,
        Ok(Message::Thrifty) => Appetite::Thrifty,
        Err(_) => {
            fields.bad("policy.appetite", format!("{number} is no Appetite"));
            Appetite::default()
        }
    }
}

/// The rule of a policy; absent means the default.
pub fn rule(fields: &mut Fields, rule: Option<message::SizingRule>) -> Fit {
    let Some(rule) = rule else {
        return pool::COMMON;
    };
    let up = need(rule.up);
    if up.is_none() {
        fields.bad("policy.headroom.up", "is missing, or no Need");
    }
    let down = quiet(rule.down);
    if down.is_none() {
        fields.bad("policy.headroom.down", "is missing, or no Quiet");
    }
    Fit {
        up: up.unwrap_or(pool::COMMON.up),
        up_target: rule.up_target,
        down: down.unwrap_or(pool::COMMON.down),
        down_target: rule.down_target,
        hold_steps: rule.hold_seconds.div_ceil(step::SECONDS),
    }
}

fn need(number: i32) -> Option<Need> {
    use message::Need as Message;
    match Message::try_from(number) {
        Ok(Message::Now) => Some(Need::Now),
        Ok(Message::PastHour) => Some(Need::PastHour),
        Ok(Message::Served60m) => Some(Need::Served60m),
        Ok(Message::Unspecified) | Err(_) => None,
    }
}

fn quiet(number: i32) -> Option<Quiet> {
    use message::Quiet as Message;
    match Message::try_from(number) {
        Ok(Message::Past1h) => Some(Quiet::Past1h),
        Ok(Message::Past3h) => Some(Quiet::Past3h),
        Ok(Message::Past6h) => Some(Quiet::Past6h),
        Ok(Message::Past24h) => Some(Quiet::Past24h),
        Ok(Message::Past168h) => Some(Quiet::Past168h),
        Ok(Message::Profile6h) => Some(Quiet::Profile6h),
        Ok(Message::Profile12h) => Some(Quiet::Profile12h),
        Ok(Message::Served3h) => Some(Quiet::Served3h),
        Ok(Message::Served6h) => Some(Quiet::Served6h),
        Ok(Message::Unspecified) | Err(_) => None,
    }
}

/// The past that came with an observation.
pub fn past(fields: &mut Fields, past: &message::Past) -> Past {
    let mut demand = |field: &str, value: Option<f32>| {
        let name = format!("observation.past.{field}");
        value.map(|value| fields.number(&name, value.into(), 0.0, f64::from(f32::MAX)) as f32)
    };
    Past {
        now: demand("now", past.now),
        peak_1h: demand("peak_1h", past.peak_1h),
        peak_3h: demand("peak_3h", past.peak_3h),
        peak_6h: demand("peak_6h", past.peak_6h),
        peak_24h: demand("peak_24h", past.peak_24h),
        peak_168h: demand("peak_168h", past.peak_168h),
        profile_6h: demand("profile_6h", past.profile_6h),
        profile_12h: demand("profile_12h", past.profile_12h),
        // The forecast says it.
        served: Served::default(),
    }
}

/// A past as it came.
pub fn past_message(past: &Past) -> message::Past {
    message::Past {
        now: past.now,
        peak_1h: past.peak_1h,
        peak_3h: past.peak_3h,
        peak_6h: past.peak_6h,
        peak_24h: past.peak_24h,
        peak_168h: past.peak_168h,
        profile_6h: past.profile_6h,
        profile_12h: past.profile_12h,
    }
}

/// An appetite.
pub fn appetite_message(appetite: Appetite) -> message::Appetite {
    match appetite {
        Appetite::Careful => message::Appetite::Careful,
        Appetite::Balanced => message::Appetite::Balanced,
        Appetite::Thrifty => message::Appetite::Thrifty,
    }
}

/// A rule.
pub fn rule_message(fit: &Fit) -> message::SizingRule {
    message::SizingRule {
        up: match fit.up {
            Need::Now => message::Need::Now,
            Need::PastHour => message::Need::PastHour,
            Need::Served60m => message::Need::Served60m,
        }
        .into(),
        up_target: fit.up_target,
        down: match fit.down {
            Quiet::Past1h => message::Quiet::Past1h,
            Quiet::Past3h => message::Quiet::Past3h,
            Quiet::Past6h => message::Quiet::Past6h,
            Quiet::Past24h => message::Quiet::Past24h,
            Quiet::Past168h => message::Quiet::Past168h,
            Quiet::Profile6h => message::Quiet::Profile6h,
            Quiet::Profile12h => message::Quiet::Profile12h,
            Quiet::Served3h => message::Quiet::Served3h,
            Quiet::Served6h => message::Quiet::Served6h,
        }
        .into(),
        down_target: fit.down_target,
        hold_seconds: fit.hold_steps.saturating_mul(step::SECONDS),
    }
}

/// What a review found, or why there is none.
pub fn reviewed(reviewed: &Reviewed) -> message::ReviewTargetResponse {
    match reviewed {
        Reviewed::Stored {
            review: found,
            guide,
        } => message::ReviewTargetResponse {
            review: Some(review(guide, found)),
            reason: String::new(),
        },
        Reviewed::Impossible(why) => message::ReviewTargetResponse {
            review: None,
            reason: why.clone(),
        },
    }
}

/// A review that was stored.
pub fn review(guide: &Guide, review: &Review) -> message::TargetReview {
    message::TargetReview {
        reviewed_at: Some(to_proto(guide.reviewed_at)),
        reason: guide.why.clone(),
        chosen: Some(candidate(&review.chosen)),
        candidates: review.candidates.iter().map(candidate).collect(),
    }
}

fn candidate(candidate: &Candidate) -> message::ReviewedRule {
    message::ReviewedRule {
        rule: candidate.rule.to_string(),
        sizing: match &candidate.rule {
            Rule::Largest => None,
            Rule::Fit(fit) => Some(rule_message(fit)),
        },
        steps: candidate.bill.steps,
        cost: candidate.bill.cost,
        saturated: candidate.bill.saturated,
        resizes: candidate.bill.resizes,
        total: candidate.total,
    }
}
