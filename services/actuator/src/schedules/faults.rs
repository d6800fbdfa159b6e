//! The faults, each with what may become of the resize.

use std::{sync::Arc, time::Duration};

use super::scene::{FROM, ID, OUTAGE, TARGET};
use crate::{
    cloud::{ErrorKind, Instance, Operation},
    fake::{Deed, Effect, FakeCloud, Timing},
    resize::Outcome::{self, FellBack, Gone, Refused, RolledBack, Succeeded},
};

/// Makes things go wrong.
pub type Prepare = Arc<dyn Fn(&FakeCloud) + Send + Sync>;

#[derive(Clone)]
pub struct Fault {
    pub name: String,
    pub prepare: Prepare,
    /// What it may end as; empty: anything that is true.
    pub outcomes: Vec<Outcome>,
    /// Calls of a stop at most.
    pub stops: usize,
    /// Somebody else terminates it.
    pub terminates: bool,
    /// Somebody else stops it, maybe when we no longer look.
    pub a_user_stops: bool,
    /// The tag can't always be taken off.
    pub tag_may_stay: bool,
    /// Lines may be missing.
    pub journal_fails: bool,
    /// Worth two crashes.
    pub twice: bool,
    /// What else is different after the first crash.
    pub then: Then,
}

/// What the next process finds, beside what the last one left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    /// Nothing new.
    TheSame,
    /// It is in dry run.
    DryRun,
    /// The journal can be read and is not to be used.
    Degraded,
    /// Three days have passed.
    Old,
}

impl Then {
    /// Between a crash and the next process.
    pub fn outage(self) -> Duration {
        match self {
            Self::Old => Duration::from_secs(3 * 86_400),
            Self::TheSame | Self::DryRun | Self::Degraded => OUTAGE,
        }
    }
}

impl Fault {
    fn new(
        name: impl Into<String>,
        outcomes: &[Outcome],
        prepare: impl Fn(&FakeCloud) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            prepare: Arc::new(prepare),
            outcomes: outcomes.to_vec(),
            stops: 1,
            terminates: false,
            a_user_stops: false,
            tag_may_stay: false,
            journal_fails: false,
            twice: false,
            then: Then::TheSame,
        }
    }

    /// The same, with something else beside: which way it then ends is not foretold.
    pub fn then(&self, then: Then) -> Self {
        Self {
            name: format!("{}, then {then:?}", self.name),
            then,
            // What lags is unmarked at another time.
            ..self.clone().with_any_outcome()
        }
    }

    /// An effect on some calls of an operation.
    fn on(
        operation: Operation,
        calls: std::ops::RangeInclusive<u32>,
        effect: Effect,
        outcomes: &[Outcome],
    ) -> Self {
        let name = format!("{operation:?} {calls:?}: {effect:?}");
        Self::new(name, outcomes, move |fake| {
            fake.inject_calls(operation, calls.clone(), effect);
        })
    }

    fn stops(self, stops: usize) -> Self {
        Self { stops, ..self }
    }

    fn twice(self) -> Self {
        Self {
            twice: true,
            ..self
        }
    }

    pub fn with_any_outcome(self) -> Self {
        Self {
            outcomes: Vec::new(),
            ..self
        }
    }

    /// The same with the first call of `operation` lost on top: which way it then ends is not foretold, that it ends
    /// well is.
    fn and_lost(&self, operation: Operation, effect: Effect) -> Self {
        let prepare = Arc::clone(&self.prepare);
        Self {
            name: format!("{}, and {operation:?} 1: {effect:?}", self.name),
            prepare: Arc::new(move |fake| {
                // The first to be injected is the one that happens.
                fake.inject_calls(operation, 1..=1, effect);
                prepare(fake);
            }),
            // A lost stop is asked for again, and so is one that was refused for what the lost one had done.
            stops: self.stops + 1,
            ..self.clone().with_any_outcome()
        }
    }
}

pub fn none() -> Fault {
    Fault::new("no fault", &[Succeeded], |_| {})
}

