//! The fake's world: its machines, and what EC2 and SSM answer about them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use actuator::cloud::{
    Checks, CloudError, CommandStatus, Delivery, Document, ErrorKind, Instance, InstanceState,
    InstanceStatus, Mutation, Operation, VcpuQuota, VcpuUse,
};
use jiff::Timestamp;

use super::{
    catalogue,
    faults::Deed,
    machine::{Machine, plus},
    measured::Measured,
    timing::Timing,
};

#[derive(Debug)]
struct Command {
    instance_id: String,
    ends_at: Timestamp,
    fails: bool,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) machines: BTreeMap<String, Machine>,
    pub(super) timing: Timing,
    /// What is read is this old.
    pub(super) lag: Duration,
    pub(super) no_capacity: BTreeSet<String>,
    /// Types that no machine may start on, with what EC2 says.
    pub(super) refused: BTreeMap<String, String>,
    pub(super) never_boots: BTreeSet<String>,
    pub(super) impaired: BTreeSet<String>,
    pub(super) denied: BTreeSet<&'static str>,
    pub(super) scripts_fail: bool,
    /// vCPUs that may run, of each quota.
    pub(super) vcpu_limit: u32,
    pub(super) own_instance_id: Option<String>,
    /// Documents' names, and their default versions.
    pub(super) documents: BTreeMap<String, Document>,
    commands: BTreeMap<String, Command>,
    pub(super) measured: Measured,
}

impl Default for World {
    fn default() -> Self {
        Self {
            machines: BTreeMap::new(),
            timing: Timing::default(),
            lag: Duration::ZERO,
            no_capacity: BTreeSet::new(),
            refused: BTreeMap::new(),
            never_boots: BTreeSet::new(),
            impaired: BTreeSet::new(),
            denied: BTreeSet::new(),
            scripts_fail: false,
            vcpu_limit: 1_000,
            own_instance_id: None,
            documents: BTreeMap::new(),
            commands: BTreeMap::new(),
            measured: Measured::default(),
        }
    }
}

impl World {
    /// Whether the role has the right.
    pub(super) fn allowed(&self, operation: Operation) -> Result<(), CloudError> {
        if !self.denied.contains(operation.action()) {
            return Ok(());
        }
        Err(CloudError::new(
            operation,
            ErrorKind::Unauthorized,
            format!(
                "UnauthorizedOperation: not allowed to perform {}",
                operation.action()
            ),
        ))
    }

    /// vCPUs that run against a quota now.
    pub(super) fn vcpu_use(&self, now: Timestamp, quota: VcpuQuota) -> VcpuUse {
        let running = self
            .machines
            .values()
            .map(|machine| machine.at(now))
            .filter(|stretch| {
                matches!(
                    stretch.state,
                    InstanceState::Pending | InstanceState::Running
                ) && quota.counts(&stretch.instance_type)
            })
            .filter_map(|stretch| Some(catalogue::find(&stretch.instance_type)?.vcpus))
            .sum();
        VcpuUse {
            limit: self.vcpu_limit,
            running,
        }
    }

    /// What runs, and is not gone, with this tag.
    pub(super) fn tagged(&self, now: Timestamp, key: &str) -> Vec<Instance> {
        self.machines
            .values()
            .map(|machine| machine.view(now))
            .filter(|instance| !instance.state.is_gone() && instance.tags.contains_key(key))
            .collect()
    }

    pub(super) fn machine(
        &mut self,
        operation: Operation,
        instance_id: &str,
    ) -> Result<&mut Machine, CloudError> {
        self.machines.get_mut(instance_id).ok_or_else(|| {
            CloudError::new(
                operation,
                ErrorKind::NotFound,
                format!(
                    "InvalidInstanceID.NotFound: the instance ID '{instance_id}' does not exist"
                ),
            )
        })
    }

    pub(super) fn describe(
        &mut self,
        now: Timestamp,
        instance_id: &str,
    ) -> Result<Instance, CloudError> {
        let seen_at = minus(now, self.lag);
        Ok(self
            .machine(Operation::DescribeInstance, instance_id)?
            .view(seen_at))
    }

