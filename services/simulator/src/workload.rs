//! What simulated machines have to do: CPU demand in vCPU, memory in MiB, as pure functions of time.
//!
//! Demand does not depend on the machine's type: that is what makes a resize worth anything. Noise comes from a hash of
//! seed and time, so that any moment can be asked for in any order and always gives the same answer.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A machine's work. All amounts of CPU are in vCPU.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Everything random derives from it.
    pub seed: u64,
    /// Demand in the dead of night.
    pub base_vcpu: f64,
    /// What the day adds at its peak, as a smooth hump around `peak_hour`.
    pub daily_vcpu: f64,
    /// Hour of the day, UTC, 0 to 24.
    pub peak_hour: f64,
    /// A job that runs every hour.
    pub hourly_job: Option<HourlyJob>,
    /// Rare unannounced load.
    pub bursts: Option<Bursts>,
    /// Standard deviation of the noise, as a share of the demand.
    pub noise: f64,
    /// A release that changes what a request costs: from this second of the simulation on, demand is multiplied.
    pub deploy: Option<Deploy>,
    /// Memory in use after a restart, MiB.
    pub memory_mib: f64,
    /// Memory that is never given back, MiB an hour, until the daily restart of the program at 04:00.
    pub leak_mib_per_hour: f64,
}

/// Starts at `minute` of each hour.
#[derive(Clone, Copy, Debug)]
pub struct HourlyJob {
    pub minute: i64,
    pub lasts_minutes: i64,
    pub vcpu: f64,
}

/// Each hour has this chance of one burst.
#[derive(Clone, Copy, Debug)]
pub struct Bursts {
    pub chance_per_hour: f64,
    pub lasts_minutes: i64,
    pub vcpu: f64,
}

/// A lasting step in demand.
#[derive(Clone, Copy, Debug)]
pub struct Deploy {
    /// Seconds since the Unix epoch.
    pub at: i64,
    pub factor: f64,
}

impl Workload {
    /// CPU demand in the minute of `at` (seconds since the Unix epoch), in vCPU. Never negative.
    pub fn demand_vcpu(&self, at: i64) -> f64 {
        let hour_of_day = at.rem_euclid(DAY) as f64 / HOUR as f64;
        let phase = (hour_of_day - self.peak_hour) / 24.0 * std::f64::consts::TAU;
        // A cosine to the third: nights are flat, afternoons are not.
        let hump = (0.5 + 0.5 * phase.cos()).powi(3);
        let mut demand = self.base_vcpu + self.daily_vcpu * hump;
        if let Some(deploy) = self.deploy
            && at >= deploy.at
        {
            demand *= deploy.factor;
        }
        // Slow wander over half hours, quick noise by the minute.
        demand *= 1.0 + self.noise * (0.7 * self.wander(at) + 0.5 * self.normal(at / MINUTE, 1));
        demand += self.job_vcpu(at) + self.burst_vcpu(at);
        demand.max(0.0)
    }

    /// Memory in use, MiB.
    pub fn memory_mib(&self, at: i64) -> f64 {
        let since_restart = (at - 4 * HOUR).rem_euclid(DAY) as f64 / HOUR as f64;
        self.memory_mib + self.leak_mib_per_hour * since_restart
    }

    /// Disk throughput, bytes per second: a little always, more with the load.
    pub fn disk_bytes_per_second(&self, at: i64) -> f64 {
        200_000.0 + 1_500_000.0 * self.demand_vcpu(at)
    }

    fn job_vcpu(&self, at: i64) -> f64 {
        match self.hourly_job {
            Some(job) => {
                let minute = at.rem_euclid(HOUR) / MINUTE;
                let runs = (minute - job.minute).rem_euclid(60) < job.lasts_minutes;
                if runs { job.vcpu } else { 0.0 }
            }
            None => 0.0,
        }
    }

    fn burst_vcpu(&self, at: i64) -> f64 {
        let Some(bursts) = self.bursts else {
            return 0.0;
        };
        // A burst of the hour before may reach into this one.
        let hour = at.div_euclid(HOUR);
        [hour - 1, hour]
            .into_iter()
            .filter(|hour| {
                let mut random = self.random(*hour, 2);
                let happens = random.random::<f64>() < bursts.chance_per_hour;
                let start = hour * HOUR + (random.random::<f64>() * HOUR as f64) as i64;
                happens && (start..start + bursts.lasts_minutes * MINUTE).contains(&at)
            })
            .count() as f64
            * bursts.vcpu
    }

