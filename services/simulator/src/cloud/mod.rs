//! A simulated EC2 and SSM: real states that take real time (of the given clock), a memory of every call, and faults on
//! demand. For tests, and for the demo.
//!
//! The unit tests of the actuator compile these files, too: as part of it, so that they see its own types.

mod answers;
pub mod catalogue;
mod faults;
mod hold;
mod machine;
mod measured;
mod timing;
mod world;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actuator::cloud::{
    CloudError, Document, ErrorKind, GroupMember, Instance, InstanceState, Mean, Metric, Operation,
};
use common::clock::SharedClock;
use jiff::Timestamp;
use tokio::sync::watch;

use self::{
    faults::Faults,
    hold::Verdict,
    machine::{Machine, Stretch},
    world::World,
};
pub use self::{
    faults::{Call, Deed, Effect, Fault},
    hold::{Hold, Moment},
    timing::Timing,
};

/// The fake cloud. Clones share one world.
#[derive(Clone)]
pub struct FakeCloud {
    clock: SharedClock,
    world: Arc<Mutex<World>>,
    faults: Arc<Mutex<Faults>>,
    /// Counts calls, so that somebody can wait for one.
    arrivals: watch::Sender<u64>,
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
            arrivals: watch::Sender::new(0),
        }
    }

    /// Adds a running instance: x86_64, EBS root, no public address, SSM agent online.
    pub fn add_instance(&self, instance_id: &str, instance_type: &str) {
        let number = self.world().machines.len() + 1;
        let mut instance = catalogue::instance(instance_id, instance_type);
        instance.private_ip = Some(format!("10.0.{}.{}", number / 256, number % 256));
        self.world()
            .machines
            .insert(instance_id.to_owned(), Machine::new(instance));
    }

    /// The type it has now; `None` when there is no such instance.
    pub fn instance_type(&self, instance_id: &str) -> Option<String> {
        self.stretch(instance_id, |now| now.instance_type.clone())
    }

    /// Its state now; `None` when there is no such instance.
    pub fn state(&self, instance_id: &str) -> Option<InstanceState> {
        self.stretch(instance_id, |now| now.state)
    }

    /// How many times its type was changed; 0 when there is no such instance.
    pub fn resizes(&self, instance_id: &str) -> u32 {
        self.world()
            .machines
            .get(instance_id)
            .map_or(0, |machine| machine.resizes)
    }

    /// The means of a metric that its store holds from now on.
    pub fn set_metric(&self, instance_id: &str, metric: Metric, means: Vec<Mean>) {
        self.world().measured.set(instance_id, metric, means);
    }

    /// The machines that its store holds a metric of.
    ///
    /// # Errors
    /// The role lacks the right.
    pub fn with_metric(&self, metric: Metric) -> Result<Vec<String>, CloudError> {
        let world = self.world();
        world.allowed(Operation::ListMetrics)?;
        Ok(world.measured.with(metric))
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

    /// Holds call number `number` of `operation` when it comes, before or after its effect.
    pub fn hold(&self, operation: Operation, number: u32, moment: Moment) -> Hold {
        lock(&self.faults).hold(operation, number, moment)
    }

    /// Returns once `operation` has been called `number` times (no dry runs).
    pub async fn until_called(&self, operation: Operation, number: usize) {
        let mut arrivals = self.arrivals.subscribe();
        // `self` holds the sender, so the channel can't close while this waits.
        let _ = arrivals.wait_for(|_| self.count(operation) >= number).await;
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

    /// What EC2 says to every start on this type, for good; `None` is nothing.
    pub fn set_refused(&self, instance_type: &str, words: Option<&str>) {
        let mut world = self.world();
        match words {
            Some(words) => world
                .refused
                .insert(instance_type.to_owned(), words.to_owned()),
            None => world.refused.remove(instance_type),
        };
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

    /// vCPUs that may run at once, of each quota.
    pub fn set_vcpu_limit(&self, limit: u32) {
        self.world().vcpu_limit = limit;
    }

    /// The instance that the program under test is to believe it runs on.
    pub fn set_own_instance_id(&self, instance_id: &str) {
        self.world().own_instance_id = Some(instance_id.to_owned());
    }

    /// Makes it a member of an Auto Scaling group, tag included; `lifecycle` such as `InService`.
    pub fn set_group(&self, instance_id: &str, group: &str, lifecycle: &str) {
        if let Some(machine) = self.world().machines.get_mut(instance_id) {
            machine.group = Some(GroupMember {
                group: group.to_owned(),
                lifecycle: lifecycle.to_owned(),
            });
            let tags = &mut machine.instance.tags;
            tags.insert("aws:autoscaling:groupName".to_owned(), group.to_owned());
        }
    }

    /// The CPU credit mode that it has now; `None` for types without credits.
    pub fn credit_mode_of(&self, instance_id: &str) -> Option<String> {
        let now = self.clock.now();
        self.world().machines.get(instance_id)?.credit_mode(now)
    }

    /// Sets its CPU credit mode, as its owner would.
    pub fn set_credit_mode_of(&self, instance_id: &str, mode: &str) {
        if let Some(machine) = self.world().machines.get_mut(instance_id) {
            machine.credit_mode = Some(mode.to_owned());
        }
    }

    /// Its tags now; empty when there is no such instance.
    pub fn tags(&self, instance_id: &str) -> BTreeMap<String, String> {
        let world = self.world();
        let machine = world.machines.get(instance_id);
        machine.map_or_else(BTreeMap::new, |machine| machine.instance.tags.clone())
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

    /// All instances as they are now, those that are gone included.
    pub fn instances(&self) -> Vec<Instance> {
        let now = self.clock.now();
        let world = self.world();
        world
            .machines
            .values()
            .map(|machine| machine.view(now))
            .collect()
    }

    /// What somebody else makes of an SSM document.
    pub fn somebody_publishes(&self, name: &str, sha256: &str) {
        self.world().publish(name, sha256);
    }

    /// An SSM document's default version.
    pub(crate) async fn document(&self, name: &str) -> Result<Document, CloudError> {
        let operation = Operation::LookAtScript;
        self.call(operation, "", name, false, |world, _| {
            world.allowed(operation)?;
            world.documents.get(name).cloned().ok_or_else(|| {
                let message = format!("there is no document {name}");
                CloudError::new(operation, ErrorKind::NotFound, message)
            })
        })
        .await
    }

    pub(crate) async fn set_document(
        &self,
        name: &str,
        sha256: &str,
    ) -> Result<Document, CloudError> {
        let operation = Operation::PublishScript;
        self.call(operation, "", name, false, |world, _| {
            world.allowed(operation)?;
            Ok(world.publish(name, sha256))
        })
        .await
    }

    /// What `of` takes of it as it is now.
    fn stretch<T>(&self, instance_id: &str, of: impl Fn(&Stretch) -> T) -> Option<T> {
        let now = self.clock.now();
        let world = self.world();
        let machine = world.machines.get(instance_id)?;
        Some(of(machine.at(now)))
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
        let met = lock(&self.faults).meet(Call {
            at: self.clock.now(),
            operation,
            instance_id: instance_id.to_owned(),
            detail: detail.to_owned(),
            dry_run,
        });
        let effect = met.effect;
        self.arrivals.send_modify(|count| *count += 1);
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
        if let Some(gate) = met.before
            && gate.pass().await == Verdict::Lose
        {
            return Err(lost());
        }
        let result = {
            let now = self.clock.now();
            let mut world = self.world();
            let result = act(&mut world, now);
            if let Some(Effect::Somebody(deed)) = effect {
                world.somebody(now, instance_id, deed);
            }
            result
        };
        if let Some(gate) = met.after
            && gate.pass().await == Verdict::Lose
        {
            return Err(lost());
        }
        match effect {
            Some(Effect::DropAfter) => Err(lost()),
            _ => result,
        }
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
