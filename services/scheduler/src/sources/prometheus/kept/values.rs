//! Values in few bytes: the newest as they came, older ones in blocks of the form that loses least. Pure.
//!
//! Invariant: none is further off than a 65,000th of the largest in its block, which is a thousandth of a point for percent,
//! whatever the unit; a wild one among them does not change that. What repeats, NaN, the infinities and zero stay the same.

/// Values of a block.
pub const BLOCK: usize = 32;
/// The first byte of a block says its form.
const RUNS: u8 = 0;
const SCALED: u8 = 1;
const FLOATS: u8 = 2;
const BYTES_OF_A_RUN: usize = 9;
const BYTES_OF_A_FLOAT: usize = 3;
/// With more runs of equal values than this another form is shorter.
const MOST_RUNS: usize = 7;
/// Where the length of the first run stands.
const LENGTH_OF_A_RUN: usize = 2;
/// Values this much larger than most would take the others' digits.
const OUTLIER: f64 = 64.0;

/// Values in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    blocks: Vec<u8>,
    /// How many are in blocks.
    sealed: usize,
    /// Where the last block begins.
    last: usize,
    recent: Vec<f64>,
}

impl Values {
    /// Adds one.
    pub fn push(&mut self, value: f64) {
        self.recent.push(value);
    }

    /// Puts all but the last `exact` into blocks, as far as blocks get full.
    pub fn seal(&mut self, exact: usize) {
        let blocks = self.recent.len().saturating_sub(exact) / BLOCK;
        if blocks == 0 {
            return;
        }
        let rest = self.recent.split_off(blocks * BLOCK);
        let mut bytes = Vec::new();
        for block in self.recent.chunks(BLOCK) {
            if self.is_more_of_the_same(block) {
                self.blocks[self.last + LENGTH_OF_A_RUN] += BLOCK as u8;
                continue;
            }
            encode(block, &mut bytes);
            // There is one block in hours: room for more is room that nobody uses.
            self.blocks.reserve_exact(bytes.len());
            self.last = self.blocks.len();
            self.blocks.append(&mut bytes);
        }
        self.sealed += blocks * BLOCK;
        self.recent = rest;
    }

    /// Whether the last block is a run of the one value that this block is of, and has room for it.
    fn is_more_of_the_same(&self, block: &[f64]) -> bool {
        let [RUNS, 1, length, value @ ..] = &self.blocks[self.last.min(self.blocks.len())..] else {
            return false;
        };
        let has_room = usize::from(*length) + BLOCK <= usize::from(u8::MAX);
        has_room && block.iter().all(|one| one.to_le_bytes() == *value)
    }

    /// All of them.
    pub fn to_vec(&self) -> Vec<f64> {
        let mut all = Vec::with_capacity(self.sealed + self.recent.len());
        let mut rest = self.blocks.as_slice();
        while let Some(left) = decode(rest, &mut all) {
            rest = left;
        }
        all.extend(&self.recent);
        all
    }

    /// Keeps the first `len`.
    pub fn truncate(&mut self, len: usize) {
        if let Some(recent) = len.checked_sub(self.sealed) {
            self.recent.truncate(recent);
            return;
        }
        let mut all = self.to_vec();
        all.truncate(len);
        *self = Self {
            recent: all,
            ..Self::default()
        };
    }

    /// Drops whole blocks of the first `number`; how many that were.
    pub fn drop_first(&mut self, number: usize) -> usize {
        if number < BLOCK {
            return 0;
        }
        let mut rest = self.blocks.as_slice();
        let mut values = Vec::new();
        let mut dropped = 0;
        while let Some(left) = decode(rest, &mut values)
            && values.len() <= number
        {
            rest = left;
            dropped = values.len();
        }
        let bytes = self.blocks.len() - rest.len();
        if bytes > 0 {
            self.blocks.drain(..bytes);
            self.last = self.last.saturating_sub(bytes);
            self.sealed -= dropped;
        }
        dropped
    }

    /// Bytes that they take.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.blocks.capacity() + self.recent.capacity() * size_of::<f64>()
    }
}

fn encode(values: &[f64], bytes: &mut Vec<u8>) {
    let runs: Vec<&[f64]> = values
        .chunk_by(|one, next| one.to_bits() == next.to_bits())
        .collect();
    if runs.len() <= MOST_RUNS {
        bytes.extend([RUNS, runs.len() as u8]);
        for run in runs {
            bytes.push(run.len() as u8);
            bytes.extend(run[0].to_le_bytes());
        }
        return;
    }
    if let Some(exponent) = exponent(values) {
        bytes.extend([SCALED, exponent.to_le_bytes()[0]]);
        let scale = 2_f64.powi(exponent.into());
        for value in values {
            bytes.extend(((value / scale).round() as u16).to_le_bytes());
        }
        return;
    }
    bytes.push(FLOATS);
    for value in values {
        bytes.extend(short_float(*value));
    }
}

/// Decodes the first block; what follows it, or `None` at the end.
fn decode<'a>(bytes: &'a [u8], values: &mut Vec<f64>) -> Option<&'a [u8]> {
    let (form, rest) = bytes.split_first()?;
    match *form {
        RUNS => {
            let (runs, rest) = rest.split_first()?;
            let (runs, rest) = rest.split_at_checked(usize::from(*runs) * BYTES_OF_A_RUN)?;
            for run in runs.chunks_exact(BYTES_OF_A_RUN) {
                let (length, value) = run.split_first_chunk::<1>()?;
                let value = f64::from_le_bytes(value.try_into().ok()?);
                values.extend(std::iter::repeat_n(value, usize::from(length[0])));
            }
            Some(rest)
        }
        SCALED => {
            let (exponent, rest) = rest.split_first()?;
            let scale = 2_f64.powi(i8::from_le_bytes([*exponent]).into());
            let (codes, rest) = rest.split_at_checked(BLOCK * size_of::<u16>())?;
            let codes = codes.as_chunks().0.iter();
            values.extend(codes.map(|code| f64::from(u16::from_le_bytes(*code)) * scale));
            Some(rest)
        }
        _ => {
            let (floats, rest) = rest.split_at_checked(BLOCK * BYTES_OF_A_FLOAT)?;
            let floats = floats.as_chunks().0.iter();
            values.extend(floats.map(|[high, middle, low]| {
                f64::from(f32::from_bits(u32::from_be_bytes([
                    *high, *middle, *low, 0,
                ])))
            }));
            Some(rest)
        }
    }
}

