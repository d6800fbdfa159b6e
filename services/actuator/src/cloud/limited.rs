//! The cloud behind the guard: every call takes a token of its family, a stop asks the kill switch, and starts that find
//! no room are remembered.

mod bucket;
mod shortage;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use common::clock::SharedClock;

use self::{bucket::Bucket, shortage::Shortages};
use crate::{
    cloud::{
        Cloud, CloudError, CommandStatus, Delivery, Document, ErrorKind, GroupMember, Instance,
        InstanceStatus, InstanceType, Mutation, Operation, Script, Standing, VcpuQuota, VcpuUse,
        requests::{self, Meter},
    },
    config::LimitsConfig,
    rails::Guard,
};

/// Instances whose type and zone are remembered from the last look.
const SEEN: usize = 20_000;

/// A cloud behind a [`Guard`].
pub struct GuardedCloud {
    guard: Arc<Guard>,
    inner: Arc<dyn Cloud>,
    clock: SharedClock,
    /// Tokens that only what brings a machine back may take.
    reserve: f64,
    shortage_memory: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    reads: Bucket,
    changes: Bucket,
    commands: Bucket,
    shortages: Shortages,
    /// Instance to type and zone, as last seen.
    seen: HashMap<String, (String, String)>,
}

/// AWS counts calls by family.
#[derive(Clone, Copy, Debug)]
enum Family {
    Reads,
    Changes,
    Commands,
}

impl From<Operation> for Family {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Stop
            | Operation::ModifyType
            | Operation::Start
            | Operation::SetTag
            | Operation::RemoveTag
            | Operation::SetCreditMode => Self::Changes,
            Operation::SsmOnline
            | Operation::LookAtScript
            | Operation::PublishScript
            | Operation::SendScript
            | Operation::PollCommand => Self::Commands,
            _ => Self::Reads,
        }
    }
}

impl fmt::Debug for GuardedCloud {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GuardedCloud")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl GuardedCloud {
    pub(crate) fn new(
        guard: Arc<Guard>,
        inner: Arc<dyn Cloud>,
        clock: SharedClock,
        limits: &LimitsConfig,
    ) -> Self {
        let now = clock.now();
        let bucket = |size, per_second| Bucket::new(f64::from(size), per_second, now);
        Self {
            guard,
            inner,
            reserve: f64::from(limits.starts_reserve),
            shortage_memory: Duration::from_secs(limits.shortage_memory_seconds),
            state: Arc::new(Mutex::new(State {
                reads: bucket(limits.read_burst, limits.reads_per_second),
                changes: bucket(limits.change_burst, limits.changes_per_second),
                commands: bucket(limits.change_burst, limits.changes_per_second),
                shortages: Shortages::default(),
                seen: HashMap::new(),
            })),
            clock,
        }
    }

