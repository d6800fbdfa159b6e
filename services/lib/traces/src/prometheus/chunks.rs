//! Which parts of the past are asked for, one at a time. Pure.

/// Prometheus refuses to give more than 11,000 points of a series at once.
const MOST_POINTS: i64 = 10_000;
const DAY_SECONDS: i64 = 86_400;

/// Times `start`, `start + step`, … `end`, seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub start: i64,
    pub end: i64,
}

impl Chunk {
    /// The file that holds it.
    pub fn file(&self) -> String {
        format!("{}-{}.csv.gz", self.start, self.end)
    }
}

/// The chunks that hold the `days` before `now`, oldest first. They begin where they would begin at any other time, so
/// that a later run finds the earlier one's; all but the last are whole.
pub fn chunks(now_seconds: i64, days: u32, step_seconds: u32) -> Vec<Chunk> {
    let step = i64::from(step_seconds.max(1));
    let length = (DAY_SECONDS / step).clamp(1, MOST_POINTS) * step;
    let end = now_seconds.div_euclid(step) * step;
    let first = (end - i64::from(days) * DAY_SECONDS).div_euclid(length);
    (first..=end.div_euclid(length))
        .map(|number| Chunk {
            start: number * length,
            end: ((number + 1) * length - step).min(end),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_123;

    #[test]
    fn chunks_follow_each_other_and_are_below_the_limit() {
        for (days, step) in [(14, 300), (1, 60), (3, 5), (2, 1), (30, 7), (1, 600)] {
            let found = chunks(NOW, days, step);
            let step = i64::from(step);
            let covered = NOW - found[0].start;
            assert!(covered >= i64::from(days) * DAY_SECONDS, "{days} {step}");
            for pair in found.windows(2) {
                assert_eq!(pair[0].end + step, pair[1].start);
            }
            for chunk in &found {
                assert_eq!((chunk.start % step, chunk.end % step), (0, 0));
                assert!((chunk.end - chunk.start) / step < 11_000);
                assert!(chunk.start <= chunk.end);
            }
            let last = found.last().unwrap();
            assert!((NOW - step..=NOW).contains(&last.end));
        }
    }

    #[test]
    fn a_later_run_shares_all_but_the_last() {
        let (first, later) = (chunks(NOW, 3, 300), chunks(NOW + 600, 3, 300));
        let whole = first.len() - 1;
        assert_eq!(first[..whole], later[..whole]);
        assert_eq!(first[whole].start, later[whole].start);
        assert_eq!(
            first[0].file(),
            format!("{}-{}.csv.gz", first[0].start, first[0].end)
        );
    }
}
