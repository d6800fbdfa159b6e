//! Policies as messages.

use common::{request::Fields, status::FieldViolation};
use proto::decision::v1 as message;

use super::{sizing, times};
use crate::policy::{
    document::{Policy, Strategy},
    times::Windows,
};

/// A policy.
pub fn message(policy: &Policy) -> message::Policy {
    message::Policy {
        strategy: match policy.strategy {
            Strategy::Threshold => message::Strategy::Threshold,
            Strategy::Headroom => message::Strategy::Headroom,
            Strategy::Adaptive => message::Strategy::Adaptive,
        }
        .into(),
        scale_up_cpu: policy.scale_up_cpu,
        scale_down_cpu: policy.scale_down_cpu,
        min_confidence: policy.min_confidence,
        cooldown_seconds: policy.cooldown_seconds,
        ladder: policy.ladder.clone(),
        horizon_seconds: policy.horizon_seconds,
        memory_margin_percent: policy.memory_margin_percent,
        saturation_seconds: policy.saturation_seconds,
        max_sample_age_seconds: policy.max_sample_age_seconds,
        down_history_seconds: Some(policy.down_history_seconds),
        down_observed_seconds: Some(policy.down_observed_seconds),
        headroom: Some(sizing::rule_message(&policy.headroom)),
        appetite: sizing::appetite_message(policy.appetite).into(),
        saturated_hour_price: policy.saturated_hour_price,
        restart_price: policy.restart_price,
        min_type: policy.min_type.clone().unwrap_or_default(),
        max_type: policy.max_type.clone().unwrap_or_default(),
        max_step: policy.max_step,
        cooldown_up_seconds: policy.cooldown_up_seconds,
        cooldown_down_seconds: policy.cooldown_down_seconds,
        zone: policy.zone.clone(),
        schedule: policy.schedule.iter().map(times::period_message).collect(),
        schedule_lead_seconds: Some(policy.schedule_lead_seconds),
        memory_pressure_seconds: policy.memory_pressure_seconds,
        resizes_a_day: policy.resizes_a_day,
        flap_seconds: policy.flap_seconds,
        up_windows: times::windows_message(&policy.windows.up),
        down_windows: times::windows_message(&policy.windows.down),
        freeze: policy.freeze.iter().map(times::freeze_message).collect(),
        saturation_passes: Some(times::passes_message(policy.saturation_passes)),
    }
}

/// A policy; violations are those of its fields.
pub fn read(fields: &mut Fields, message: Option<message::Policy>) -> Policy {
    let Some(given) = message else {
        fields.bad("policy", "is missing");
        return Policy::default();
    };
    use message::Strategy as Message;
    let strategy = match Message::try_from(given.strategy) {
        Ok(Message::Threshold) => Strategy::Threshold,
        Ok(Message::Headroom) => Strategy::Headroom,
        Ok(Message::Adaptive) => Strategy::Adaptive,
        Ok(Message::Unspecified) => {
            fields.bad("policy.strategy", "is missing");
            Strategy::default()
        }
        Err(_) => {
            fields.bad(
                "policy.strategy",
                format!("{} is no Strategy", given.strategy),
            );
            Strategy::default()
        }
    };
    let defaults = Policy::default();
    let policy = Policy {
        strategy,
        scale_up_cpu: given.scale_up_cpu,
        scale_down_cpu: given.scale_down_cpu,
        min_confidence: given.min_confidence,
        cooldown_seconds: given.cooldown_seconds,
        ladder: given.ladder,
        horizon_seconds: given.horizon_seconds,
        memory_margin_percent: given.memory_margin_percent,
        saturation_seconds: given.saturation_seconds,
        max_sample_age_seconds: given.max_sample_age_seconds,
        source: None,
        down_history_seconds: given
            .down_history_seconds
            .unwrap_or(defaults.down_history_seconds),
        down_observed_seconds: given
            .down_observed_seconds
            .unwrap_or(defaults.down_observed_seconds),
        headroom: sizing::rule(fields, given.headroom),
        appetite: sizing::appetite(fields, given.appetite),
        saturated_hour_price: given.saturated_hour_price,
        restart_price: given.restart_price,
        min_type: times::named(given.min_type),
        max_type: times::named(given.max_type),
        max_step: given.max_step,
        cooldown_up_seconds: given.cooldown_up_seconds,
        cooldown_down_seconds: given.cooldown_down_seconds,
        resizes_a_day: given.resizes_a_day,
        flap_seconds: given.flap_seconds,
        schedule: given.schedule.into_iter().map(times::period).collect(),
        schedule_lead_seconds: given
            .schedule_lead_seconds
            .unwrap_or(defaults.schedule_lead_seconds),
        memory_pressure_seconds: given.memory_pressure_seconds,
        zone: match given.zone.as_str() {
            "" => defaults.zone,
            _ => given.zone,
        },
        windows: Windows {
            up: times::windows(given.up_windows),
            down: times::windows(given.down_windows),
        },
        freeze: given.freeze.into_iter().map(times::freeze).collect(),
        saturation_passes: times::passes(given.saturation_passes),
    };
    for violation in policy.violations() {
        fields.bad(format!("policy.{}", violation.field), violation.description);
    }
    policy
}