pub fn all() -> Vec<Fault> {
    let mut faults = vec![none().twice()];
    faults.extend(untouchable());
    faults.extend(lost_answers());
    faults.extend(refusals());
    faults.extend(refused_starts(&[1, 3, 6, 40]));
    faults.extend(looks());
    faults.extend(machines());
    faults.extend(people());
    faults
}

/// What goes wrong once the machine may be down, each with a lost call on top.
pub fn with_lost_calls() -> Vec<Fault> {
    let faults = [refused_starts(&[3]), machines(), people()].concat();
    let calls = [Operation::Stop, Operation::ModifyType, Operation::Start];
    let lost = calls.into_iter().flat_map(|operation| {
        [Effect::DropBefore, Effect::DropAfter].map(|effect| (operation, effect))
    });
    lost.flat_map(|(operation, effect)| {
        let pairs = faults.iter();
        pairs.map(move |fault| fault.and_lost(operation, effect))
    })
    .collect()
}

/// What the checks find: not a single call that changes something.
fn untouchable() -> Vec<Fault> {
    let found = |name: &str, prepare: fn(&FakeCloud)| {
        Fault::new(
            format!("found before the stop: {name}"),
            &[Refused],
            prepare,
        )
        .stops(0)
    };
    let is = |name: &str, edit: fn(&mut Instance)| {
        Fault::new(
            format!("found before the stop: {name}"),
            &[Refused],
            move |fake| {
                fake.somebody(ID, Deed::Edit(edit));
            },
        )
        .stops(0)
    };
    let mut faults = vec![
        Fault {
            a_user_stops: true,
            ..found("a user stopped it", |fake| fake.somebody(ID, Deed::Stop))
        },
        found("stop protection", |fake| fake.set_stop_protected(ID, true)),
        found("a scheduled event", |fake| fake.set_events(ID, &["retire"])),
        found("failing checks", |fake| fake.set_healthy(FROM, false)),
        found("an Auto Scaling group", |fake| {
            fake.set_group(ID, "web", "InService");
        }),
        found("our own host", |fake| fake.set_own_instance_id(ID)),
        is("Spot", |instance| instance.spot = true),
        is("an instance store", |instance| {
            "instance-store".clone_into(&mut instance.root_device_type);
        }),
        is("hibernation", |instance| instance.hibernation = true),
        is("a dedicated host", |instance| {
            "host".clone_into(&mut instance.tenancy)
        }),
        is("a placement group", |instance| {
            instance.placement_group = Some("hpc".to_owned());
        }),
        is("an address that would change", |instance| {
            instance.public_ip = Some("203.0.113.7".to_owned());
        }),
        is("another architecture", |instance| {
            "arm64".clone_into(&mut instance.architecture);
        }),
        is("no ENA", |instance| instance.ena = Some(false)),
        is("too many interfaces", |instance| {
            instance.network_interfaces = 9
        }),
        is("too many volumes", |instance| instance.volumes = 41),
    ];
    for operation in [Operation::Stop, Operation::ModifyType, Operation::Start] {
        faults.push(
            Fault::new(
                format!("found before the stop: no right to {operation:?}"),
                &[Refused],
                move |fake| fake.set_permitted(operation, false),
            )
            .stops(0),
        );
    }
    faults
}

/// Every call that changes something: lost on its way, carried out and unanswered, answered with a failure.
fn lost_answers() -> Vec<Fault> {
    let mut faults = Vec::new();
    for operation in [
        Operation::SetTag,
        Operation::Stop,
        Operation::ModifyType,
        Operation::Start,
        Operation::RemoveTag,
        Operation::SendScript,
    ] {
        for effect in [
            Effect::DropBefore,
            Effect::DropAfter,
            Effect::Fail(ErrorKind::Internal),
            Effect::Delay(Duration::from_secs(40)),
        ] {
            // A stop that never arrived is asked for again.
            let fault = Fault::on(operation, 1..=1, effect, &[Succeeded]).stops(2);
            faults.push(match effect {
                Effect::DropAfter => fault.twice(),
                _ => fault,
            });
        }
        for kind in [ErrorKind::Throttled, ErrorKind::CredentialsExpired] {
            faults.push(Fault::on(operation, 1..=3, Effect::Fail(kind), &[Succeeded]).stops(4));
        }
    }
    faults.push(Fault::on(
        Operation::Start,
        1..=20,
        Effect::Fail(ErrorKind::Throttled),
        &[Succeeded],
    ));
    faults.push(Fault::on(
        Operation::Start,
        1..=6,
        Effect::DropBefore,
        &[Succeeded, RolledBack, FellBack],
    ));
    faults.push(Fault {
        tag_may_stay: true,
        ..Fault::on(
            Operation::RemoveTag,
            1..=99,
            Effect::Fail(ErrorKind::Unauthorized),
            &[Succeeded],
        )
    });
    faults
}

