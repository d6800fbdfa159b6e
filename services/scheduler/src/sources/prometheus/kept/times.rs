//! Times in few bytes: samples come at equal distances, so that a run of them is its first time, a distance and a number.
//! Pure.

const MILLISECONDS: f64 = 1_000.0;

/// Times in the order in which they were added, to the millisecond.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    runs: Vec<Run>,
    len: usize,
}

/// `first`, `first + step`, … in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    first: i64,
    step: u32,
    count: u32,
}

impl Run {
    fn at(&self, index: u32) -> i64 {
        self.first
            .saturating_add(i64::from(self.step) * i64::from(index))
    }
}

impl Times {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds one, in seconds since the Unix epoch.
    pub fn push(&mut self, seconds: f64) {
        let at = (seconds * MILLISECONDS).round() as i64;
        self.len += 1;
        if let Some(run) = self.runs.last_mut() {
            let distance = u32::try_from(at.saturating_sub(run.first)).ok();
            match distance.filter(|distance| *distance > 0) {
                Some(distance) if run.count == 1 => {
                    run.step = distance;
                    run.count = 2;
                    return;
                }
                _ if run.count > 1 && at == run.at(run.count) => {
                    run.count += 1;
                    return;
                }
                _ => {}
            }
        }
        self.runs.push(Run {
            first: at,
            step: 0,
            count: 1,
        });
    }

    /// Seconds since the Unix epoch.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = f64> {
        let of_run = |run: &Run| {
            let run = *run;
            (0..run.count).map(move |index| run.at(index) as f64 / MILLISECONDS)
        };
        self.runs.iter().flat_map(of_run)
    }

    /// Bytes that they take.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.runs.capacity() * size_of::<Run>()
    }

    /// Keeps the first `len`.
    pub fn truncate(&mut self, len: usize) {
        while self.len > len {
            let Some(run) = self.runs.last_mut() else {
                return;
            };
            let surplus = u32::try_from(self.len - len).unwrap_or(u32::MAX);
            let removed = surplus.min(run.count);
            run.count -= removed;
            self.len -= removed as usize;
            if run.count == 0 {
                self.runs.pop();
            }
        }
    }

    /// Drops the first `number`.
    pub fn drop_first(&mut self, number: usize) {
        let mut left = u32::try_from(number.min(self.len)).unwrap_or(u32::MAX);
        self.len -= left as usize;
        let whole = self.runs.iter().take_while(|run| {
            let is_whole = run.count <= left;
            if is_whole {
                left -= run.count;
            }
            is_whole
        });
        let whole = whole.count();
        self.runs.drain(..whole);
        if let Some(run) = self.runs.first_mut() {
            run.first = run.at(left);
            run.count -= left;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times(all: &[f64]) -> Times {
        let mut times = Times::default();
        all.iter().for_each(|at| times.push(*at));
        times
    }

    #[test]
    fn equal_distances_are_one_run() {
        let regular: Vec<f64> = (0..4_033)
            .map(|index| 1.7e9 + 300.0 * f64::from(index))
            .collect();
        assert_eq!(times(&regular).runs.len(), 1);
        let with_a_hole: Vec<f64> = [&regular[..100], &regular[103..]].concat();
        assert_eq!(times(&with_a_hole).runs.len(), 2);
    }

    proptest! {
        #[test]
        fn they_are_what_was_added_whatever_the_order(
            all in prop::collection::vec(0_u32..4_000_000, 0..60),
            first in 0_usize..70,
            last in 0_usize..70,
        ) {
            let mut all: Vec<f64> = all.iter().map(|at| 1.7e9 + f64::from(*at) / 1e3).collect();
            let mut times = times(&all);
            prop_assert_eq!(times.iter().collect::<Vec<_>>(), all.clone());
            prop_assert_eq!(times.iter().rev().collect::<Vec<_>>(), all.iter().rev().copied().collect::<Vec<_>>());
            times.truncate(last);
            all.truncate(last);
            times.drop_first(first);
            all.drain(..first.min(all.len()));
            prop_assert_eq!(times.len(), all.len());
            prop_assert_eq!(times.iter().collect::<Vec<_>>(), all);
        }
    }
}