/// What is wrong with a policy, by the names of its own fields.
pub fn violations(violations: Vec<FieldViolation>) -> Vec<message::PolicyViolation> {
    violations
        .into_iter()
        .map(|violation| message::PolicyViolation {
            field: violation
                .field
                .strip_prefix("policy.")
                .unwrap_or(&violation.field)
                .to_owned(),
            description: violation.description,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ::sizing::{appetite::Appetite, pool, rule::Fit};
    use serde_json::Value;

    use super::*;
    use crate::policy::times::{Freeze, Period, SaturationPasses, Window};

    /// A policy that says of each key something else than the default.
    fn full() -> Policy {
        Policy {
            strategy: Strategy::Headroom,
            scale_up_cpu: 80.0,
            scale_down_cpu: 20.0,
            min_confidence: 0.7,
            cooldown_seconds: 700,
            ladder: ["m5.large", "m5.xlarge", "m5.2xlarge"]
                .map(str::to_owned)
                .to_vec(),
            horizon_seconds: 900,
            memory_margin_percent: 30.0,
            saturation_seconds: 400,
            max_sample_age_seconds: 500,
            source: None,
            down_history_seconds: 90_000,
            down_observed_seconds: 50_000,
            headroom: Fit {
                up_target: 0.5,
                ..pool::COMMON
            },
            appetite: Appetite::Careful,
            saturated_hour_price: Some(3.0),
            restart_price: Some(0.5),
            min_type: Some("m5.large".into()),
            max_type: Some("m5.xlarge".into()),
            max_step: 1,
            cooldown_up_seconds: Some(300),
            cooldown_down_seconds: Some(0),
            zone: "Europe/Berlin".into(),
            schedule: vec![Period {
                days: vec!["fri".into()],
                from: "08:00".into(),
                to: "18:00".into(),
                min_type: None,
                max_type: None,
                exact: Some("m5.xlarge".into()),
            }],
            schedule_lead_seconds: 300,
            memory_pressure_seconds: Some(600),
            resizes_a_day: 4,
            flap_seconds: 7_200,
            windows: Windows {
                up: vec![Window {
                    days: vec!["mon".into()],
                    from: "08:00".into(),
                    to: "18:00".into(),
                }],
                down: vec![Window {
                    days: Vec::new(),
                    from: "22:00".into(),
                    to: "06:00".into(),
                }],
            },
            freeze: vec![Freeze {
                from: "2026-12-20".into(),
                to: "2027-01-06".into(),
                reason: "the feast".into(),
            }],
            saturation_passes: SaturationPasses {
                windows: false,
                cooldown: true,
                freeze: true,
            },
        }
    }

    #[test]
    fn a_policy_comes_back_as_it_went() {
        let policy = full();
        let value = |policy: &Policy| serde_json::to_value(policy).unwrap();
        let (set, defaults) = (value(&policy), value(&Policy::default()));
        for (key, value) in set.as_object().unwrap() {
            let default = defaults.get(key).unwrap_or(&Value::Null);
            assert_ne!(value, default, "{key} has its default");
        }
        let mut fields = Fields::default();
        let read = read(&mut fields, Some(message(&policy)));
        assert_eq!(fields.finish(read).unwrap(), policy);
    }
}
