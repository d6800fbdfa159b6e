//! The pure state machine: transitions by table, and properties over random clouds and random events.

use std::time::Duration;

use actuator::{
    cloud::{Checks, ErrorKind, InstanceState},
    resize::{Action, Event, Limits, Monitoring, Outcome, Resize, Step},
};
use proptest::prelude::*;

const FROM: &str = "t2.small";
const TARGET: &str = "t2.medium";

fn machine() -> Resize {
    Resize::new(FROM, TARGET, true, Limits::default())
}

fn passed() -> Event {
    Event::Passed {
        fallbacks: vec!["t2.large".to_owned()],
        account: "123456789012".to_owned(),
    }
}

fn seen(state: InstanceState, instance_type: &str) -> Event {
    Event::Seen {
        state,
        instance_type: instance_type.to_owned(),
    }
}

fn failed(kind: ErrorKind) -> Event {
    Event::Failed {
        kind,
        message: format!("{kind:?}"),
    }
}

fn status(checks: Checks) -> Event {
    Event::Status {
        state: InstanceState::Running,
        checks,
    }
}

/// Feeds events, each after the time that the machine asked to wait, and returns where that leads.
fn after(events: Vec<Event>) -> Resize {
    let mut machine = machine();
    for event in events {
        let (_, pause) = machine.next();
        let before = machine.step();
        machine
            .apply(event.clone(), pause)
            .unwrap_or_else(|error| panic!("{error} (was in {before:?})"));
    }
    machine
}

fn stopped() -> Vec<Event> {
    vec![
        passed(),
        Event::Done,
        seen(InstanceState::Running, FROM),
        Event::Done,
        seen(InstanceState::Stopping, FROM),
        seen(InstanceState::Stopped, FROM),
    ]
}

fn started_on(instance_type: &str) -> Vec<Event> {
    let mut events = stopped();
    events.extend([
        Event::Done,
        seen(InstanceState::Stopped, instance_type),
        Event::Done,
    ]);
    events
}

fn refused(reason: &str) -> Event {
    Event::Refused {
        reason: reason.to_owned(),
    }
}

/// Up to the second stop: the checks never pass on the new type.
fn rolling_back() -> Vec<Event> {
    let mut events = then(started_on(TARGET), [seen(InstanceState::Running, TARGET)]);
    events.extend(vec![status(Checks::Impaired); 120]);
    events
}

fn then(mut events: Vec<Event>, more: impl IntoIterator<Item = Event>) -> Vec<Event> {
    events.extend(more);
    events
}