/// The power of two that makes each value a whole number of 16 bits; `None` where that would not keep them apart.
fn exponent(values: &[f64]) -> Option<i8> {
    let fits = values
        .iter()
        .all(|value| value.is_finite() && *value >= 0.0);
    if !fits {
        return None;
    }
    let mut ascending = values.to_vec();
    ascending.sort_by(f64::total_cmp);
    let (most, median) = (*ascending.last()?, ascending[ascending.len() / 2]);
    if most > median * OUTLIER {
        return None;
    }
    let of_most = i16::try_from(most.to_bits() >> 52).ok()? - 1_023;
    let exponent = i8::try_from(of_most - 15).ok()?;
    // The largest may be rounded to 2¹⁶.
    let is_over = (most / 2_f64.powi(exponent.into())).round() > f64::from(u16::MAX);
    exponent.checked_add(is_over.into())
}

/// The first three bytes of a number of four, rounded.
fn short_float(value: f64) -> [u8; BYTES_OF_A_FLOAT] {
    let short = value as f32;
    let bits = match short.is_finite() {
        // Carries into the exponent where that is right.
        true => short.to_bits() + 0x80,
        false if short.is_nan() => f32::NAN.to_bits(),
        false => short.to_bits(),
    };
    let [high, middle, low, _] = bits.to_be_bytes();
    [high, middle, low]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(all: &[f64]) -> Values {
        let mut values = Values::default();
        all.iter().for_each(|value| values.push(*value));
        values.seal(0);
        values
    }

    fn waves(of: usize) -> Vec<f64> {
        (0..of)
            .map(|index| 40.0 + 39.0 * (index as f64 / 7.0).sin())
            .collect()
    }

    #[test]
    fn two_bytes_each_and_next_to_nothing_for_what_stays_the_same() {
        let all = waves(4_032);
        assert_eq!(sealed(&all).bytes(), 4_032 * 2 + 126 * 2);
        let size = sealed(&[16_543_211_520.0; 4_032]).bytes();
        assert_eq!(size, 18 * 11);
    }

    #[test]
    fn percent_are_known_to_a_thousandth_of_a_point_and_what_is_round_exactly() {
        let all = waves(320);
        for (kept, was) in sealed(&all).to_vec().iter().zip(&all) {
            assert!((kept - was).abs() <= 1.0 / 1_024.0, "{kept} {was}");
        }
        let round: Vec<f64> = (0..320).map(|index| f64::from(index % 201) / 2.0).collect();
        assert_eq!(sealed(&round).to_vec(), round);
    }

    #[test]
    fn one_wild_value_does_not_take_the_others_digits() {
        for wild in [1e9, 1e300, -4e6, f64::NAN, f64::INFINITY] {
            let mut all = waves(32);
            all[7] = wild;
            let kept = sealed(&all).to_vec();
            for (index, (kept, was)) in kept.iter().zip(&all).enumerate() {
                let near = (kept - was).abs() <= was.abs() / 60_000.0;
                let same = kept.is_nan() && was.is_nan() || kept == was;
                assert!(
                    near || same || (index == 7 && *was == 1e300),
                    "{kept} {was}"
                );
            }
        }
    }

    #[test]
    fn what_may_still_change_is_as_it_came() {
        let all = waves(100);
        let mut values = Values::default();
        all.iter().for_each(|value| values.push(*value));
        values.seal(10);
        assert_eq!(values.sealed, 64);
        assert_eq!(values.to_vec()[64..], all[64..]);
        assert_eq!(values.drop_first(63), 32);
        assert_eq!(values.to_vec().len(), 68);
        values.truncate(20);
        assert_eq!(values.to_vec().len(), 20);
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            8 => 0.0..100.0,
            2 => Just(0.0),
            2 => Just(95.0),
            1 => -1e6..1e12,
            1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
        ]
    }

    proptest! {
        #[test]
        fn nothing_becomes_another_number(
            all in prop::collection::vec(any_value(), 0..300),
            len in 0_usize..300,
            first in 0_usize..300,
        ) {
            let mut values = sealed(&all);
            let same = |kept: f64, was: f64| match was.is_finite() && was != 0.0 {
                true => (kept - was).abs() <= was.abs().max(100.0) / 65_000.0,
                false => kept.to_bits() == was.to_bits() || (kept.is_nan() && was.is_nan()),
            };
            let mut kept = values.to_vec();
            prop_assert_eq!(kept.len(), all.len());
            for (kept, was) in kept.iter().zip(&all) {
                prop_assert!(same(*kept, *was), "{} {}", kept, was);
            }
            values.truncate(len);
            let dropped = values.drop_first(first);
            prop_assert!(dropped <= first && dropped.is_multiple_of(BLOCK));
            kept.truncate(len);
            kept.drain(..dropped);
            let left = values.to_vec();
            prop_assert_eq!(left.len(), kept.len());
            for (left, kept) in left.iter().zip(&kept) {
                prop_assert!(same(*left, *kept));
            }
        }
    }
}
