//! A ladder against the sizes of its types: whether its rungs order, and which rungs are steps. Pure.

use std::fmt;

use crate::decide::input::{InstanceType, size_of};

/// vCPUs of which a burstable type may use so much without end, percent of each vCPU.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html>, "Baseline utilization".
const BASELINE_PERCENT: [(&str, [(&str, f64); 7]); 2] = [
    (
        "t2",
        [
            ("nano", 5.0),
            ("micro", 10.0),
            ("small", 20.0),
            ("medium", 20.0),
            ("large", 30.0),
            ("xlarge", 22.5),
            ("2xlarge", 16.875),
        ],
    ),
    // t3a and t4g have the same.
    (
        "t3",
        [
            ("nano", 5.0),
            ("micro", 10.0),
            ("small", 20.0),
            ("medium", 20.0),
            ("large", 30.0),
            ("xlarge", 40.0),
            ("2xlarge", 40.0),
        ],
    ),
];

/// What a type can do.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Size {
    vcpus: u32,
    /// vCPUs that it can use without end.
    sustained_vcpus: f64,
    memory_mib: u64,
}

impl Size {
    /// `None` where a size is unknown.
    fn of(name: &str, types: &[InstanceType]) -> Option<Self> {
        let known = size_of(types, name)?;
        if known.vcpus == 0 || known.memory_mib == 0 {
            return None;
        }
        Some(Self {
            vcpus: known.vcpus,
            sustained_vcpus: f64::from(known.vcpus) * baseline_percent(name).unwrap_or(100.0)
                / 100.0,
            memory_mib: known.memory_mib,
        })
    }

    /// Nowhere less.
    fn covers(&self, other: &Self) -> bool {
        self.vcpus >= other.vcpus
            && self.sustained_vcpus >= other.sustained_vcpus
            && self.memory_mib >= other.memory_mib
    }

    fn has_more_cpu(&self, other: &Self) -> bool {
        self.vcpus > other.vcpus || self.sustained_vcpus > other.sustained_vcpus
    }
}

/// `None` for a type that doesn't live on credits, or one that this program doesn't know yet.
fn baseline_percent(name: &str) -> Option<f64> {
    let (family, size) = name.split_once('.')?;
    let family = match family {
        "t3a" | "t4g" => "t3",
        family => family,
    };
    let (_, sizes) = BASELINE_PERCENT
        .iter()
        .find(|(known, _)| *known == family)?;
    let (_, percent) = sizes.iter().find(|(known, _)| *known == size)?;
    Some(*percent)
}

/// Whether the size of a type is known.
pub fn is_known(name: &str, types: &[InstanceType]) -> bool {
    Size::of(name, types).is_some()
}

/// True when going from `from` to `to` adds CPU and takes nothing away; also where a size is unknown.
pub fn is_step_up(from: &str, to: &str, types: &[InstanceType]) -> bool {
    match (Size::of(from, types), Size::of(to, types)) {
        (Some(from), Some(to)) => to.covers(&from) && to.has_more_cpu(&from),
        _ => true,
    }
}

/// True when going from `from` to `to` takes something away and adds nothing; also where a size is unknown.
pub fn is_step_down(from: &str, to: &str, types: &[InstanceType]) -> bool {
    match (Size::of(from, types), Size::of(to, types)) {
        (Some(from), Some(to)) => from.covers(&to) && from != to,
        _ => true,
    }
}

/// Two rungs in the wrong order.
#[derive(Clone, Debug, PartialEq)]
pub struct Disorder {
    below: (String, u32, u64),
    above: (String, u32, u64),
}

impl fmt::Display for Disorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (below, above) = (&self.below, &self.above);
        write!(
            formatter,
            "the ladder is out of order: {} ({} vCPU, {} MiB) stands below {} ({} vCPU, {} MiB), which is smaller; write \
             the smallest first",
            below.0, below.1, below.2, above.0, above.1, above.2
        )
    }
}