#[test]
fn what_happens_decides_what_comes_next() {
    use ErrorKind::{
        InsufficientCapacity, LostReply, Protected, Throttled, TypeMismatch, Unauthorized,
        Unsupported,
    };
    use InstanceState::{Pending, Running, Stopped, Stopping, Terminated};
    let ended = Action::Finish;
    let modify = |name: &str| Action::Modify(name.to_owned());
    for (name, events, expected) in [
        ("the checks pass", vec![passed()], Action::Mark),
        ("it is marked", vec![passed(), Event::Done], Action::Look),
        (
            "the checks refuse",
            vec![Event::Refused {
                reason: "no".into(),
            }],
            ended(Outcome::Refused),
        ),
        (
            "a dry run ends there",
            vec![Event::DryRun],
            ended(Outcome::DryRun),
        ),
        (
            "a user stopped it before us",
            vec![passed(), Event::Done, seen(Stopped, FROM), Event::Done],
            ended(Outcome::Refused),
        ),
        (
            "a user resized it before us",
            vec![passed(), Event::Done, seen(Running, TARGET), Event::Done],
            ended(Outcome::Refused),
        ),
        (
            "the stop is forbidden",
            vec![
                passed(),
                Event::Done,
                seen(Running, FROM),
                failed(Protected),
            ],
            Action::Unmark,
        ),
        (
            "the tag is forbidden",
            vec![passed(), failed(Unauthorized)],
            ended(Outcome::Refused),
        ),
        (
            "the answer to the tag is lost",
            vec![passed(), failed(LostReply)],
            Action::Mark,
        ),
        (
            "the journal can't be written before the stop",
            vec![
                passed(),
                Event::Done,
                seen(Running, FROM),
                refused("the disk is full"),
            ],
            Action::Unmark,
        ),
        (
            "the stop is throttled",
            vec![
                passed(),
                Event::Done,
                seen(Running, FROM),
                failed(Throttled),
            ],
            Action::Stop,
        ),
        (
            "the answer to the stop is lost",
            vec![
                passed(),
                Event::Done,
                seen(Running, FROM),
                failed(LostReply),
            ],
            Action::Look,
        ),
        ("it has stopped", stopped(), modify(TARGET)),
        (
            "the modify is refused",
            then(stopped(), [failed(Unauthorized)]),
            Action::Start,
        ),
        (
            "the answer to the modify is lost",
            then(stopped(), [failed(LostReply)]),
            Action::Look,
        ),
        (
            "the new type reads back",
            then(stopped(), [Event::Done, seen(Stopped, TARGET)]),
            Action::Start,
        ),
        (
            "the type is not known everywhere",
            then(
                stopped(),
                [Event::Done, seen(Stopped, TARGET), failed(TypeMismatch)],
            ),
            Action::Look,
        ),
        (
            "no capacity, once",
            then(
                stopped(),
                [
                    Event::Done,
                    seen(Stopped, TARGET),
                    failed(InsufficientCapacity),
                ],
            ),
            Action::Start,
        ),
        (
            "no capacity, three times",
            then(
                stopped(),
                [
                    Event::Done,
                    seen(Stopped, TARGET),
                    failed(InsufficientCapacity),
                    failed(InsufficientCapacity),
                    failed(InsufficientCapacity),
                ],
            ),
            modify(FROM),
        ),
        (
            "not supported here",
            then(
                stopped(),
                [Event::Done, seen(Stopped, TARGET), failed(Unsupported)],
            ),
            modify(FROM),
        ),
        (
            "it boots",
            then(started_on(TARGET), [seen(Pending, TARGET)]),
            Action::Look,
        ),
        (
            "it runs",
            then(started_on(TARGET), [seen(Running, TARGET)]),
            Action::Status,
        ),
        (
            "it boots and stops again",
            then(
                started_on(TARGET),
                [seen(Pending, TARGET), seen(Stopped, TARGET)],
            ),
            Action::Start,
        ),
        (
            "somebody starts it while it is stopped",
            then(stopped(), [Event::Done, seen(Running, FROM)]),
            Action::Look,
        ),
        (
            "somebody changes its type while it is stopping",
            vec![
                passed(),
                Event::Done,
                seen(Running, FROM),
                Event::Done,
                seen(Stopping, FROM),
                seen(Stopped, "m5.large"),
            ],
            Action::Start,
        ),
        (
            "terminated midway",
            then(started_on(TARGET), [seen(Terminated, TARGET)]),
            ended(Outcome::Gone),
        ),
        (
            "healthy",
            then(
                started_on(TARGET),
                [seen(Running, TARGET), status(Checks::Ok)],
            ),
            Action::Monitor,
        ),
        (
            "monitoring fails",
            then(
                started_on(TARGET),
                [
                    seen(Running, TARGET),
                    status(Checks::Ok),
                    Event::Monitored(Monitoring::Degraded),
                    Event::Done,
                ],
            ),
            ended(Outcome::Succeeded),
        ),
        (
            "somebody started it: no start of ours was accepted, so one more before the end",
            then(
                stopped(),
                [
                    Event::Done,
                    seen(Running, FROM),
                    seen(Running, FROM),
                    status(Checks::Ok),
                    Event::Monitored(Monitoring::Ok),
                ],
            ),
            Action::Start,
        ),
        (
            "the roll back's stop is forbidden",
            then(rolling_back(), [refused("halted")]),
            Action::Monitor,
        ),
    ] {
        assert_eq!(after(events).next().0, expected, "{name}");
    }
}

