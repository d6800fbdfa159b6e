//! A simulated EC2 and SSM: real states that take real time (of the given clock), a memory of every call, and faults on
//! demand. For tests, and for the demo.

pub mod catalogue;
mod faults;
mod world;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use common::clock::SharedClock;
use jiff::Timestamp;

pub use self::faults::{Call, Deed, Effect, Fault};
use self::{
    faults::Faults,
    world::{Machine, World},
};
use crate::cloud::{
    Cloud, CloudError, CommandStatus, ErrorKind, Instance, InstanceState, InstanceStatus,
    InstanceType, Mutation, Operation, family,
};

/// How long things take.
#[derive(Clone, Debug)]
pub struct Timing {
    /// From stop accepted to stopped.
    pub stop: Duration,
    /// From start accepted to running.
    pub start: Duration,
    /// From running to the status checks' verdict.
    pub checks: Duration,
    /// From running to the SSM agent's registration.
    pub agent: Duration,
    /// A command.
    pub command: Duration,
}

impl Default for Timing {
    /// What a small Linux instance takes.
    fn default() -> Self {
        Self {
            stop: Duration::from_secs(35),
            start: Duration::from_secs(15),
            checks: Duration::from_secs(75),
            agent: Duration::from_secs(30),
            command: Duration::from_secs(20),
        }
    }
}

/// The fake cloud. Clones share one world.
#[derive(Clone)]
pub struct FakeCloud {
    clock: SharedClock,
    world: Arc<Mutex<World>>,
    faults: Arc<Mutex<Faults>>,
}

impl fmt::Debug for FakeCloud {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FakeCloud").finish_non_exhaustive()
    }
}

