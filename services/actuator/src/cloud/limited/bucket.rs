//! A token bucket that keeps a reserve for what matters most. Pure: time comes in.

use std::time::Duration;

use jiff::Timestamp;

/// Fills by `per_second` up to `size`; a call takes one token.
#[derive(Clone, Debug)]
pub struct Bucket {
    size: f64,
    per_second: f64,
    tokens: f64,
    filled_at: Timestamp,
}

impl Bucket {
    /// A full one.
    pub fn new(size: f64, per_second: f64, now: Timestamp) -> Self {
        Self {
            size,
            per_second,
            tokens: size,
            filled_at: now,
        }
    }

    /// Takes a token, leaving at least `reserve` behind.
    ///
    /// # Errors
    /// How long to wait before there can be one.
    pub fn take(&mut self, reserve: f64, now: Timestamp) -> Result<(), Duration> {
        self.fill(now);
        let missing = reserve + 1.0 - self.tokens;
        if missing <= 0.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        // A little later than computed, so that rounding never asks for a second wait of nothing.
        Err(Duration::from_secs_f64(missing / self.per_second) + Duration::from_millis(1))
    }

    /// Something went out that nobody asked for: it counts all the same, and who comes next waits for it. What is kept in
    /// `reserve` is not touched.
    pub fn charge(&mut self, reserve: f64, now: Timestamp) {
        self.fill(now);
        let floor = match reserve > 0.0 {
            true => self.tokens.min(reserve),
            false => -self.size,
        };
        self.tokens = (self.tokens - 1.0).max(floor);
    }

    /// How long until what went out unasked is made up for; `None` when it is.
    pub fn debt(&mut self, now: Timestamp) -> Option<Duration> {
        self.fill(now);
        (self.tokens < 0.0).then(|| {
            Duration::from_secs_f64(-self.tokens / self.per_second) + Duration::from_millis(1)
        })
    }

    /// The other side said that it was too much: whoever is not entitled to the reserve waits until it fills again.
    pub fn drain_to(&mut self, reserve: f64, now: Timestamp) {
        self.fill(now);
        self.tokens = self.tokens.min(reserve);
    }

    fn fill(&mut self, now: Timestamp) {
        // A clock that was set back fills nothing, and empties nothing.
        let passed = now.duration_since(self.filled_at).as_secs_f64().max(0.0);
        self.tokens = (self.tokens + passed * self.per_second).min(self.size);
        self.filled_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut bucket = Bucket::new(5.0, 2.0, at(0));
        for _ in 0..5 {
            bucket.take(0.0, at(0)).unwrap();
        }
        let wait = bucket.take(0.0, at(0)).unwrap_err();
        assert_eq!(wait.as_millis(), 501);
        bucket.take(0.0, at(501)).unwrap();
        assert!(bucket.take(0.0, at(502)).is_err());
        // It never holds more than its size.
        let taken = (0..100)
            .take_while(|_| bucket.take(0.0, at(60_000)).is_ok())
            .count();
        assert_eq!(taken, 5);
    }

    #[test]
    fn the_reserve_is_only_for_those_who_may_take_it() {
        let mut bucket = Bucket::new(5.0, 2.0, at(0));
        let stops = (0..100)
            .take_while(|_| bucket.take(2.0, at(0)).is_ok())
            .count();
        let starts = (0..100)
            .take_while(|_| bucket.take(0.0, at(0)).is_ok())
            .count();
        assert_eq!((stops, starts), (3, 2));
    }

    #[test]
    fn what_went_out_unasked_is_waited_for_by_who_comes_next() {
        let mut bucket = Bucket::new(2.0, 2.0, at(0));
        bucket.take(0.0, at(0)).unwrap();
        for _ in 0..3 {
            bucket.charge(0.0, at(0));
        }
        assert_eq!(bucket.debt(at(0)).unwrap().as_millis(), 1_001);
        assert_eq!(bucket.take(0.0, at(0)).unwrap_err().as_millis(), 1_501);
        assert_eq!(bucket.debt(at(1_001)), None);
        bucket.take(0.0, at(1_501)).unwrap();
        // Never more than there is room for, and never what is kept for starts.
        for _ in 0..100 {
            bucket.charge(0.0, at(2_000));
        }
        assert_eq!(bucket.debt(at(2_000)).unwrap().as_millis(), 1_001);
        let mut bucket = Bucket::new(5.0, 2.0, at(0));
        for _ in 0..100 {
            bucket.charge(2.0, at(0));
        }
        let starts = (0..100).take_while(|_| bucket.take(0.0, at(0)).is_ok());
        assert_eq!(starts.count(), 2);
    }

    #[test]
    fn a_throttle_leaves_the_reserve() {
        let mut bucket = Bucket::new(5.0, 2.0, at(0));
        bucket.drain_to(2.0, at(0));
        assert!(bucket.take(2.0, at(0)).is_err());
        bucket.take(0.0, at(0)).unwrap();
    }

    #[test]
    fn a_clock_set_back_neither_fills_nor_blocks() {
        let mut bucket = Bucket::new(2.0, 1.0, at(10_000));
        bucket.take(0.0, at(10_000)).unwrap();
        bucket.take(0.0, at(0)).unwrap();
        assert!(bucket.take(0.0, at(0)).is_err());
        bucket.take(0.0, at(1_001)).unwrap();
    }
}
