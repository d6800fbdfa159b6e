use prometheus_api::{Range, Sample as Answered};
use proptest::prelude::*;

use super::*;
use crate::sources::prometheus::grid::Grid;

const START: i64 = 1_700_000_000;
const HOUR: i64 = 3_600;

/// A time and how long it lasts.
type Span = (i64, i64);

fn is_in(spans: &[Span], at: i64) -> bool {
    spans
        .iter()
        .any(|(begin, length)| (*begin..begin + length).contains(&at))
}

/// A series as a store has it.
#[derive(Clone, Debug)]
struct Stored {
    machine: &'static str,
    kind: usize,
    life: Span,
    holes: Vec<Span>,
    /// What is known, or known rightly, only so many seconds after it happened.
    late: Vec<(Span, i64)>,
}

impl Stored {
    fn labels(&self) -> BTreeMap<String, String> {
        let labels = [
            ("instance", self.machine.to_owned()),
            ("kind", self.kind.to_string()),
        ];
        labels.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// What it says at `now` of `at`.
    fn value(&self, at: i64, now: i64) -> Option<f64> {
        if !is_in(&[self.life], at) || is_in(&self.holes, at) {
            return None;
        }
        let value = 50.0 + 45.0 * ((at - START) as f64 / 1_234.5).sin();
        let delay = self.late.iter().find(|(span, _)| is_in(&[*span], at));
        match delay {
            Some((_, delay)) if now < at + delay => (delay % 2 == 0).then_some(value / 2.0),
            _ => Some(value),
        }
    }

    fn answer(&self, range: Range, now: i64) -> LabelledSeries {
        let times = (range.start..=range.end).step_by(range.step_seconds as usize);
        let sample = |at: i64| {
            Some(Answered {
                at: at as f64,
                value: self.value(at, now)?,
            })
        };
        LabelledSeries {
            labels: self.labels(),
            samples: times.filter_map(sample).collect(),
        }
    }
}

/// A store, and what was read of it.
struct Read {
    store: Vec<Stored>,
    grid: Grid,
    window: i64,
    history: History,
}

impl Read {
    fn new(store: Vec<Stored>, step_seconds: u32, window: i64) -> Self {
        Self {
            store,
            grid: Grid {
                phase: START,
                step_seconds,
            },
            window,
            history: History::new("instance"),
        }
    }

    fn answer(&self, range: Range, now: i64) -> Vec<LabelledSeries> {
        let all = self.store.iter().map(|stored| stored.answer(range, now));
        all.filter(|series| !series.samples.is_empty()).collect()
    }

    fn plan(&self, until: Option<i64>, now: i64) -> Plan {
        self.grid.plan(until, now, self.window as u32)
    }

    /// A tick at `now`; how many points it asked for.
    fn tick(&mut self, now: i64) -> i64 {
        let until = self.history.until(now);
        let plan = self.plan(until, now);
        let answer = self.answer(plan.missing, now);
        self.history.add(answer, &plan);
        if let Some(present) = plan.present {
            let answer = self.answer(present, now);
            self.history.add_present(answer);
        }
        (plan.missing.end - plan.missing.start) / i64::from(self.grid.step_seconds) + 1
    }

    /// What a reading of the whole window at `now` gives.
    fn whole(&self, now: i64) -> History {
        let mut whole = History::new("instance");
        let plan = self.plan(None, now);
        whole.add(self.answer(plan.window, now), &plan);
        if let Some(present) = plan.present {
            whole.add_present(self.answer(present, now));
        }
        whole
    }

