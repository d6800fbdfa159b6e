//! Signals of every kind that a machine's CPU may be, as a caller would sample them.

use std::{fs::File, path::Path};

use flate2::read::GzDecoder;
use forecasting::series::Series;

/// What a signal is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 20 %, and 85 % for ten minutes of each hour.
    Hourly,
    /// A sine over the day, with noise.
    Daily,
    White,
    Walk,
    Constant,
    /// 25 %, and 65 % from the middle on.
    Shift,
    /// A leak that rises all the time.
    Ramp,
    /// A leak that is mended every five days.
    Sawtooth,
    /// Now and then busy for a quarter of an hour.
    Bursts,
    HeavyTail,
}

impl Kind {
    pub const ALL: [Self; 10] = [
        Self::Hourly,
        Self::Daily,
        Self::White,
        Self::Walk,
        Self::Constant,
        Self::Shift,
        Self::Ramp,
        Self::Sawtooth,
        Self::Bursts,
        Self::HeavyTail,
    ];
}

/// All samples of a signal, none missing.
#[derive(Clone, Debug)]
pub struct Signal {
    pub spacing: i64,
    pub values: Vec<f64>,
}

/// Random numbers that are the same each time.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, most: usize) -> usize {
        (self.uniform() * most as f64) as usize
    }

    /// A standard normal one: twelve uniform ones are near enough.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

impl Signal {
    /// `points` samples `spacing` seconds apart.
    pub fn new(kind: Kind, seed: u64, points: usize, spacing: i64) -> Self {
        let mut random = Random::new(seed);
        let phase = random.below(12) as i64 * 300;
        let steps = spacing as f64 / 300.0;
        let (mut walk, mut busy) = (50.0_f64, 0_i64);
        let values = (0..points)
            .map(|index| {
                let time = index as i64 * spacing + phase;
                let days = time as f64 / 86_400.0;
                let value = match kind {
                    Kind::Hourly => {
                        let job = if time.rem_euclid(3_600) < 600 {
                            65.0
                        } else {
                            0.0
                        };
                        20.0 + job + 0.5 * random.normal()
                    }
                    Kind::Daily => {
                        40.0 + 25.0 * (days * std::f64::consts::TAU).sin() + 3.0 * random.normal()
                    }
                    Kind::White => 40.0 + 8.0 * random.normal(),
                    Kind::Walk => {
                        walk += 1.5 * steps.sqrt() * random.normal();
                        // It turns back at the edges.
                        walk = walk.abs().min(200.0 - walk.abs());
                        walk
                    }
                    Kind::Constant => 30.0,
                    Kind::Shift => {
                        let level = if index * 2 < points { 25.0 } else { 65.0 };
                        level + random.normal()
                    }
                    Kind::Ramp => {
                        10.0 + 70.0 * index as f64 / points as f64 + 0.5 * random.normal()
                    }
                    Kind::Sawtooth => 20.0 + 12.0 * days.rem_euclid(5.0) + 0.5 * random.normal(),
                    Kind::Bursts => {
                        if busy <= 0 && random.uniform() < 0.03 * steps {
                            busy = 900;
                        }
                        busy -= spacing;
                        let burst = if busy >= 0 { 60.0 } else { 0.0 };
                        15.0 + burst + 2.0 * random.normal()
                    }
                    Kind::HeavyTail => {
                        15.0 + 3.0 * (random.uniform().max(1e-4).powf(-1.0 / 1.5) - 1.0)
                    }
                };
                value.clamp(0.0, 100.0)
            })
            .collect();
        Self { spacing, values }
    }

    /// What is known at `last`: the samples from `first` on of which `kept` is true.
    pub fn known(
        &self,
        first: usize,
        last: usize,
        kept: impl Fn(usize) -> bool,
        calibration_state: Vec<u8>,
    ) -> Series {
        let indices: Vec<usize> = (first..=last)
            .filter(|index| kept(*index) && !self.values[*index].is_nan())
            .collect();
        Series {
            id: "signal".into(),
            timestamps_seconds: indices
                .iter()
                .map(|index| 1_700_000_000 + *index as i64 * self.spacing)
                .collect(),
            cpu: indices.iter().map(|index| self.values[*index]).collect(),
            capacity: 100.0,
            calibration_state,
        }
    }

    /// The level that comes in the last step of `horizon` seconds after `origin`, and the highest up to there, both as
    /// means over `step` seconds; `None` where the signal isn't known.
    pub fn came(&self, origin: usize, horizon: i64, step: i64) -> Option<(f64, f64)> {
        let (mut level, mut peak) = (f64::NAN, f64::NAN);
        for cell in 0..horizon / step {
            let from = origin + (cell * step / self.spacing) as usize + 1;
            let to = origin + ((cell + 1) * step / self.spacing) as usize;
            if to < from {
                continue;
            }
            let samples = self.values.get(from..=to)?;
            level = samples.iter().sum::<f64>() / samples.len() as f64;
            if level.is_nan() {
                return None;
            }
            peak = level.max(peak);
        }
        (!peak.is_nan()).then_some((level, peak))
    }
}

/// Recorded series of `path`: `series,timestamp,cpu` in a gzipped table, each on its own spacing.
pub fn recorded(path: &Path) -> Vec<Signal> {
    let mut table = csv::Reader::from_reader(GzDecoder::new(File::open(path).unwrap()));
    let mut all: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for row in table.records() {
        let row = row.unwrap();
        let (Ok(time), Ok(cpu)) = (row[1].parse(), row[2].parse()) else {
            continue;
        };
        match all.last_mut() {
            Some((name, samples)) if *name == row[0] => samples.push((time, cpu)),
            _ => all.push((row[0].to_owned(), vec![(time, cpu)])),
        }
    }
    all.into_iter()
        .filter(|(_, samples)| samples.len() > 1_000)
        .map(|(_, samples)| {
            let mut gaps: Vec<i64> = samples
                .windows(2)
                .map(|pair| (pair[1].0 - pair[0].0) as i64)
                .collect();
            gaps.sort_unstable();
            let spacing = gaps[gaps.len() / 2];
            let first = samples[0].0;
            let mut values = Vec::new();
            for (time, value) in samples {
                let index = ((time - first) / spacing as f64).round() as usize;
                if index >= values.len() {
                    values.resize(index + 1, f64::NAN);
                }
                values[index] = f64::clamp(value, 0.0, 100.0);
            }
            Signal { spacing, values }
        })
        .collect()
}
