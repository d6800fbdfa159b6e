//! One machine of the fake: what state it has at which time.

use std::time::Duration;

use actuator::cloud::{GroupMember, Instance, InstanceState};
use jiff::Timestamp;

use super::{catalogue, timing::Timing};

/// A stretch of a machine's life; it ends where the next begins.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) since: Timestamp,
    pub(super) state: InstanceState,
    pub(super) instance_type: String,
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
    pub(super) group: Option<GroupMember>,
    /// A change of type resets it.
    pub(super) credit_mode: Option<String>,
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
            group: None,
            credit_mode: None,
        }
    }

    pub(super) fn at(&self, time: Timestamp) -> &Stretch {
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
        instance.stop_asked_at = down
            .then(|| self.last(InstanceState::Stopping, time))
            .flatten();
        instance.started_at = self.last(InstanceState::Pending, time);
        instance.state = stretch.state;
        instance.instance_type.clone_from(&stretch.instance_type);
        if down {
            instance.public_ip = None;
        }
        // They follow the type, unless somebody chose.
        if let Some(found) = catalogue::find(&instance.instance_type) {
            let bindings = &mut instance.bindings;
            bindings.cores = bindings.cores.or(Some(found.vcpus));
            bindings.threads_per_core = bindings.threads_per_core.or(Some(1));
        }
        let threads = instance.bindings.threads_per_core;
        let product = |cores| Some(threads? * cores);
        instance.vcpus = instance.vcpus.or(instance.bindings.cores.and_then(product));
        instance
    }

    /// When it last came into this state.
    fn last(&self, state: InstanceState, time: Timestamp) -> Option<Timestamp> {
        let past = self.timeline.iter().filter(|stretch| stretch.since <= time);
        let found = past.rev().find(|stretch| stretch.state == state)?;
        Some(found.since)
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
        self.credit_mode = None;
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

    /// What it was set to, else its type's default; `None` for types without credits.
    pub(super) fn credit_mode(&self, now: Timestamp) -> Option<String> {
        let found = catalogue::find(&self.at(now).instance_type)?;
        let default = match found.nitro {
            true => "unlimited",
            false => "standard",
        };
        let set = self.credit_mode.clone();
        found
            .burstable
            .then(|| set.unwrap_or_else(|| default.to_owned()))
    }

    pub(super) fn terminate(&mut self, now: Timestamp) {
        self.go(now, &[(InstanceState::Terminated, Duration::ZERO)]);
    }
}

pub(super) fn plus(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