    /// Normal noise that moves smoothly from one half hour to the next.
    fn wander(&self, at: i64) -> f64 {
        let slot = at.div_euclid(30 * MINUTE);
        let share = at.rem_euclid(30 * MINUTE) as f64 / (30 * MINUTE) as f64;
        self.normal(slot, 3) * (1.0 - share) + self.normal(slot + 1, 3) * share
    }

    fn normal(&self, slot: i64, purpose: u64) -> f64 {
        StandardNormal.sample(&mut self.random(slot, purpose))
    }

    fn random(&self, slot: i64, purpose: u64) -> ChaCha8Rng {
        let mut random =
            ChaCha8Rng::seed_from_u64(self.seed.wrapping_mul(31).wrapping_add(purpose));
        random.set_stream(slot as u64);
        random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Workload {
        Workload {
            seed: 7,
            base_vcpu: 0.5,
            daily_vcpu: 2.0,
            peak_hour: 14.0,
            hourly_job: None,
            bursts: None,
            noise: 0.0,
            deploy: None,
            memory_mib: 1_000.0,
            leak_mib_per_hour: 10.0,
        }
    }

    #[test]
    fn the_day_has_its_shape() {
        let workload = quiet();
        assert!((workload.demand_vcpu(14 * HOUR) - 2.5).abs() < 1e-9);
        assert!((workload.demand_vcpu(2 * HOUR) - 0.5).abs() < 1e-9);
        assert_eq!(
            workload.demand_vcpu(9 * HOUR),
            workload.demand_vcpu(DAY + 9 * HOUR)
        );
    }

    #[test]
    fn jobs_bursts_and_deploys_add_what_they_say() {
        let night = 2 * HOUR;
        let job = Workload {
            hourly_job: Some(HourlyJob {
                minute: 55,
                lasts_minutes: 10,
                vcpu: 1.0,
            }),
            ..quiet()
        };
        for (minute, expected) in [
            (54, 0.0),
            (55, 1.0),
            (59, 1.0),
            (60, 1.0),
            (64, 1.0),
            (65, 0.0),
        ] {
            assert_eq!(job.job_vcpu(night + minute * MINUTE), expected, "{minute}");
        }
        let deploy = Workload {
            deploy: Some(Deploy {
                at: night,
                factor: 2.0,
            }),
            ..quiet()
        };
        assert!((deploy.demand_vcpu(night) / quiet().demand_vcpu(night) - 2.0).abs() < 1e-9);
        assert_eq!(
            deploy.demand_vcpu(night - 1),
            quiet().demand_vcpu(night - 1)
        );

        let bursty = Workload {
            bursts: Some(Bursts {
                chance_per_hour: 0.1,
                lasts_minutes: 20,
                vcpu: 1.5,
            }),
            ..quiet()
        };
        let minutes = (0..100 * DAY / MINUTE)
            .filter(|minute| bursty.burst_vcpu(minute * MINUTE) > 0.0)
            .count();
        // 100 days of 24 hours with a tenth of a burst of 20 minutes each: 4,800.
        assert!((3_800..5_800).contains(&minutes), "{minutes}");
    }

    #[test]
    fn noise_is_repeatable_and_of_the_size_it_says() {
        let noisy = Workload {
            noise: 0.1,
            ..quiet()
        };
        let ratios: Vec<f64> = (0..5_000)
            .map(|minute| {
                let at = minute * MINUTE;
                assert_eq!(noisy.demand_vcpu(at), noisy.demand_vcpu(at));
                noisy.demand_vcpu(at) / quiet().demand_vcpu(at) - 1.0
            })
            .collect();
        let deviation =
            (ratios.iter().map(|ratio| ratio * ratio).sum::<f64>() / ratios.len() as f64).sqrt();
        assert!((0.05..0.11).contains(&deviation), "{deviation}");
    }

    #[test]
    fn memory_leaks_until_the_restart() {
        let workload = quiet();
        assert_eq!(workload.memory_mib(4 * HOUR), 1_000.0);
        assert_eq!(workload.memory_mib(14 * HOUR), 1_100.0);
        assert!(workload.memory_mib(4 * HOUR - 1) > 1_239.0);
    }
}