fn refusals() -> Vec<Fault> {
    use ErrorKind::{Halted, Invalid, NotFound, Protected, Unauthorized, WrongState};
    let mut faults = Vec::new();
    for kind in [Unauthorized, Protected, Halted, Invalid] {
        // Refused once: after a restart it may be asked for again.
        faults.push(Fault::on(Operation::Stop, 1..=9, Effect::Fail(kind), &[Refused]).stops(9));
    }
    for kind in [Unauthorized, Invalid] {
        faults.push(Fault::on(
            Operation::SetTag,
            1..=9,
            Effect::Fail(kind),
            &[Refused],
        ));
        faults.push(Fault::on(
            Operation::ModifyType,
            1..=1,
            Effect::Fail(kind),
            &[Succeeded, RolledBack],
        ));
        faults.push(Fault::on(
            Operation::ModifyType,
            1..=9,
            Effect::Fail(kind),
            &[RolledBack],
        ));
    }
    for kind in [WrongState, NotFound] {
        faults.push(Fault::on(Operation::Stop, 1..=1, Effect::Fail(kind), &[Succeeded]).stops(3));
        faults.push(Fault::on(
            Operation::ModifyType,
            1..=2,
            Effect::Fail(kind),
            &[Succeeded],
        ));
        faults.push(Fault::on(
            Operation::Start,
            1..=2,
            Effect::Fail(kind),
            &[Succeeded],
        ));
    }
    faults
}

/// Starts that are refused, so many times each.
fn refused_starts(times: &[u32]) -> Vec<Fault> {
    let kinds = [
        ErrorKind::InsufficientCapacity,
        ErrorKind::Unsupported,
        ErrorKind::NotForThisInstance,
        ErrorKind::LimitExceeded,
        ErrorKind::Unauthorized,
        ErrorKind::TypeMismatch,
    ];
    let refused = |kind, calls| {
        let anywhere = [Succeeded, RolledBack, FellBack];
        Fault::on(Operation::Start, 1..=calls, Effect::Fail(kind), &anywhere)
    };
    let pairs = kinds
        .into_iter()
        .flat_map(|kind| times.iter().map(move |calls| (kind, *calls)));
    pairs.map(|(kind, calls)| refused(kind, calls)).collect()
}

/// What is seen is late, or not to be had.
fn looks() -> Vec<Fault> {
    let mut faults = Vec::new();
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::Throttled,
        ErrorKind::LostReply,
        ErrorKind::Internal,
        ErrorKind::CredentialsExpired,
    ] {
        for calls in [2..=4, 4..=9, 9..=14] {
            faults.push(
                Fault::on(
                    Operation::DescribeInstance,
                    calls,
                    Effect::Fail(kind),
                    &[Succeeded, Refused],
                )
                .stops(2),
            );
        }
        // After a restart the checks before the stop are made again, and one that can't be made blocks.
        faults.push(Fault::on(
            Operation::Status,
            2..=6,
            Effect::Fail(kind),
            &[Succeeded, Refused],
        ));
    }
    for seconds in [12, 45, 90] {
        let lag = Duration::from_secs(seconds);
        // Older than it usually is, a stop seems to have done nothing, and is asked for again.
        faults.push(
            Fault::new(format!("answers {seconds} s old"), &[], move |fake| {
                fake.set_lag(lag)
            })
            .stops(3),
        );
    }
    faults
}

