//! The simulated machines: what each has to do, which type it had when, and what its exporter would have shown.

use crate::{prices::MachineType, trace::Trace, workload::Workload};

/// What a machine has to do.
#[derive(Clone, Debug)]
pub enum Demand {
    /// Made by the workload generator.
    Generated(Workload),
    /// A recorded series; 100 percent of it are `full_vcpu`.
    Recorded {
        trace: Trace,
        /// Second of the simulation at which the trace begins.
        begins_at: i64,
        full_vcpu: f64,
    },
}

impl Demand {
    /// CPU demand in vCPU at `at`, seconds since the Unix epoch.
    pub fn vcpu(&self, at: i64) -> f64 {
        match self {
            Self::Generated(workload) => workload.demand_vcpu(at),
            Self::Recorded {
                trace,
                begins_at,
                full_vcpu,
            } => trace.cpu_percent(at - begins_at) / 100.0 * full_vcpu,
        }
    }

    /// Memory in use, MiB. A recorded CPU series says nothing of memory: then a modest constant.
    pub fn memory_mib(&self, at: i64) -> f64 {
        match self {
            Self::Generated(workload) => workload.memory_mib(at),
            Self::Recorded { .. } => 900.0,
        }
    }

    /// Bytes per second.
    pub fn disk_bytes_per_second(&self, at: i64) -> f64 {
        match self {
            Self::Generated(workload) => workload.disk_bytes_per_second(at),
            Self::Recorded { .. } => 500_000.0,
        }
    }
}

/// One simulated instance.
#[derive(Clone, Debug)]
pub struct Machine {
    pub name: String,
    pub instance_id: String,
    /// The `instance` label of its series.
    pub label: String,
    /// Instance types, smallest first.
    pub ladder: Vec<MachineType>,
    pub demand: Demand,
    /// Since when it has which type, ascending; `None` while it is down.
    history: Vec<(i64, Option<MachineType>)>,
}

/// What the exporter shows.
#[derive(Clone, Copy, Debug)]
pub enum Metric {
    CpuPercent,
    MemoryPercent,
    MemoryTotalBytes,
    DiskBytesPerSecond,
    Vcpus,
}

impl Machine {
    /// A machine that has had `machine_type` for ever.
    pub fn new(
        name: &str,
        number: usize,
        ladder: Vec<MachineType>,
        machine_type: MachineType,
        demand: Demand,
    ) -> Self {
        Self {
            name: name.to_owned(),
            instance_id: format!("i-{number:017x}"),
            label: format!("10.0.0.{number}:9100"),
            ladder,
            demand,
            history: vec![(i64::MIN, Some(machine_type))],
        }
    }

    /// Notes what the machine is from `at` on: `None` while it is down.
    pub fn observe(&mut self, at: i64, machine_type: Option<MachineType>) {
        if self.history.last().map(|(_, last)| *last) != Some(machine_type) {
            self.history.push((at, machine_type));
        }
    }

    /// The type at `at`; `None` when it was down.
    pub fn type_at(&self, at: i64) -> Option<MachineType> {
        let after = self.history.partition_point(|(since, _)| *since <= at);
        self.history.get(after.checked_sub(1)?)?.1
    }

    /// The largest type it may have.
    pub fn largest(&self) -> Option<MachineType> {
        self.ladder.last().copied()
    }

    /// What the exporter showed at `at`; `None` while the machine was down.
    pub fn reading(&self, metric: Metric, at: i64) -> Option<f64> {
        let machine_type = self.type_at(at)?;
        let vcpus = f64::from(machine_type.vcpus);
        let memory_mib = f64::from(machine_type.memory_mib);
        Some(match metric {
            // The kernel and its daemons take their share of a saturated machine: 100 is never quite reached.
            Metric::CpuPercent => (self.demand.vcpu(at) / vcpus * 100.0).min(99.8),
            Metric::MemoryPercent => (self.demand.memory_mib(at) / memory_mib * 100.0).min(99.0),
            Metric::MemoryTotalBytes => memory_mib * 1_048_576.0,
            Metric::DiskBytesPerSecond => self.demand.disk_bytes_per_second(at),
            Metric::Vcpus => vcpus,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::machine_type;

    #[test]
    fn readings_follow_the_type_and_stop_while_it_is_down() {
        let small = machine_type("t2.small").unwrap();
        let medium = machine_type("t2.medium").unwrap();
        let demand = Demand::Recorded {
            trace: crate::trace::constant(80.0),
            begins_at: 0,
            full_vcpu: 1.0,
        };
        let mut machine = Machine::new("web", 1, vec![small, medium], small, demand);
        machine.observe(100, None);
        machine.observe(110, None);
        machine.observe(200, Some(medium));
        let cpu = |at| machine.reading(Metric::CpuPercent, at).map(f64::round);
        assert_eq!(cpu(-5), Some(80.0));
        assert_eq!(cpu(99), Some(80.0));
        assert_eq!(cpu(100), None);
        assert_eq!(cpu(199), None);
        assert_eq!(cpu(200), Some(40.0));
        assert_eq!(machine.reading(Metric::Vcpus, 300), Some(2.0));
    }
}
