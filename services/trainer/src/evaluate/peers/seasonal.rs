//! Seasonal naive: as now, as yesterday and as last week at that time of day, each with the quantiles of what it missed by
//! in the past week, mixed by how small its misses were.

use forecasting::{
    quantile::{self, Weighted},
    series::history::History,
};

use super::super::scorer::Statement;
use crate::score::Residuals;

const DAY_SECONDS: usize = 86_400;
/// Misses of so many seconds count.
const MISSES_SECONDS: usize = 7 * DAY_SECONDS;
/// Days back; 0 is now.
const DAYS_BACK: [usize; 3] = [0, 1, 7];

/// The mix for one series and horizon; origins ascend.
pub struct Mix<'a> {
    history: &'a History,
    steps: usize,
    quantiles: &'a [f64],
    members: [Member; 3],
    known_until: Option<usize>,
}

/// One of what is mixed.
struct Member {
    days_back: usize,
    level: Misses,
    peak: Misses,
}

/// What a member missed one output by.
struct Misses {
    of: Residuals,
    /// The absolute ones, for their mean.
    sizes: Residuals,
}

impl Misses {
    fn new(most: usize) -> Self {
        Self {
            of: Residuals::new(most),
            sizes: Residuals::new(most),
        }
    }

    fn push(&mut self, miss: f64) {
        self.of.push(miss);
        self.sizes.push(miss.abs());
    }

    /// The smaller its misses, the more it counts.
    fn weight(&self) -> f64 {
        let usual = self.sizes.quantile(0.5).max(0.1);
        1.0 / (usual * usual)
    }
}

impl<'a> Mix<'a> {
    pub fn new(history: &'a History, steps: usize, quantiles: &'a [f64]) -> Self {
        let most = MISSES_SECONDS / history.step_seconds() as usize;
        Self {
            history,
            steps,
            quantiles,
            members: DAYS_BACK.map(|days_back| Member {
                days_back,
                level: Misses::new(most),
                peak: Misses::new(most),
            }),
            known_until: None,
        }
    }

    pub fn forecast(&mut self, origin: usize) -> Statement {
        self.learn(origin);
        let level = self.mixed(origin, 0);
        Statement {
            median: quantile::interpolate(self.quantiles, &level, 0.5),
            level,
            peak: self.mixed(origin, 1),
        }
    }

    fn mixed(&self, origin: usize, output: usize) -> Vec<f64> {
        let rows: Vec<(f64, Vec<f64>)> = self
            .members
            .iter()
            .filter_map(|member| {
                let center = self.centers(member.days_back, origin)[output];
                let misses = [&member.level, &member.peak][output];
                let row = self.quantiles.iter();
                let row = row.map(|q| (center + misses.of.quantile(*q)).clamp(0.0, 100.0));
                (!center.is_nan()).then(|| (misses.weight(), row.collect()))
            })
            .collect();
        let weighted: Vec<Weighted<'_>> = rows
            .iter()
            .map(|(weight, row)| Weighted {
                weight: *weight,
                row,
            })
            .collect();
        quantile::pool(self.quantiles, &weighted)
    }

    /// The level at the horizon and the peak up to it, by a member; NaN where it knows nothing.
    fn centers(&self, days_back: usize, origin: usize) -> [f64; 2] {
        let day = DAY_SECONDS / self.history.step_seconds() as usize;
        if days_back == 0 {
            let from = (origin + 1).saturating_sub(self.steps);
            return [
                self.history.value(origin),
                self.history.highest(from, origin),
            ];
        }
        // Of a horizon longer than that, nothing is known yet.
        if days_back * day < self.steps {
            return [f64::NAN; 2];
        }
        match origin.checked_sub(days_back * day) {
            None => [f64::NAN; 2],
            Some(then) => [
                self.history.observed(then + self.steps),
                self.history.observed_peak(then + 1, then + self.steps),
            ],
        }
    }

    /// Notes what each missed by, of all that is known at `origin`.
    fn learn(&mut self, origin: usize) {
        let reach = MISSES_SECONDS / self.history.step_seconds() as usize + self.steps;
        let mut made = self
            .known_until
            .unwrap_or_else(|| origin.saturating_sub(reach));
        while made + self.steps <= origin {
            let level = self.history.observed(made + self.steps);
            let peak = self.history.observed_peak(made + 1, made + self.steps);
            for place in 0..self.members.len() {
                let [at, highest] = self.centers(self.members[place].days_back, made);
                let member = &mut self.members[place];
                member.level.push(level - at);
                member.peak.push(peak - highest);
            }
            made += 1;
        }
        self.known_until = Some(made);
    }
}