    /// Fails when what was read differs from the whole.
    fn is_whole(&self, now: i64) {
        let whole = self.whole(now);
        for machine in ["a", "b"] {
            let wanted = Wanted::Label(machine);
            let (found, expected) = (self.history.find(&wanted), whole.find(&wanted));
            let times = |found: &Result<Vec<Sample>, Unmeasured>| -> Result<Vec<i64>, String> {
                let found = found.as_ref().map_err(ToString::to_string)?;
                Ok(found
                    .iter()
                    .map(|sample| sample.at as i64 - START)
                    .collect())
            };
            assert_eq!(
                times(&found),
                times(&expected),
                "{machine} at {}",
                now - START
            );
            let (found, expected) = (found.unwrap_or_default(), expected.unwrap_or_default());
            for (found, expected) in found.iter().zip(&expected) {
                let off = (found.value - expected.value).abs();
                assert!(off <= 1.0 / 512.0, "{found:?} {expected:?}");
            }
        }
    }
}

fn span(most: i64) -> impl Strategy<Value = Span> {
    (START - 20 * HOUR..START + 40 * HOUR, 0..most)
}

fn stored() -> impl Strategy<Value = Stored> {
    let holes = prop::collection::vec(span(3 * HOUR), 0..4);
    let late = prop::collection::vec((span(HOUR), 0..HOUR), 0..4);
    (0_usize..3, 0_usize..4, span(60 * HOUR), holes, late).prop_map(
        |(machine, kind, life, holes, late)| Stored {
            machine: ["a", "b", "c"][machine],
            kind,
            life,
            // A silence that is longer than an overlap makes the next reading a longer one: see below.
            holes,
            late,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn ticks_at_any_time_give_what_readings_of_the_whole_window_give(
        store in prop::collection::vec(stored(), 0..6),
        step in prop::sample::select(vec![60_u32, 300, 420]),
        window in prop::sample::select(vec![HOUR, 6 * HOUR, 24 * HOUR]),
        ticks in prop::collection::vec((1_i64..2_000, 0_u32..10), 1..60),
    ) {
        let mut once = BTreeMap::new();
        for stored in store {
            once.insert((stored.machine, stored.kind), stored);
        }
        let mut read = Read::new(once.into_values().collect(), step, window);
        let mut now = START;
        for (pause, luck) in ticks {
            // Mostly a usual pause, sometimes a long one.
            now += if luck == 0 { pause * 20 } else { pause };
            if luck == 1 {
                continue;
            }
            read.tick(now);
            read.is_whole(now);
        }
    }
}

fn machine(holes: Vec<Span>) -> Stored {
    Stored {
        machine: "a",
        kind: 0,
        life: (START - 100 * HOUR, 300 * HOUR),
        holes,
        late: Vec::new(),
    }
}

#[test]
fn a_tick_asks_for_an_hour_and_after_failures_for_what_was_missed() {
    let mut read = Read::new(vec![machine(Vec::new())], 300, 48 * HOUR);
    assert_eq!(read.tick(START), 577);
    assert_eq!(read.tick(START + 300), 14);
    assert_eq!(read.tick(START + 610), 14);
    assert_eq!(read.tick(START + 600 + 6 * HOUR), 13 + 72);
    assert_eq!(read.tick(START + 31 * HOUR), 577, "more than half of it");
    read.is_whole(START + 31 * HOUR);
}

#[test]
fn who_comes_back_after_a_silence_may_tell_of_it() {
    // Behind a network that was cut off for five hours; then all of it comes at once.
    let back = START + 15 * HOUR;
    let mut cut_off = machine(Vec::new());
    cut_off.holes = vec![(START + 10 * HOUR, 5 * HOUR)];
    let mut read = Read::new(vec![cut_off], 300, 48 * HOUR);
    let ticks = (0..=15 * HOUR).step_by(300);
    ticks.for_each(|since| _ = read.tick(START + since));
    read.is_whole(back);
    read.store[0].holes.clear();
    assert_eq!(read.tick(back + 300), 13 + 1 + 5 * 12 + 1);
    read.is_whole(back + 300);
    assert_eq!(read.tick(back + 600), 14);
}

#[test]
fn a_store_that_lost_all_leaves_what_is_known_without_its_end() {
    let mut read = Read::new(vec![machine(Vec::new())], 300, 48 * HOUR);
    read.tick(START);
    let store = std::mem::take(&mut read.store);
    read.tick(START + 2 * HOUR);
    let found = read.history.find(&Wanted::Label("a")).unwrap();
    assert_eq!(found.last().unwrap().at as i64, START - HOUR - 300);
    read.store = store;
    read.tick(START + 4 * HOUR);
    read.tick(START + 4 * HOUR + 300);
    read.is_whole(START + 4 * HOUR + 300);
}

#[test]
fn times_that_do_not_ascend_are_passed_on_and_read_again() {
    let mut read = Read::new(vec![machine(Vec::new())], 300, 48 * HOUR);
    read.tick(START);
    let until = read.history.until(START + 300);
    let plan = read.plan(until, START + 300);
    let mut answer = read.answer(plan.missing, START + 300);
    answer[0].samples.swap(3, 4);
    read.history.add(answer, &plan);
    let found = read.history.find(&Wanted::Label("a")).unwrap();
    assert!(!found.is_sorted_by(|one, next| one.at < next.at));
    assert_eq!(read.tick(START + 600), 577);
    read.is_whole(START + 600);
}

#[test]
fn what_is_of_no_use_is_read_anew_and_then_once_a_day() {
    let mut read = Read::new(vec![machine(Vec::new())], 300, 48 * HOUR);
    for (minutes, expected) in [
        (0, 577),
        (5, 577),
        (10, 14),
        (1_440, 13 + 286),
        (1_445, 577),
    ] {
        assert_eq!(read.tick(START + minutes * 60), expected, "{minutes}");
        read.history.doubted().store(true, Ordering::Relaxed);
    }
}

#[test]
fn ten_thousand_machines_and_two_weeks_take_two_hundred_megabytes() {
    // One that changes, and one that stays the same.
    let bytes = |value: fn(f64) -> f64| {
        let mut read = Read::new(vec![machine(Vec::new())], 300, 14 * 24 * HOUR);
        for tick in 0..100 {
            let now = START + tick * 300;
            let until = read.history.until(now);
            let plan = read.plan(until, now);
            let mut answer = read.answer(plan.missing, now);
            for sample in &mut answer[0].samples {
                sample.value = value(sample.value);
            }
            read.history.add(answer, &plan);
        }
        read.history.bytes()
    };
    // CPU and memory; vCPUs and the size of memory; disk and steal of the last hour, and names.
    let of_one = 2 * bytes(|value| value) + 2 * bytes(|_| 16_543_211_520.0) + 1_500;
    assert!(of_one < 20_600, "{of_one}");
}
