//! What a long command used.

use std::{fmt, time::Duration};

/// Time and memory, for people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Used {
    /// From start to end.
    pub time: Duration,
    /// The most memory that the process held at once; `None` where the system doesn't say.
    pub peak_memory_bytes: Option<u64>,
}

impl Used {
    /// `time`, and the memory of this process so far.
    pub fn after(time: Duration) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            time,
            peak_memory_bytes: high_water(&status),
        }
    }
}

impl fmt::Display for Used {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs();
        match seconds {
            0..60 => write!(formatter, "{:.1} s", self.time.as_secs_f64())?,
            _ => write!(formatter, "{} min {} s", seconds / 60, seconds % 60)?,
        }
        match self.peak_memory_bytes {
            Some(bytes) => write!(formatter, ", peak memory {} MiB", bytes >> 20),
            None => write!(formatter, ", peak memory unknown"),
        }
    }
}

/// `VmHWM` of Linux's `/proc/<pid>/status`.
fn high_water(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_memory_are_read_and_shown() {
        let status = "VmPeak:\t  900000 kB\nVmHWM:\t  204800 kB\n";
        for (seconds, status, expected) in [
            (2.34, status, "2.3 s, peak memory 200 MiB"),
            (412.9, status, "6 min 52 s, peak memory 200 MiB"),
            (1.0, "VmHWM: many\n", "1.0 s, peak memory unknown"),
        ] {
            let used = Used {
                time: Duration::from_secs_f64(seconds),
                peak_memory_bytes: high_water(status),
            };
            assert_eq!(used.to_string(), expected);
        }
        if cfg!(target_os = "linux") {
            assert!(Used::after(Duration::ZERO).peak_memory_bytes > Some(1 << 20));
        }
    }
}
