//! Fleets: three machines that people know, or recorded ones.

use std::path::Path;

use anyhow::Context as _;

use crate::{
    fleet::{Demand, Machine},
    prices::{MachineType, machine_types},
    trace,
    workload::{Bursts, Deploy, HourlyJob, Workload},
};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
/// As many recorded series become machines, at most.
const MOST_TRACES: usize = 6;

/// A web server whose release on the second morning costs a quarter more CPU, a worker with an hourly job and bursts,
/// and a small API whose memory leaks. `start` is the first second of the simulation, a midnight. Each has a ladder of its
/// own, unless there is one for all.
pub fn generated(
    start: i64,
    seed: u64,
    ladder: Option<&[MachineType]>,
) -> anyhow::Result<Vec<Machine>> {
    let quiet = |seed: u64| Workload {
        seed,
        base_vcpu: 0.3,
        daily_vcpu: 0.0,
        peak_hour: 14.0,
        hourly_job: None,
        bursts: None,
        noise: 0.08,
        deploy: None,
        memory_mib: 900.0,
        leak_mib_per_hour: 0.0,
    };
    let seed = seed.wrapping_mul(3);
    let web = Workload {
        base_vcpu: 0.5,
        daily_vcpu: 4.2,
        deploy: Some(Deploy {
            at: start + DAY + 10 * HOUR,
            factor: 1.25,
        }),
        memory_mib: 3_200.0,
        ..quiet(seed)
    };
    let worker = Workload {
        base_vcpu: 0.5,
        daily_vcpu: 1.3,
        peak_hour: 22.0,
        hourly_job: Some(HourlyJob {
            minute: 40,
            lasts_minutes: 15,
            vcpu: 0.9,
        }),
        bursts: Some(Bursts {
            chance_per_hour: 0.06,
            lasts_minutes: 25,
            vcpu: 1.2,
        }),
        memory_mib: 1_800.0,
        ..quiet(seed + 1)
    };
    let api = Workload {
        base_vcpu: 0.15,
        daily_vcpu: 0.9,
        peak_hour: 11.0,
        leak_mib_per_hour: 35.0,
        ..quiet(seed + 2)
    };
    [
        ("web", ["m6i.large", "m6i.xlarge", "m6i.2xlarge"], web),
        ("worker", ["c6i.large", "c6i.xlarge", "c6i.2xlarge"], worker),
        ("api", ["t2.small", "t2.medium", "t2.large"], api),
    ]
    .into_iter()
    .enumerate()
    .map(|(index, (name, own, workload))| {
        let demand = Demand::Generated(workload);
        machine(name, index + 1, &own, ladder, demand)
    })
    .collect()
}

/// A machine on the last rung of the ladder for all, else of its own, as one whose owner wanted to be sure.
fn machine(
    name: &str,
    number: usize,
    own: &[&str],
    ladder: Option<&[MachineType]>,
    demand: Demand,
) -> anyhow::Result<Machine> {
    let ladder = match ladder {
        Some(ladder) => ladder.to_vec(),
        None => machine_types(own)?,
    };
    let largest = ladder.last().copied();
    let largest = largest.context("policy.ladder holds no type")?;
    Ok(Machine::new(name, number, ladder, largest, demand))
}

/// A machine for each of the first series of the file, sized so that 100 percent of the trace are four vCPU. The traces
/// begin `past` seconds before `start`, so that there is a history to forecast from; where they are shorter, they are repeated.
pub fn recorded(
    path: &Path,
    start: i64,
    past: i64,
    ladder: Option<&[MachineType]>,
) -> anyhow::Result<Vec<Machine>> {
    trace::read(path, MOST_TRACES)?
        .into_iter()
        .enumerate()
        .map(|(index, trace)| {
            let name = trace.name.clone();
            let demand = Demand::Recorded {
                trace,
                begins_at: start - past,
                full_vcpu: 4.0,
            };
            let own = ["m6i.large", "m6i.xlarge", "m6i.2xlarge"];
            machine(&name, index + 1, &own, ladder, demand)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_machine_has_hours_that_need_its_larger_types_and_hours_that_do_not() {
        let start = 1_767_571_200;
        for machine in generated(start, 1, None).unwrap() {
            let smallest = f64::from(machine.ladder[0].vcpus);
            let minutes: Vec<f64> = (0..DAY / 60)
                .map(|minute| machine.demand.vcpu(start + minute * 60))
                .collect();
            let over = minutes
                .iter()
                .filter(|vcpu| **vcpu > 0.75 * smallest)
                .count();
            let under = minutes
                .iter()
                .filter(|vcpu| **vcpu < 0.3 * smallest)
                .count();
            assert!(over > 120, "{} is over for {over} minutes", machine.name);
            assert!(under > 120, "{} is idle for {under} minutes", machine.name);
        }
    }
}