/// The first two rungs of which the later one has less of both, vCPU and memory. One that has less of one is no disorder:
/// it is no step, and skipped. Rungs of unknown size are passed over.
pub fn disorder(ladder: &[String], types: &[InstanceType]) -> Option<Disorder> {
    let known: Vec<(&String, Size)> = ladder
        .iter()
        .filter_map(|name| Some((name, Size::of(name, types)?)))
        .collect();
    known.iter().enumerate().find_map(|(position, below)| {
        let above = known[position + 1..].iter().find(|above| {
            above.1.vcpus < below.1.vcpus && above.1.memory_mib < below.1.memory_mib
        })?;
        let shown = |(name, size): &(&String, Size)| ((*name).clone(), size.vcpus, size.memory_mib);
        Some(Disorder {
            below: shown(below),
            above: shown(above),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> Vec<InstanceType> {
        [
            ("t3.large", 2, 8_192),
            ("t3.xlarge", 4, 16_384),
            ("t2.medium", 2, 4_096),
            ("t2.large", 2, 8_192),
            ("c6i.large", 2, 4_096),
            ("c6i.xlarge", 4, 8_192),
            ("m6i.large", 2, 8_192),
            ("m6i.xlarge", 4, 16_384),
            ("m6i.2xlarge", 8, 32_768),
            ("m5.large", 2, 8_192),
            ("r6i.large", 2, 16_384),
        ]
        .map(|(name, vcpus, memory_mib)| InstanceType {
            instance_type: name.to_owned(),
            vcpus,
            memory_mib,
        })
        .to_vec()
    }

    fn found(ladder: &[&str]) -> Option<String> {
        let ladder: Vec<String> = ladder.iter().map(|&name| name.to_owned()).collect();
        disorder(&ladder, &types()).map(|disorder| disorder.to_string())
    }

    #[test]
    fn ladders_that_rise_somewhere_at_each_rung_are_in_order() {
        for ladder in [
            &["c6i.large", "m6i.large", "m6i.xlarge"][..],
            &["t2.medium", "t2.large"],
            // More vCPU, less memory: no order, and no disorder.
            &["r6i.large", "c6i.xlarge"],
            &["m5.large", "m6i.large"],
            // Less of one, or only less that lasts: skipped on the way, not refused.
            &["m6i.large", "c6i.large", "m6i.xlarge"],
            &["m6i.large", "t3.large", "m6i.xlarge"],
            &["c6i.xlarge", "m6i.large"],
            &["unknown.large", "m6i.large"],
            &["m6i.large"],
        ] {
            assert_eq!(found(ladder), None, "{ladder:?}");
        }
    }

    #[test]
    fn a_rung_smaller_than_one_below_it_is_named_with_both_sizes() {
        for (ladder, words) in [
            (
                &["m6i.xlarge", "m6i.large"][..],
                "m6i.xlarge (4 vCPU, 16384 MiB) stands below m6i.large (2 vCPU, 8192 MiB)",
            ),
            (
                &["m6i.large", "m6i.2xlarge", "m6i.xlarge"],
                "m6i.2xlarge (8 vCPU",
            ),
            // Not next to each other.
            (
                &["m6i.xlarge", "unknown.large", "m6i.2xlarge", "m6i.large"],
                "m6i.xlarge (4 vCPU",
            ),
        ] {
            let disorder = found(ladder);
            assert!(
                disorder.as_ref().is_some_and(
                    |disorder| disorder.contains(words) && disorder.contains("smallest first")
                ),
                "{ladder:?}: {disorder:?}"
            );
        }
    }

    #[test]
    fn a_step_up_adds_cpu_and_takes_nothing() {
        let types = types();
        for (from, to, is_step) in [
            ("m6i.large", "m6i.xlarge", true),
            // Twice the baseline on as many vCPUs.
            ("t2.medium", "t2.large", true),
            // Memory alone helps no CPU.
            ("c6i.large", "m6i.large", false),
            ("m6i.large", "r6i.large", false),
            ("r6i.large", "c6i.xlarge", false),
            // Four vCPUs of which 1.6 last.
            ("m6i.large", "t3.xlarge", false),
            ("t3.large", "m6i.large", true),
            ("m6i.large", "unknown.large", true),
        ] {
            assert_eq!(is_step_up(from, to, &types), is_step, "{from} to {to}");
        }
    }

    #[test]
    fn a_step_down_takes_something_and_adds_nothing() {
        let types = types();
        for (from, to, is_step) in [
            ("m6i.xlarge", "m6i.large", true),
            ("m6i.large", "c6i.large", true),
            ("m6i.large", "m5.large", false),
            ("c6i.xlarge", "r6i.large", false),
            ("m6i.large", "t3.xlarge", false),
            ("m6i.xlarge", "unknown.large", true),
        ] {
            assert_eq!(is_step_down(from, to, &types), is_step, "{from} to {to}");
        }
    }
}