    /// Waits for a token, makes the call, and learns from a throttle.
    async fn limited<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, CloudError>> + Send,
    ) -> Result<T, CloudError> {
        let family = Family::from(operation);
        // What brings a machine back: its type and its start.
        let brings_back = matches!(operation, Operation::ModifyType | Operation::Start);
        let reserve = match family {
            Family::Changes if !brings_back => self.reserve,
            _ => 0.0,
        };
        loop {
            let now = self.clock.now();
            let taken = self.state().bucket(family).take(reserve, now);
            match taken {
                Ok(()) => break,
                Err(wait) => self.clock.sleep(wait).await,
            }
        }
        let tab = Tab {
            state: Arc::clone(&self.state),
            clock: Arc::clone(&self.clock),
            family,
            // What is kept for starts is not for what was not asked for.
            reserve: match family {
                Family::Changes => self.reserve,
                Family::Reads | Family::Commands => 0.0,
            },
        };
        let result = requests::metered(Arc::new(tab), call).await;
        if let Err(error) = &result
            && error.kind == ErrorKind::Throttled
        {
            let now = self.clock.now();
            self.state().bucket(family).drain_to(self.reserve, now);
        }
        result
    }

    /// After a start: room or none, for this type in this zone.
    fn learn(&self, instance_id: &str, result: &Result<(), CloudError>) {
        let now = self.clock.now();
        let mut state = self.state();
        let Some((instance_type, zone)) = state.seen.get(instance_id).cloned() else {
            return;
        };
        match result {
            Ok(()) => state.shortages.forget(&instance_type, &zone),
            Err(error) if error.kind == ErrorKind::InsufficientCapacity => {
                state
                    .shortages
                    .note(&instance_type, &zone, now, self.shortage_memory);
            }
            Err(_) => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made in one piece, so what a panicking holder left is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one call sends beyond its first request. The first is paid for before; a further one goes out while AWS's own
/// time limits run, so it is not held up but made up for: by the next page, or the next call.
struct Tab {
    state: Arc<Mutex<State>>,
    clock: SharedClock,
    family: Family,
    reserve: f64,
}

impl Tab {
    fn bucket<T>(&self, with: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        with(state.bucket(self.family))
    }
}

#[async_trait]
impl Meter for Tab {
    fn further(&self) {
        let now = self.clock.now();
        self.bucket(|bucket| bucket.charge(self.reserve, now));
    }

    async fn pause(&self) {
        loop {
            let now = self.clock.now();
            match self.bucket(|bucket| bucket.debt(now)) {
                None => return,
                Some(wait) => self.clock.sleep(wait).await,
            }
        }
    }
}

impl State {
    fn bucket(&mut self, family: Family) -> &mut Bucket {
        match family {
            Family::Reads => &mut self.reads,
            Family::Changes => &mut self.changes,
            Family::Commands => &mut self.commands,
        }
    }

    fn see(&mut self, instance: &Instance) {
        if self.seen.len() >= SEEN {
            self.seen.clear();
        }
        self.seen.insert(
            instance.instance_id.clone(),
            (
                instance.instance_type.clone(),
                instance.availability_zone.clone(),
            ),
        );
    }
}

#[async_trait]
impl Cloud for GuardedCloud {
    async fn ready(&self) -> Result<(), CloudError> {
        self.inner.ready().await
    }

    async fn describe_instance(&self, instance_id: &str) -> Result<Instance, CloudError> {
        let call = self.inner.describe_instance(instance_id);
        let result = self.limited(Operation::DescribeInstance, call).await;
        if let Ok(instance) = &result {
            self.state().see(instance);
        }
        result
    }

    async fn describe_instances(&self, ids: &[String]) -> Result<Vec<Instance>, CloudError> {
        let call = self.inner.describe_instances(ids);
        let result = self.limited(Operation::DescribeInstances, call).await;
        for instance in result.iter().flatten() {
            self.state().see(instance);
        }
        result
    }

    async fn describe_types(&self, names: &[String]) -> Result<Vec<InstanceType>, CloudError> {
        let call = self.inner.describe_types(names);
        self.limited(Operation::DescribeTypes, call).await
    }

    async fn offered_types(&self, family: &str, zone: &str) -> Result<Vec<String>, CloudError> {
        let call = self.inner.offered_types(family, zone);
        self.limited(Operation::OfferedTypes, call).await
    }

    async fn status(&self, instance_id: &str) -> Result<InstanceStatus, CloudError> {
        let call = self.inner.status(instance_id);
        self.limited(Operation::Status, call).await
    }

    async fn stop_protected(&self, instance_id: &str) -> Result<bool, CloudError> {
        let call = self.inner.stop_protected(instance_id);
        self.limited(Operation::StopProtection, call).await
    }

    async fn permitted(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError> {
        // A dry run counts at AWS like the call itself.
        let call = self.inner.permitted(instance_id, mutation);
        self.limited(Operation::from(mutation), call).await
    }

    async fn mutate(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError> {
        let operation = Operation::from(mutation);
        let call = async {
            // Asked as late as possible, after the wait for a token.
            if *mutation == Mutation::Stop
                && let Some(switch) = self.guard.kill_switch().await
            {
                let message = format!("the kill switch is on: {}", switch.reason);
                return Err(CloudError::new(operation, ErrorKind::Halted, message));
            }
            self.inner.mutate(instance_id, mutation).await
        };
        let result = self.limited(operation, call).await;
        match mutation {
            // The type it has from now on is what the next start asks room for.
            Mutation::ModifyType(target) if result.is_ok() => {
                if let Some((instance_type, _)) = self.state().seen.get_mut(instance_id) {
                    instance_type.clone_from(target);
                }
            }
            Mutation::Start => self.learn(instance_id, &result),
            _ => {}
        }
        result
    }

    async fn set_tag(&self, instance_id: &str, key: &str, value: &str) -> Result<(), CloudError> {
        let call = self.inner.set_tag(instance_id, key, value);
        self.limited(Operation::SetTag, call).await
    }

    async fn remove_tag(&self, instance_id: &str, key: &str) -> Result<(), CloudError> {
        let call = self.inner.remove_tag(instance_id, key);
        self.limited(Operation::RemoveTag, call).await
    }

    async fn find_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError> {
        let call = self.inner.find_tagged(key);
        self.limited(Operation::FindTagged, call).await
    }

    async fn group_member(&self, instance_id: &str) -> Result<Option<GroupMember>, CloudError> {
        let call = self.inner.group_member(instance_id);
        self.limited(Operation::GroupMember, call).await
    }

    async fn vcpu_use(&self, quota: VcpuQuota) -> Result<VcpuUse, CloudError> {
        let call = self.inner.vcpu_use(quota);
        self.limited(Operation::VcpuUse, call).await
    }

    async fn credit_mode(&self, instance_id: &str) -> Result<Option<String>, CloudError> {
        let call = self.inner.credit_mode(instance_id);
        self.limited(Operation::CreditMode, call).await
    }

    async fn set_credit_mode(&self, instance_id: &str, mode: &str) -> Result<(), CloudError> {
        let call = self.inner.set_credit_mode(instance_id, mode);
        self.limited(Operation::SetCreditMode, call).await
    }

    async fn own_instance_id(&self) -> Option<String> {
        self.inner.own_instance_id().await
    }

    fn shortage(&self, instance_type: &str, zone: &str) -> Option<Duration> {
        let now = self.clock.now();
        let state = self.state();
        state
            .shortages
            .recall(instance_type, zone, now, self.shortage_memory)
    }

    async fn ssm_online(&self, instance_id: &str) -> Result<bool, CloudError> {
        let call = self.inner.ssm_online(instance_id);
        self.limited(Operation::SsmOnline, call).await
    }

    async fn look_at_script(&self, script: Script<'_>) -> Result<Standing, CloudError> {
        let call = self.inner.look_at_script(script);
        self.limited(Operation::LookAtScript, call).await
    }

    async fn publish_script(&self, script: Script<'_>) -> Result<Document, CloudError> {
        let call = self.inner.publish_script(script);
        self.limited(Operation::PublishScript, call).await
    }

    async fn send_script(
        &self,
        instance_id: &str,
        delivery: Delivery<'_>,
        limit: Duration,
    ) -> Result<String, CloudError> {
        let call = self.inner.send_script(instance_id, delivery, limit);
        self.limited(Operation::SendScript, call).await
    }

    async fn poll_command(
        &self,
        instance_id: &str,
        command_id: &str,
    ) -> Result<CommandStatus, CloudError> {
        let call = self.inner.poll_command(instance_id, command_id);
        self.limited(Operation::PollCommand, call).await
    }
}