    pub(super) fn status(
        &mut self,
        now: Timestamp,
        instance_id: &str,
    ) -> Result<InstanceStatus, CloudError> {
        let passes_after = self.timing.checks;
        let seen_at = minus(now, self.lag);
        let machine = self.machine(Operation::Status, instance_id)?;
        let stretch = machine.at(seen_at).clone();
        let events = machine.events.clone();
        let checks = if stretch.state != InstanceState::Running
            || plus(stretch.since, passes_after) > seen_at
        {
            Checks::Initializing
        } else if self.impaired.contains(&stretch.instance_type) {
            Checks::Impaired
        } else {
            Checks::Ok
        };
        Ok(InstanceStatus {
            state: stretch.state,
            checks,
            events,
        })
    }

    pub(super) fn mutate(
        &mut self,
        now: Timestamp,
        instance_id: &str,
        mutation: &Mutation,
        dry_run: bool,
    ) -> Result<(), CloudError> {
        let operation = Operation::from(mutation);
        let refuse =
            |kind, message: String| Err::<(), _>(CloudError::new(operation, kind, message));
        self.allowed(operation)?;
        let timing = self.timing.clone();
        let lag = self.lag;
        let state = self.machine(operation, instance_id)?.at(now).state;
        if dry_run {
            return Ok(());
        }
        match mutation {
            Mutation::Stop => {
                let machine = self.machine(operation, instance_id)?;
                if machine.stop_protected {
                    return refuse(
                        ErrorKind::Protected,
                        "OperationNotPermitted: the instance may not be stopped; modify its disableApiStop".to_owned(),
                    );
                }
                if state.is_gone() {
                    return refuse(
                        ErrorKind::WrongState,
                        format!("IncorrectInstanceState: it is {state}"),
                    );
                }
                machine.stop(now, &timing);
            }
            Mutation::ModifyType(instance_type) => {
                if state != InstanceState::Stopped {
                    return refuse(
                        ErrorKind::WrongState,
                        format!(
                            "IncorrectInstanceState: the instance must be stopped, it is {state}"
                        ),
                    );
                }
                if catalogue::find(instance_type).is_none() {
                    return refuse(
                        ErrorKind::Invalid,
                        format!(
                            "InvalidParameterValue: invalid value '{instance_type}' for InstanceType"
                        ),
                    );
                }
                self.machine(operation, instance_id)?
                    .set_type(now, instance_type);
            }
            Mutation::Start => self.start(now, instance_id, &timing, lag)?,
        }
        Ok(())
    }

    fn start(
        &mut self,
        now: Timestamp,
        instance_id: &str,
        timing: &Timing,
        lag: Duration,
    ) -> Result<(), CloudError> {
        let refuse =
            |kind, message: String| Err::<(), _>(CloudError::new(Operation::Start, kind, message));
        let machine = self.machine(Operation::Start, instance_id)?;
        let (modified_at, instance) = (machine.modified_at, machine.view(now));
        match instance.state {
            InstanceState::Running | InstanceState::Pending => return Ok(()),
            InstanceState::Stopped => {}
            state => {
                return refuse(
                    ErrorKind::WrongState,
                    format!("IncorrectInstanceState: it is {state}"),
                );
            }
        }
        if !lag.is_zero() && plus(modified_at, lag) > now {
            return refuse(
                ErrorKind::TypeMismatch,
                "InvalidParameterValue: LaunchPlan instance type does not match attribute value"
                    .to_owned(),
            );
        }
        let name = &instance.instance_type;
        if catalogue::find(name)
            .is_none_or(|found| !found.architectures.contains(&instance.architecture))
        {
            return refuse(
                ErrorKind::Unsupported,
                format!("Unsupported: the architecture of the image does not fit {name}"),
            );
        }
        let needed = catalogue::find(name).map_or(0, |found| found.vcpus);
        if let Some(quota) = actuator::cloud::quota::of(name) {
            let used = self.vcpu_use(now, quota);
            if used.running + needed > used.limit {
                return refuse(
                    ErrorKind::LimitExceeded,
                    format!(
                        "VcpuLimitExceeded: you have requested more vCPU capacity than your limit of {} allows",
                        used.limit
                    ),
                );
            }
        }
        let unoptimized = catalogue::find(name).and_then(|found| found.abilities.ebs_optimized);
        if instance.bindings.ebs_optimized && unoptimized.as_deref() == Some("unsupported") {
            return refuse(
                ErrorKind::NotForThisInstance,
                "Unsupported: The requested configuration is currently not supported. Please check the documentation for supported configurations.".to_owned(),
            );
        }
        if let Some(words) = self.refused.get(name) {
            return refuse(ErrorKind::NotForThisInstance, words.clone());
        }
        if self.no_capacity.contains(name) {
            return refuse(
                ErrorKind::InsufficientCapacity,
                format!(
                    "InsufficientInstanceCapacity: there is no {name} capacity in the zone now"
                ),
            );
        }
        let boots = !self.never_boots.contains(name);
        self.machine(Operation::Start, instance_id)?
            .start(now, timing, boots);
        Ok(())
    }

