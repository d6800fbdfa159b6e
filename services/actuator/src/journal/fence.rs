//! Which lease epochs may act. The highest that acted is the fence: an older one is a scheduler that slept through its
//! lease (design rule 9).
//!
//! An epoch is a time, milliseconds since the Unix epoch, or a small number from before that was so. Nobody's clock is
//! minutes ahead of ours by right, so an epoch that lies there is refused, and a fence that lies there (a clock that was
//! ahead, or a request that was believed) is no fence: it would shut everybody out for ever.

use std::time::Duration;

use jiff::Timestamp;

/// How far ahead of this machine's clock an epoch may be.
pub const TOLERANCE: Duration = Duration::from_secs(600);

/// True for an epoch that no clock can have given out yet.
pub fn is_ahead(epoch: u64, now: Timestamp) -> bool {
    let latest = now.saturating_add(TOLERANCE).unwrap_or(Timestamp::MAX);
    // Before 1970 only small numbers are epochs, and those pass.
    let latest = u64::try_from(latest.as_millisecond()).unwrap_or(0);
    epoch > latest.max(u64::from(u32::MAX))
}

/// True when a newer epoch has acted.
pub fn is_stale(epoch: u64, fence: u64, now: Timestamp) -> bool {
    epoch < fence && !is_ahead(fence, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn at(millisecond: u64) -> Timestamp {
        Timestamp::from_millisecond(i64::try_from(millisecond).unwrap()).unwrap()
    }

    #[test]
    fn a_fence_keeps_older_epochs_out_and_none_for_ever() {
        let minutes = |minutes: u64| minutes * 60_000;
        for (epoch, fence, stale) in [
            (NOW, 0, false),
            (NOW, NOW, false),
            (NOW, NOW - 1, false),
            (NOW - 1, NOW, true),
            // Another machine's clock may be a little ahead, and its epoch fences all the same.
            (NOW, NOW + minutes(9), true),
            (NOW, NOW + minutes(11), false),
            (NOW, u64::MAX, false),
            (NOW, i64::MAX.unsigned_abs(), false),
            // From before epochs were times.
            (6, 6, false),
            (5, 6, true),
            (NOW, 6, false),
            (7, NOW, true),
        ] {
            assert_eq!(is_stale(epoch, fence, at(NOW)), stale, "{epoch} at {fence}");
        }
    }

    #[test]
    fn no_clock_gives_out_an_epoch_of_the_future() {
        for (epoch, ahead) in [
            (0, false),
            (6, false),
            (NOW, false),
            (NOW + 600_000, false),
            (NOW + 600_001, true),
            (u64::MAX, true),
        ] {
            assert_eq!(is_ahead(epoch, at(NOW)), ahead, "{epoch}");
        }
        // A machine that has not heard the time yet knows old epochs still.
        assert!(!is_ahead(6, Timestamp::UNIX_EPOCH));
        assert!(is_ahead(u64::MAX, Timestamp::MIN));
    }
}