/// Somebody gives it another type between two looks, and starts it: nothing failed, and still it is not what was asked for.
#[test]
fn an_end_on_another_type_says_why() {
    for (runs_on, outcome) in [(FROM, Outcome::RolledBack), ("t2.large", Outcome::FellBack)] {
        let mut machine = after(started_on(TARGET));
        let settled = Duration::from_secs(3_600);
        machine
            .apply(seen(InstanceState::Running, runs_on), settled)
            .unwrap();
        machine.apply(status(Checks::Ok), Duration::ZERO).unwrap();
        machine
            .apply(Event::Monitored(Monitoring::Ok), Duration::ZERO)
            .unwrap();
        machine.apply(Event::Done, Duration::ZERO).unwrap();
        assert_eq!(machine.outcome(), Some(outcome));
        let why = machine.error().unwrap_or_default();
        assert!(
            why.contains(&format!("it runs on {runs_on}, not on {TARGET}")),
            "{why}"
        );
    }
}

#[test]
fn a_stop_that_hangs_gives_the_change_up_but_not_the_machine() {
    let mut machine = after(vec![
        passed(),
        Event::Done,
        seen(InstanceState::Running, FROM),
        Event::Done,
    ]);
    for _ in 0..1_000 {
        let pause = machine.next().1;
        machine
            .apply(seen(InstanceState::Stopping, FROM), pause)
            .unwrap();
        assert_eq!(machine.next().0, Action::Look);
    }
    assert!(machine.needs_a_person());
    machine
        .apply(seen(InstanceState::Stopped, FROM), Duration::ZERO)
        .unwrap();
    assert_eq!(machine.next().0, Action::Start);
    assert_eq!(machine.wanted(), FROM);
}

#[test]
fn pauses_grow_to_a_cap_and_the_ladder_goes_round_for_ever() {
    let mut machine = after(then(
        stopped(),
        [Event::Done, seen(InstanceState::Stopped, TARGET)],
    ));
    let mut longest = Duration::ZERO;
    let mut tried = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let (action, pause) = machine.next();
        longest = longest.max(pause);
        let event = match action {
            Action::Start => {
                tried.insert(machine.wanted().to_owned());
                failed(ErrorKind::InsufficientCapacity)
            }
            Action::Modify(_) => Event::Done,
            Action::Look => {
                let wanted = machine.wanted().to_owned();
                seen(InstanceState::Stopped, &wanted)
            }
            other => panic!("{other:?} while there is no capacity"),
        };
        machine.apply(event, pause).unwrap();
    }
    assert_eq!(longest, Limits::default().longest_pause);
    assert_eq!(
        tried.into_iter().collect::<Vec<_>>(),
        ["t2.large", TARGET, FROM]
    );
    assert!(machine.needs_a_person());
}

// Random clouds

#[derive(Clone, Debug)]
enum Mishap {
    None,
    /// The call says no.
    Refuse(ErrorKind),
    DropBefore,
    DropAfter,
    /// What is seen is one change behind.
    Stale,
    Impaired,
    BootFails,
    SomebodyStarts,
    SomebodyStops,
    SomebodyModifies,
    Terminate,
    /// The process ends before the call, with its intent written down, and another one takes over.
    CrashBefore,
    /// The same after the call.
    CrashAfter,
}

fn error_kinds() -> impl Strategy<Value = ErrorKind> {
    prop::sample::select(vec![
        ErrorKind::InsufficientCapacity,
        ErrorKind::Unsupported,
        ErrorKind::NotForThisInstance,
        ErrorKind::LimitExceeded,
        ErrorKind::Throttled,
        ErrorKind::Unauthorized,
        ErrorKind::CredentialsMissing,
        ErrorKind::CredentialsExpired,
        ErrorKind::NotFound,
        ErrorKind::WrongState,
        ErrorKind::TypeMismatch,
        ErrorKind::Protected,
        ErrorKind::NotOnline,
        ErrorKind::NotConfigured,
        ErrorKind::LostReply,
        ErrorKind::Internal,
        ErrorKind::Invalid,
    ])
}

