//! The version of a policy: a digest of the document.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::policy::document::Policy;

impl Policy {
    /// The first 12 hexadecimal characters of the SHA-256 of the policy as JSON: equal policies have equal versions.
    pub fn version(&self) -> String {
        let mut digest = digest(self);
        digest.truncate(12);
        digest
    }
}

/// SHA-256 of `value` as JSON, hexadecimal. The types it is used on have a fixed order of fields and no maps.
pub fn digest(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(Sha256::digest(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_later_releases_change_no_version_before_they_are_set() {
        let document = serde_json::to_value(Policy::default()).unwrap();
        let mut keys: Vec<&String> = document.as_object().unwrap().keys().collect();
        keys.sort_unstable();
        let mut of_before = [
            "strategy",
            "scale_up_cpu",
            "scale_down_cpu",
            "min_confidence",
            "cooldown_seconds",
            "ladder",
            "horizon_seconds",
            "memory_margin_percent",
            "saturation_seconds",
            "max_sample_age_seconds",
            "down_history_seconds",
            "down_observed_seconds",
        ];
        of_before.sort_unstable();
        assert_eq!(keys, of_before);
    }

    #[test]
    fn equal_policies_have_equal_versions() {
        let policy = Policy::default();
        let mut other = policy.clone();
        assert_eq!(policy.version(), other.version());
        assert_eq!(policy.version().len(), 12);
        other.cooldown_seconds += 1;
        assert_ne!(policy.version(), other.version());
    }
}
