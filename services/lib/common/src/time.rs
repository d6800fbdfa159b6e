//! Timestamps on the wire.

use jiff::Timestamp;

/// To protobuf, to the nanosecond.
pub fn to_proto(time: Timestamp) -> prost_types::Timestamp {
    // Before 1970 jiff's fraction is negative, protobuf's never is.
    let nanos = i128::from(time.subsec_nanosecond());
    let total = i128::from(time.as_second()) * 1_000_000_000 + nanos;
    prost_types::Timestamp {
        seconds: total.div_euclid(1_000_000_000) as i64,
        nanos: total.rem_euclid(1_000_000_000) as i32,
    }
}

/// From protobuf; `None` when it lies outside the years that exist.
pub fn from_proto(time: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(time.seconds, time.nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_wire() {
        for nanosecond in [0, 1, 1_700_000_000_123_456_789, -1, -1_500_000_000] {
            let time = Timestamp::from_nanosecond(nanosecond).unwrap();
            let wire = to_proto(time);
            assert!((0..1_000_000_000).contains(&wire.nanos), "{wire:?}");
            assert_eq!(from_proto(&wire), Some(time));
        }
        let absurd = prost_types::Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        };
        assert_eq!(from_proto(&absurd), None);
    }
}