impl FakeCloud {
    /// An empty cloud whose time is `clock`'s.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            world: Arc::default(),
            faults: Arc::default(),
        }
    }

    /// Adds a running instance: x86_64, EBS root, no public address, SSM agent online.
    pub fn add_instance(&self, instance_id: &str, instance_type: &str) {
        let number = self.world().machines.len() + 1;
        let instance = Instance {
            instance_id: instance_id.to_owned(),
            instance_type: instance_type.to_owned(),
            state: InstanceState::Running,
            availability_zone: "us-east-1a".to_owned(),
            private_ip: Some(format!("10.0.{}.{}", number / 256, number % 256)),
            public_ip: None,
            elastic_ip: false,
            architecture: "x86_64".to_owned(),
            virtualization: "hvm".to_owned(),
            ena: Some(true),
            root_device_type: "ebs".to_owned(),
            spot: false,
            hibernation: false,
            tenancy: "default".to_owned(),
            placement_group: None,
            network_interfaces: 1,
            tags: BTreeMap::new(),
        };
        self.world()
            .machines
            .insert(instance_id.to_owned(), Machine::new(instance));
    }

    /// The type it has now; `None` when there is no such instance.
    pub fn instance_type(&self, instance_id: &str) -> Option<String> {
        self.look(instance_id)
            .map(|instance| instance.instance_type)
    }

    /// Its state now; `None` when there is no such instance.
    pub fn state(&self, instance_id: &str) -> Option<InstanceState> {
        self.look(instance_id).map(|instance| instance.state)
    }

    /// How many times its type was changed; 0 when there is no such instance.
    pub fn resizes(&self, instance_id: &str) -> u32 {
        self.world()
            .machines
            .get(instance_id)
            .map_or(0, |machine| machine.resizes)
    }

    /// Does to it what an operator might do, now.
    pub fn somebody(&self, instance_id: &str, deed: Deed) {
        let now = self.clock.now();
        self.world().somebody(now, instance_id, deed);
    }

    /// Makes calls go wrong, by number.
    pub fn inject(&self, fault: Fault) {
        lock(&self.faults).inject(fault);
    }

    /// `inject` for real calls of one operation.
    pub fn inject_calls(
        &self,
        operation: Operation,
        calls: std::ops::RangeInclusive<u32>,
        effect: Effect,
    ) {
        self.inject(Fault {
            operation,
            calls,
            dry_run: false,
            effect,
        });
    }

    /// Every call so far, oldest first; the last 20,000.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.faults).calls()
    }

    /// Calls of `operation` that were meant (no dry runs).
    pub fn count(&self, operation: Operation) -> usize {
        self.calls()
            .iter()
            .filter(|call| call.operation == operation && !call.dry_run)
            .count()
    }

    /// Calls that were meant to change something.
    pub fn mutations(&self) -> usize {
        self.calls()
            .iter()
            .filter(|call| call.operation.mutates() && !call.dry_run)
            .count()
    }

    /// How long things take from now on.
    pub fn set_timing(&self, timing: Timing) {
        self.world().timing = timing;
    }

    /// From now on what is read is this old, and a start this soon after a change of type is refused.
    pub fn set_lag(&self, lag: Duration) {
        self.world().lag = lag;
    }

    /// Whether starts on this type find room.
    pub fn set_capacity(&self, instance_type: &str, available: bool) {
        set(
            &mut self.world().no_capacity,
            instance_type.to_owned(),
            !available,
        );
    }

    /// Whether machines of this type get past pending.
    pub fn set_boots(&self, instance_type: &str, boots: bool) {
        set(
            &mut self.world().never_boots,
            instance_type.to_owned(),
            !boots,
        );
    }

    /// Whether machines of this type pass their status checks.
    pub fn set_healthy(&self, instance_type: &str, healthy: bool) {
        set(
            &mut self.world().impaired,
            instance_type.to_owned(),
            !healthy,
        );
    }

    /// Whether the role has the right for this call.
    pub fn set_permitted(&self, operation: Operation, permitted: bool) {
        set(&mut self.world().denied, operation.action(), !permitted);
    }

    /// Whether scripts end well.
    pub fn set_scripts_succeed(&self, succeed: bool) {
        self.world().scripts_fail = !succeed;
    }

    /// Whether its SSM agent registers.
    pub fn set_ssm(&self, instance_id: &str, registers: bool) {
        if let Some(machine) = self.world().machines.get_mut(instance_id) {
            machine.ssm = registers;
        }
    }

    /// The owner's veto against stops.
    pub fn set_stop_protected(&self, instance_id: &str, protected: bool) {
        if let Some(machine) = self.world().machines.get_mut(instance_id) {
            machine.stop_protected = protected;
        }
    }

    /// Planned maintenance.
    pub fn set_events(&self, instance_id: &str, events: &[&str]) {
        if let Some(machine) = self.world().machines.get_mut(instance_id) {
            machine.events = events.iter().map(|event| (*event).to_owned()).collect();
        }
    }

    /// True: its stops never end, until this is set to false.
    pub fn set_stop_hangs(&self, instance_id: &str, hangs: bool) {
        let now = self.clock.now();
        if let Some(machine) = self.world().machines.get_mut(instance_id) {
            if hangs {
                machine.stop_hangs = true;
            } else {
                machine.unhang(now);
            }
        }
    }

    fn look(&self, instance_id: &str) -> Option<Instance> {
        let now = self.clock.now();
        let world = self.world();
        world
            .machines
            .get(instance_id)
            .map(|machine| machine.view(now))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    async fn call<T>(
        &self,
        operation: Operation,
        instance_id: &str,
        detail: &str,
        dry_run: bool,
        act: impl FnOnce(&mut World, Timestamp) -> Result<T, CloudError> + Send,
    ) -> Result<T, CloudError> {
        let effect = lock(&self.faults).meet(Call {
            at: self.clock.now(),
            operation,
            instance_id: instance_id.to_owned(),
            detail: detail.to_owned(),
            dry_run,
        });
        let lost = || {
            CloudError::new(
                operation,
                ErrorKind::LostReply,
                "no answer within the time limit",
            )
        };
        match effect {
            Some(Effect::Fail(kind)) => {
                return Err(CloudError::new(
                    operation,
                    kind,
                    format!("injected: {kind:?}"),
                ));
            }
            Some(Effect::DropBefore) => return Err(lost()),
            Some(Effect::Delay(delay)) => self.clock.sleep(delay).await,
            Some(Effect::DropAfter | Effect::Somebody(_)) | None => {}
        }
        let now = self.clock.now();
        let mut world = self.world();
        let result = act(&mut world, now);
        match effect {
            Some(Effect::DropAfter) => return Err(lost()),
            Some(Effect::Somebody(deed)) => world.somebody(now, instance_id, deed),
            _ => {}
        }
        result
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is made in one piece, so what a panicking holder left is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set<T: Ord>(set: &mut std::collections::BTreeSet<T>, value: T, member: bool) {
    if member {
        set.insert(value);
    } else {
        set.remove(&value);
    }
}

#[async_trait]
impl Cloud for FakeCloud {
    async fn ready(&self) -> Result<(), CloudError> {
        self.call(Operation::Ready, "", "", false, |_, _| Ok(()))
            .await
    }

    async fn describe_instance(&self, instance_id: &str) -> Result<Instance, CloudError> {
        self.call(
            Operation::DescribeInstance,
            instance_id,
            "",
            false,
            |world, now| world.describe(now, instance_id),
        )
        .await
    }

    async fn describe_types(&self, names: &[String]) -> Result<Vec<InstanceType>, CloudError> {
        self.call(
            Operation::DescribeTypes,
            "",
            &names.join(","),
            false,
            |_, _| {
                Ok(catalogue::all()
                    .into_iter()
                    .filter(|found| names.contains(&found.name))
                    .collect())
            },
        )
        .await
    }

    async fn offered_types(
        &self,
        wanted: &str,
        availability_zone: &str,
    ) -> Result<Vec<String>, CloudError> {
        self.call(
            Operation::OfferedTypes,
            "",
            availability_zone,
            false,
            |_, _| {
                Ok(catalogue::all()
                    .into_iter()
                    .map(|found| found.name)
                    .filter(|name| family(name) == wanted)
                    .collect())
            },
        )
        .await
    }

    async fn status(&self, instance_id: &str) -> Result<InstanceStatus, CloudError> {
        self.call(Operation::Status, instance_id, "", false, |world, now| {
            world.status(now, instance_id)
        })
        .await
    }

    async fn stop_protected(&self, instance_id: &str) -> Result<bool, CloudError> {
        self.call(
            Operation::StopProtection,
            instance_id,
            "",
            false,
            |world, _| {
                Ok(world
                    .machine(Operation::StopProtection, instance_id)?
                    .stop_protected)
            },
        )
        .await
    }

    async fn permitted(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError> {
        self.call(
            mutation.into(),
            instance_id,
            &detail(mutation),
            true,
            |world, now| world.mutate(now, instance_id, mutation, true),
        )
        .await
    }

    async fn mutate(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError> {
        self.call(
            mutation.into(),
            instance_id,
            &detail(mutation),
            false,
            |world, now| world.mutate(now, instance_id, mutation, false),
        )
        .await
    }

    async fn ssm_online(&self, instance_id: &str) -> Result<bool, CloudError> {
        self.call(
            Operation::SsmOnline,
            instance_id,
            "",
            false,
            |world, now| Ok(world.ssm_online(now, instance_id)),
        )
        .await
    }

    async fn send_script(
        &self,
        instance_id: &str,
        script: &str,
        _limit: Duration,
    ) -> Result<String, CloudError> {
        self.call(
            Operation::SendScript,
            instance_id,
            script,
            false,
            |world, now| world.send(now, instance_id),
        )
        .await
    }

    async fn poll_command(
        &self,
        instance_id: &str,
        command_id: &str,
    ) -> Result<CommandStatus, CloudError> {
        self.call(
            Operation::PollCommand,
            instance_id,
            command_id,
            false,
            |world, now| world.poll(now, instance_id, command_id),
        )
        .await
    }
}

fn detail(mutation: &Mutation) -> String {
    match mutation {
        Mutation::ModifyType(instance_type) => instance_type.clone(),
        Mutation::Stop | Mutation::Start => String::new(),
    }
}
