//! A short memory of types that had no room in a zone, so that no machine is stopped for one of them. Pure.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

/// Type and zone to when a start found no room.
#[derive(Debug, Default)]
pub struct Shortages(HashMap<(String, String), Timestamp>);

impl Shortages {
    /// A start on this type found no room here.
    pub fn note(&mut self, instance_type: &str, zone: &str, now: Timestamp, kept: Duration) {
        self.0.retain(|_, at| age(*at, now) < kept);
        let key = (instance_type.to_owned(), zone.to_owned());
        self.0.insert(key, now);
    }

    /// A start on this type worked.
    pub fn forget(&mut self, instance_type: &str, zone: &str) {
        self.0.remove(&(instance_type.to_owned(), zone.to_owned()));
    }

    /// How long ago it was, if it is remembered.
    pub fn recall(
        &self,
        instance_type: &str,
        zone: &str,
        now: Timestamp,
        kept: Duration,
    ) -> Option<Duration> {
        let key = (instance_type.to_owned(), zone.to_owned());
        let age = age(*self.0.get(&key)?, now);
        (age < kept).then_some(age)
    }
}

fn age(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_remembered_for_a_while_by_type_and_zone() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let kept = Duration::from_secs(300);
        let mut shortages = Shortages::default();
        shortages.note("t3.large", "us-east-1a", at(0), kept);
        let ago = |zone, second| shortages.recall("t3.large", zone, at(second), kept);
        assert_eq!(ago("us-east-1a", 60), Some(Duration::from_secs(60)));
        assert_eq!(ago("us-east-1b", 60), None);
        assert_eq!(ago("us-east-1a", 300), None);
        shortages.forget("t3.large", "us-east-1a");
        assert_eq!(
            shortages.recall("t3.large", "us-east-1a", at(1), kept),
            None
        );
    }
}