    pub(super) fn somebody(&mut self, now: Timestamp, instance_id: &str, deed: Deed) {
        let timing = self.timing.clone();
        let Some(machine) = self.machines.get_mut(instance_id) else {
            return;
        };
        match deed {
            Deed::Terminate => machine.terminate(now),
            Deed::Start => machine.start(now, &timing, true),
            Deed::Stop => machine.stop(now, &timing),
            Deed::Edit(edit) => {
                let seen = machine.view(now);
                let mut instance = seen.clone();
                edit(&mut instance);
                // What was not edited goes on following the type.
                let kept = &machine.instance;
                if instance.vcpus == seen.vcpus {
                    instance.vcpus = kept.vcpus;
                }
                if instance.bindings.cores == seen.bindings.cores {
                    instance.bindings.cores = kept.bindings.cores;
                }
                if instance.bindings.threads_per_core == seen.bindings.threads_per_core {
                    instance.bindings.threads_per_core = kept.bindings.threads_per_core;
                }
                if instance.instance_type != machine.at(now).instance_type {
                    machine.set_type(now, &instance.instance_type);
                }
                machine.instance = instance;
            }
        }
    }

    pub(super) fn publish(&mut self, name: &str, sha256: &str) -> Document {
        let before = self.documents.get(name);
        let number = before.and_then(|found| found.version.parse::<u32>().ok());
        let document = Document {
            sha256: sha256.to_owned(),
            version: (number.unwrap_or_default() + 1).to_string(),
        };
        self.documents.insert(name.to_owned(), document.clone());
        document
    }

    pub(super) fn ssm_online(&mut self, now: Timestamp, instance_id: &str) -> bool {
        let registers_after = self.timing.agent;
        self.machines.get(instance_id).is_some_and(|machine| {
            let stretch = machine.at(now);
            machine.ssm
                && stretch.state == InstanceState::Running
                && plus(stretch.since, registers_after) <= now
        })
    }

    pub(super) fn send(
        &mut self,
        now: Timestamp,
        instance_id: &str,
        delivery: Delivery<'_>,
    ) -> Result<String, CloudError> {
        self.allowed(Operation::SendScript)?;
        if let Delivery::Document { name, sha256 } = delivery
            && self
                .documents
                .get(name)
                .is_none_or(|found| found.sha256 != sha256)
        {
            return Err(CloudError::new(
                Operation::SendScript,
                ErrorKind::Invalid,
                format!("InvalidDocument: there is no document {name} with this hash"),
            ));
        }
        if !self.ssm_online(now, instance_id) {
            return Err(CloudError::new(
                Operation::SendScript,
                ErrorKind::NotOnline,
                "InvalidInstanceId: the instance is not in a valid state for the account",
            ));
        }
        let command_id = format!("00000000-0000-4000-8000-{:012x}", self.commands.len() + 1);
        self.commands.insert(
            command_id.clone(),
            Command {
                instance_id: instance_id.to_owned(),
                ends_at: plus(now, self.timing.command),
                fails: self.scripts_fail,
            },
        );
        Ok(command_id)
    }

    pub(super) fn poll(
        &self,
        now: Timestamp,
        instance_id: &str,
        command_id: &str,
    ) -> Result<CommandStatus, CloudError> {
        let command = self
            .commands
            .get(command_id)
            .filter(|command| command.instance_id == instance_id)
            .ok_or_else(|| {
                CloudError::new(
                    Operation::PollCommand,
                    ErrorKind::NotFound,
                    "InvocationDoesNotExist: no such command on the instance",
                )
            })?;
        Ok(if now < command.ends_at {
            CommandStatus::Running
        } else if command.fails {
            CommandStatus::Failed {
                output: "setup-monitoring: cannot download packages".to_owned(),
            }
        } else {
            CommandStatus::Succeeded {
                output: "setup-monitoring: node_exporter and prometheus are running".to_owned(),
            }
        })
    }
}

fn minus(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_sub(by).unwrap_or(Timestamp::MIN)
}
