//! The fake's machines: what state each has at which time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{Timing, catalogue, faults::Deed};
use crate::cloud::{
    Checks, CloudError, CommandStatus, ErrorKind, Instance, InstanceState, InstanceStatus,
    Mutation, Operation,
};

/// A stretch of a machine's life; it ends where the next begins.
#[derive(Clone, Debug)]
struct Stretch {
    since: Timestamp,
    state: InstanceState,
    instance_type: String,
}

#[derive(Debug)]
pub(super) struct Machine {
    /// All but state and type, which are in the timeline.
    pub(super) instance: Instance,
    /// Ascending; what is already certain of the future is in it.
    timeline: Vec<Stretch>,
    pub(super) resizes: u32,
    pub(super) modified_at: Timestamp,
    pub(super) stop_protected: bool,
    pub(super) stop_hangs: bool,
    pub(super) ssm: bool,
    pub(super) events: Vec<String>,
}

impl Machine {
    pub(super) fn new(instance: Instance) -> Self {
        Self {
            timeline: vec![Stretch {
                since: Timestamp::MIN,
                state: instance.state,
                instance_type: instance.instance_type.clone(),
            }],
            instance,
            resizes: 0,
            modified_at: Timestamp::MIN,
            stop_protected: false,
            stop_hangs: false,
            ssm: true,
            events: Vec::new(),
        }
    }

    fn at(&self, time: Timestamp) -> &Stretch {
        let after = self
            .timeline
            .partition_point(|stretch| stretch.since <= time);
        // The first stretch begins before all time.
        &self.timeline[after.saturating_sub(1)]
    }

    pub(super) fn view(&self, time: Timestamp) -> Instance {
        let stretch = self.at(time);
        let down = !matches!(
            stretch.state,
            InstanceState::Running | InstanceState::Pending
        );
        let mut instance = self.instance.clone();
        instance.state = stretch.state;
        instance.instance_type.clone_from(&stretch.instance_type);
        if down {
            instance.public_ip = None;
        }
        instance
    }

    /// From `now` on these states, each for its time; the last one stays.
    fn go(&mut self, now: Timestamp, states: &[(InstanceState, Duration)]) {
        let instance_type = self.at(now).instance_type.clone();
        self.timeline.retain(|stretch| stretch.since <= now);
        let mut since = now;
        for (state, lasts) in states {
            self.timeline.push(Stretch {
                since,
                state: *state,
                instance_type: instance_type.clone(),
            });
            since = plus(since, *lasts);
        }
        // Nobody asks for the distant past; the first stretch must go on reaching back to it.
        if self.timeline.len() > 32 {
            self.timeline.drain(..16);
            self.timeline[0].since = Timestamp::MIN;
        }
    }

    pub(super) fn set_type(&mut self, now: Timestamp, instance_type: &str) {
        let state = self.at(now).state;
        if self.at(now).instance_type != instance_type {
            self.resizes += 1;
        }
        self.modified_at = now;
        let next = self
            .timeline
            .partition_point(|stretch| stretch.since <= now);
        self.timeline.insert(
            next,
            Stretch {
                since: now,
                state,
                instance_type: instance_type.to_owned(),
            },
        );
        for stretch in &mut self.timeline[next..] {
            instance_type.clone_into(&mut stretch.instance_type);
        }
    }

    pub(super) fn stop(&mut self, now: Timestamp, timing: &Timing) {
        if matches!(
            self.at(now).state,
            InstanceState::Running | InstanceState::Pending
        ) {
            if self.stop_hangs {
                self.go(now, &[(InstanceState::Stopping, Duration::ZERO)]);
            } else {
                self.go(
                    now,
                    &[
                        (InstanceState::Stopping, timing.stop),
                        (InstanceState::Stopped, Duration::ZERO),
                    ],
                );
            }
        }
    }

    pub(super) fn unhang(&mut self, now: Timestamp) {
        self.stop_hangs = false;
        if self.at(now).state == InstanceState::Stopping {
            self.go(now, &[(InstanceState::Stopped, Duration::ZERO)]);
        }
    }

    pub(super) fn start(&mut self, now: Timestamp, timing: &Timing, boots: bool) {
        if self.at(now).state == InstanceState::Stopped {
            let end = if boots {
                InstanceState::Running
            } else {
                InstanceState::Stopped
            };
            self.go(
                now,
                &[
                    (InstanceState::Pending, timing.start),
                    (end, Duration::ZERO),
                ],
            );
        }
    }

    fn terminate(&mut self, now: Timestamp) {
        self.go(now, &[(InstanceState::Terminated, Duration::ZERO)]);
    }
}

#[derive(Debug)]
struct Command {
    instance_id: String,
    ends_at: Timestamp,
    fails: bool,
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) machines: BTreeMap<String, Machine>,
    pub(super) timing: Timing,
    /// What is read is this old.
    pub(super) lag: Duration,
    pub(super) no_capacity: BTreeSet<String>,
    pub(super) never_boots: BTreeSet<String>,
    pub(super) impaired: BTreeSet<String>,
    pub(super) denied: BTreeSet<&'static str>,
    pub(super) scripts_fail: bool,
    commands: BTreeMap<String, Command>,
}

impl World {
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
        if self.denied.contains(operation.action()) {
            return refuse(
                ErrorKind::Unauthorized,
                format!(
                    "UnauthorizedOperation: not allowed to perform {}",
                    operation.action()
                ),
            );
        }
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
                let mut instance = machine.view(now);
                edit(&mut instance);
                if instance.instance_type != machine.at(now).instance_type {
                    machine.set_type(now, &instance.instance_type);
                }
                machine.instance = instance;
            }
        }
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

    pub(super) fn send(&mut self, now: Timestamp, instance_id: &str) -> Result<String, CloudError> {
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

fn plus(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn minus(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_sub(by).unwrap_or(Timestamp::MIN)
}