fn mishaps() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        6 => Just(Mishap::None),
        6 => error_kinds().prop_map(Mishap::Refuse),
        2 => Just(Mishap::DropBefore),
        2 => Just(Mishap::DropAfter),
        2 => Just(Mishap::Stale),
        1 => Just(Mishap::Impaired),
        1 => Just(Mishap::BootFails),
        1 => Just(Mishap::SomebodyStarts),
        1 => Just(Mishap::SomebodyStops),
        1 => Just(Mishap::SomebodyModifies),
        1 => Just(Mishap::Terminate),
        1 => Just(Mishap::CrashBefore),
        1 => Just(Mishap::CrashAfter),
    ]
}

/// A cloud in which every look moves things on by one.
struct World {
    state: InstanceState,
    instance_type: String,
    before: (InstanceState, String),
    boot_fails: bool,
    impaired: bool,
    stopped_by_us: bool,
    /// Somebody stopped it when nobody looks any more.
    stopped_unseen: bool,
}

impl World {
    fn set(&mut self, state: InstanceState, instance_type: &str) {
        self.before = (self.state, self.instance_type.clone());
        self.state = state;
        instance_type.clone_into(&mut self.instance_type);
    }

    fn move_on(&mut self) {
        let next = match self.state {
            InstanceState::Stopping => InstanceState::Stopped,
            InstanceState::Pending if self.boot_fails => InstanceState::Stopped,
            InstanceState::Pending => InstanceState::Running,
            other => other,
        };
        if next != self.state {
            self.boot_fails = false;
            let instance_type = self.instance_type.clone();
            self.set(next, &instance_type);
        }
    }

    fn carry_out(&mut self, action: &Action) -> Event {
        let instance_type = self.instance_type.clone();
        match (action, self.state) {
            (Action::Stop, InstanceState::Running | InstanceState::Pending) => {
                self.stopped_by_us = true;
                self.set(InstanceState::Stopping, &instance_type);
            }
            (Action::Stop, InstanceState::Stopping | InstanceState::Stopped) => {}
            (Action::Modify(wanted), InstanceState::Stopped) => {
                self.set(InstanceState::Stopped, wanted);
            }
            (Action::Start, InstanceState::Stopped) => {
                self.set(InstanceState::Pending, &instance_type);
            }
            (Action::Start, InstanceState::Running | InstanceState::Pending)
            | (Action::Mark | Action::Unmark, _) => {}
            _ => return failed(ErrorKind::WrongState),
        }
        Event::Done
    }

    fn answer(&mut self, action: &Action, mishap: &Mishap) -> Event {
        let instance_type = self.instance_type.clone();
        match mishap {
            Mishap::Terminate => self.set(InstanceState::Terminated, &instance_type),
            Mishap::SomebodyStarts if self.state == InstanceState::Stopped => {
                self.set(InstanceState::Pending, &instance_type);
            }
            Mishap::SomebodyStops if self.state == InstanceState::Running => {
                self.stopped_unseen = matches!(action, Action::Monitor | Action::Unmark);
                self.set(InstanceState::Stopping, &instance_type);
            }
            Mishap::SomebodyModifies if self.state == InstanceState::Stopped => {
                self.set(InstanceState::Stopped, "m5.large");
            }
            Mishap::BootFails => self.boot_fails = true,
            Mishap::Impaired => self.impaired = true,
            _ => {}
        }
        match (action, mishap) {
            (Action::Preflight, _) => passed(),
            (Action::Monitor, _) => Event::Monitored(Monitoring::Ok),
            (_, Mishap::Refuse(kind)) => failed(*kind),
            // However long ago that was.
            (Action::Look, Mishap::Stale) => seen(self.before.0, &self.before.1),
            (Action::Look, _) => {
                let event = seen(self.state, &self.instance_type);
                self.move_on();
                event
            }
            (Action::Status, _) => {
                let checks = if self.impaired {
                    Checks::Impaired
                } else {
                    Checks::Ok
                };
                let event = Event::Status {
                    state: self.state,
                    checks,
                };
                self.move_on();
                event
            }
            (_, Mishap::DropBefore) => failed(ErrorKind::LostReply),
            (action, Mishap::DropAfter) => {
                let _ = self.carry_out(action);
                failed(ErrorKind::LostReply)
            }
            (action, _) => self.carry_out(action),
        }
    }
}

