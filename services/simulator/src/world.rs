//! The world, and the time that passes in it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actuator::cloud::InstanceState;
use anyhow::Context as _;
use common::clock::{Clock as _, ManualClock};
use jiff::Timestamp;

use crate::{
    cloud::FakeCloud,
    fleet::Machine,
    ledger::Ledger,
    prices::{MachineType, machine_type},
    prometheus::SharedFleet,
};

/// Nothing that is simulated is faster.
pub const STEP: Duration = Duration::from_secs(5);

/// Machines, the EC2 that they run in, their account, and the clock of all.
#[derive(Debug)]
pub struct World {
    clock: ManualClock,
    cloud: FakeCloud,
    fleet: SharedFleet,
    ledger: Ledger,
    began_at: Timestamp,
}

/// A forecast of one machine's CPU, to be held against what comes.
#[derive(Clone, Copy, Debug)]
pub struct Forecast<'a> {
    pub instance_type: &'a str,
    pub horizon: Duration,
    pub predicted_percent: f64,
    /// What it was when the forecast was made.
    pub last_percent: f64,
}

impl World {
    /// A world at `start` with these machines, each running.
    ///
    /// # Errors
    /// A machine without a type.
    pub fn new(start: Timestamp, machines: Vec<Machine>) -> anyhow::Result<Self> {
        let clock = ManualClock::new(start);
        let cloud = FakeCloud::new(Arc::new(clock.clone()));
        for machine in &machines {
            let first = machine
                .type_at(start.as_second())
                .context("a machine without a type")?;
            cloud.add_instance(&machine.instance_id, first.name);
        }
        Ok(Self {
            clock,
            cloud,
            ledger: Ledger::new(&machines),
            fleet: Arc::new(Mutex::new(machines)),
            began_at: start,
        })
    }

    /// Its clock.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Its EC2.
    pub fn cloud(&self) -> &FakeCloud {
        &self.cloud
    }

    /// Its machines, to be shared with what shows them.
    pub fn fleet(&self) -> SharedFleet {
        Arc::clone(&self.fleet)
    }

    /// Its machines.
    pub fn machines(&self) -> MutexGuard<'_, Vec<Machine>> {
        // Every change is made in one piece, so what a panicking holder left is whole.
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account of its machines.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Seconds that have passed in it.
    pub fn simulated_seconds(&self) -> i64 {
        self.clock.now().as_second() - self.began_at.as_second()
    }

    /// Moves the clock on by [`STEP`]. Services do what they do then, and [`World::account`] follows.
    pub fn advance(&self) {
        self.clock.advance(STEP);
    }

    /// Takes into account what the services made of the machines in the [`STEP`] that has passed.
    pub fn account(&mut self) {
        let (now, seconds) = (self.clock.now().as_second(), STEP.as_secs() as i64);
        let mut machines = self.fleet.lock().unwrap_or_else(PoisonError::into_inner);
        self.ledger.pass(&machines, now - seconds, seconds);
        for machine in machines.iter_mut() {
            let running = running_type(&self.cloud, &machine.instance_id);
            machine.observe(now, running);
        }
    }

    /// Keeps a forecast for this machine for scoring.
    pub fn note_forecast(&mut self, name: &str, forecast: Forecast<'_>) {
        let due = self.clock.now().as_second() + forecast.horizon.as_secs() as i64;
        if let (Some(machine), Some(machine_type)) =
            (self.number(name), machine_type(forecast.instance_type))
        {
            self.ledger.forecast(
                machine,
                due,
                machine_type.vcpus,
                forecast.predicted_percent,
                forecast.last_percent,
            );
        }
    }

    /// Counts a resize of this machine that ended.
    pub fn note_resize(&mut self, name: &str, up: bool, succeeded: bool) {
        if let Some(machine) = self.number(name) {
            self.ledger.resize(machine, up, succeeded);
        }
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.machines()
            .iter()
            .position(|machine| machine.name == name)
    }
}

/// The type of a machine that is up; `None` while it is down.
fn running_type(cloud: &FakeCloud, instance_id: &str) -> Option<MachineType> {
    match cloud.state(instance_id) {
        Some(InstanceState::Running) => machine_type(&cloud.instance_type(instance_id)?),
        _ => None,
    }
}