/// Rooms that are full and machines that are ill.
fn machines() -> Vec<Fault> {
    let full = |name: &str, types: &'static [&'static str], outcome| {
        Fault::new(name, &[outcome], move |fake| {
            for name in types {
                fake.set_capacity(name, false);
            }
        })
    };
    vec![
        full("no capacity for the target", &[TARGET], RolledBack).twice(),
        full("no capacity for target and old", &[TARGET, FROM], FellBack).twice(),
        Fault::new("the target never boots", &[RolledBack], |fake| {
            fake.set_boots(TARGET, false);
        })
        .twice(),
        Fault::new("neither target nor old boots", &[FellBack], |fake| {
            fake.set_boots(TARGET, false);
            fake.set_boots(FROM, false);
        }),
        Fault::new("the target fails its checks", &[RolledBack], |fake| {
            fake.set_healthy(TARGET, false);
        })
        .stops(2)
        .twice(),
        Fault::new(
            "no type passes its checks after a resize",
            &[RolledBack],
            |fake| {
                fake.set_healthy(TARGET, false);
                fake.inject_calls(
                    Operation::Status,
                    2..=9_999,
                    Effect::Fail(ErrorKind::Throttled),
                );
            },
        )
        .with_any_outcome()
        .stops(2),
        // Longer than `stop_timeout_seconds`; a crash lets the wait begin anew.
        Fault::new(
            "the stop takes 20 minutes",
            &[RolledBack, Succeeded],
            |fake| {
                fake.set_timing(Timing {
                    stop: Duration::from_secs(1_200),
                    ..Timing::default()
                });
            },
        )
        .twice(),
        Fault::new("the start takes 10 minutes", &[Succeeded], |fake| {
            fake.set_timing(Timing {
                start: Duration::from_secs(600),
                ..Timing::default()
            });
        }),
        Fault::new("the agent never registers", &[Succeeded], |fake| {
            fake.set_ssm(ID, false)
        }),
        Fault::on(
            Operation::SendScript,
            1..=9,
            Effect::Fail(ErrorKind::NotOnline),
            &[Succeeded],
        ),
        Fault::new("the script takes an hour", &[Succeeded], |fake| {
            fake.set_timing(Timing {
                command: Duration::from_secs(3_600),
                ..Timing::default()
            });
        }),
        Fault::new("the script fails", &[Succeeded], |fake| {
            fake.set_scripts_succeed(false);
        }),
        Fault::new(
            "no right to start, by the time it is down",
            &[Succeeded, RolledBack, FellBack],
            |fake| {
                fake.inject_calls(
                    Operation::Start,
                    1..=30,
                    Effect::Fail(ErrorKind::Unauthorized),
                );
            },
        ),
    ]
}

/// Somebody else, midway.
fn people() -> Vec<Fault> {
    let mut faults = Vec::new();
    let steps = [
        Operation::SetTag,
        Operation::Stop,
        Operation::ModifyType,
        Operation::Start,
        Operation::SendScript,
        Operation::RemoveTag,
    ];
    for operation in steps {
        let somebody = |deed| Fault::on(operation, 1..=1, Effect::Somebody(deed), &[]).stops(2);
        faults.push(Fault {
            terminates: true,
            // Before the stop it is refused, at the very end it had succeeded.
            outcomes: vec![Gone, Refused, Succeeded],
            ..somebody(Deed::Terminate)
        });
        faults.push(Fault {
            a_user_stops: matches!(
                operation,
                Operation::SetTag | Operation::SendScript | Operation::RemoveTag
            ),
            ..somebody(Deed::Stop)
        });
        faults.push(somebody(Deed::Start));
        faults.push(somebody(Deed::Edit(|instance| {
            instance.tags.retain(|key, _| key != "autoscaler");
        })));
    }
    faults.push(Fault::on(
        Operation::ModifyType,
        1..=1,
        Effect::Somebody(Deed::Edit(|instance| {
            "t3.large".clone_into(&mut instance.instance_type)
        })),
        &[],
    ));
    faults
}