/// Runs a resize in a cloud with these mishaps, one for each action, and none after them.
fn run(mishaps: &[Mishap]) -> Result<(Outcome, World, usize), TestCaseError> {
    let mut world = World {
        state: InstanceState::Running,
        instance_type: FROM.to_owned(),
        before: (InstanceState::Running, FROM.to_owned()),
        boot_fails: false,
        impaired: false,
        stopped_by_us: false,
        stopped_unseen: false,
    };
    let mut machine = machine();
    for count in 0..3_000 {
        let (action, pause) = machine.next();
        if let Action::Finish(outcome) = action {
            // What was begun comes to its end when nobody looks, too.
            world.move_on();
            world.move_on();
            if !matches!(outcome, Outcome::Succeeded | Outcome::DryRun) && machine.error().is_none()
            {
                return Err(TestCaseError::fail(format!("{outcome:?} without a reason")));
            }
            return Ok((outcome, world, count));
        }
        let mishap = mishaps.get(count).cloned().unwrap_or(Mishap::None);
        if action.mutates() {
            machine.intend(jiff::Timestamp::UNIX_EPOCH);
        }
        let event = match mishap {
            Mishap::CrashBefore => None,
            Mishap::CrashAfter => {
                if action.mutates() {
                    let _ = world.carry_out(&action);
                }
                None
            }
            _ => Some(world.answer(&action, &mishap)),
        };
        let Some(event) = event else {
            let text = serde_json::to_string(&machine).unwrap();
            machine = serde_json::from_str(&text).unwrap();
            machine.resume();
            continue;
        };
        machine
            .apply(event, pause)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
    Err(TestCaseError::fail(format!(
        "no end in 3,000 actions; {machine:?}"
    )))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn finite_mishaps_end_running_or_gone(mishaps in prop::collection::vec(mishaps(), 0..60)) {
        let (outcome, world, _) = run(&mishaps)?;
        let types = || (world.state, world.instance_type.as_str());
        match outcome {
            Outcome::Refused | Outcome::DryRun => prop_assert!(!world.stopped_by_us, "{:?}", types()),
            Outcome::Gone => {}
            Outcome::Succeeded | Outcome::RolledBack | Outcome::FellBack => {
                let up = matches!(world.state, InstanceState::Running | InstanceState::Terminated);
                prop_assert!(up || world.stopped_unseen, "{outcome:?} {:?}", types());
            }
        }
    }

    #[test]
    fn no_event_panics_and_an_illegal_one_changes_nothing(
        choices in prop::collection::vec((0_u8..12, error_kinds(), any::<bool>()), 0..80),
    ) {
        let states = [
            InstanceState::Pending, InstanceState::Running, InstanceState::Stopping,
            InstanceState::Stopped, InstanceState::ShuttingDown, InstanceState::Terminated,
        ];
        let mut machine = machine();
        for (number, (choice, kind, flag)) in choices.into_iter().enumerate() {
            let state = states[number % states.len()];
            let event = match choice {
                0 => passed(),
                1 => Event::Refused { reason: String::new() },
                2 => Event::DryRun,
                3..=5 => seen(state, if flag { FROM } else { TARGET }),
                6 => Event::Status { state, checks: if flag { Checks::Ok } else { Checks::Impaired } },
                7 | 8 => Event::Done,
                9 => failed(kind),
                10 => Event::Monitored(Monitoring::Ok),
                _ => {
                    machine.resume();
                    continue;
                }
            };
            let before = machine.clone();
            let was_up_to = before.step();
            if machine.apply(event, Duration::from_secs(30)).is_err() {
                prop_assert_eq!(&machine, &before);
            }
            // No end from where it is certainly down.
            if matches!(was_up_to, Step::Modify | Step::ReadBack | Step::Start) {
                let ended_down = matches!(machine.outcome(), Some(outcome) if outcome != Outcome::Gone);
                prop_assert!(!ended_down, "{was_up_to:?} -> {:?}", machine.step());
            }
            let _ = machine.next();
        }
    }
}
