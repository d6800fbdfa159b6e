//! Who named the strategy, and which one it is where nobody did.

use common::config::Settings;

use crate::policy::document::{Policy, Strategy};

/// What only the strategy `threshold` looks at: whoever writes one of these means it.
const THRESHOLD_KEYS: [&str; 2] = ["scale_up_cpu", "scale_down_cpu"];

/// What said which strategy the configuration's policy has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Naming {
    /// The key `policy.strategy`.
    #[default]
    Key,
    /// Another key, which only `threshold` looks at.
    Implied(&'static str),
    /// Nothing: the store knows whether somebody relied on what was the default before.
    Nothing,
}

impl Naming {
    /// What the configuration says of it.
    pub fn of(settings: &Settings) -> Self {
        if settings.sets("policy.strategy") {
            return Self::Key;
        }
        let is_set = |key: &&str| settings.sets(&format!("policy.{key}"));
        match THRESHOLD_KEYS.into_iter().find(is_set) {
            Some(key) => Self::Implied(key),
            None => Self::Nothing,
        }
    }

    /// `policy` with the strategy that it has by this, over a store by whose `default` a policy without a strategy goes.
    #[must_use]
    pub fn settle(self, policy: Policy, default: Strategy) -> Policy {
        let strategy = match self {
            Self::Key => policy.strategy,
            Self::Implied(_) => Strategy::Threshold,
            Self::Nothing => default,
        };
        Policy { strategy, ..policy }
    }

    /// What is well to know of it before a store is open.
    pub fn note(self, policy: &Policy) -> Option<String> {
        match self {
            Self::Key => None,
            Self::Implied(_) => self.why_threshold(policy),
            Self::Nothing => Some(
                "`policy.strategy` is not set: it is `adaptive`, but `threshold` over a database that was in use when that was \
                 meant; the log says so at the start"
                    .to_owned(),
            ),
        }
    }

    /// Why `threshold` decides although nobody wrote it, and how to change that.
    pub fn why_threshold(self, policy: &Policy) -> Option<String> {
        if policy.strategy != Strategy::Threshold {
            return None;
        }
        let why = match self {
            Self::Key => return None,
            Self::Implied(key) => format!("`policy.{key}` is set and `policy.strategy` is not"),
            Self::Nothing => "`policy.strategy` is not set, and this database was in use when that meant `threshold`".to_owned(),
        };
        Some(format!(
            "{why}: the strategy is `threshold`; write `policy.strategy: adaptive` to have each machine sized by its own past, or \
             `policy.strategy: threshold` to keep it and this line away"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_that_nobody_wrote_is_the_one_that_was_relied_on() {
        let before = Strategy::Threshold;
        let new = Strategy::default();
        for (yaml, default, expected, said) in [
            ("", new, Strategy::Adaptive, ""),
            ("", before, Strategy::Threshold, "this database was in use"),
            ("policy: {appetite: thrifty}", new, Strategy::Adaptive, ""),
            ("policy: {min_confidence: 0.9}", new, Strategy::Adaptive, ""),
            (
                "policy: {min_confidence: 0.9}",
                before,
                Strategy::Threshold,
                "this database",
            ),
            (
                "policy: {scale_down_cpu: 20}",
                new,
                Strategy::Threshold,
                "`policy.scale_down_cpu` is set",
            ),
            (
                "policy: {scale_up_cpu: 80}",
                before,
                Strategy::Threshold,
                "`policy.scale_up_cpu` is set",
            ),
            (
                "policy: {strategy: adaptive, scale_up_cpu: 80}",
                before,
                Strategy::Adaptive,
                "",
            ),
            (
                "policy: {strategy: headroom}",
                before,
                Strategy::Headroom,
                "",
            ),
            (
                "policy: {strategy: threshold}",
                new,
                Strategy::Threshold,
                "",
            ),
        ] {
            let settings = Settings::from_yaml_text(yaml).unwrap();
            let naming = Naming::of(&settings);
            let policy = naming.settle(Policy::read(&settings).unwrap(), default);
            assert_eq!(policy.strategy, expected, "{yaml}");
            let why = naming.why_threshold(&policy).unwrap_or_default();
            assert_eq!(why.is_empty(), said.is_empty(), "{yaml}: {why}");
            assert!(why.contains(said), "{yaml}: {why}");
        }
    }
}
