//! The served forecast of signals of every kind, with gaps, losses, odd spacings and short histories.

use std::{env, path::PathBuf, time::Instant};

use forecasting::{
    forecast::{Basis, Forecaster},
    quantile,
};

use crate::support::{
    exam::{Caller, Figures, Trial, ask, examine, forecaster},
    signals::{Kind, Random, Signal, recorded},
};

const DAY: usize = 288;

#[expect(clippy::print_stdout, reason = "it is what this prints that is read")]
fn print(name: &str, figures: &Figures) {
    let n = figures.count;
    let mut skills = figures.skills.clone();
    skills.sort_unstable_by(f64::total_cmp);
    let skill = |q: f64| quantile::of_sorted(&skills, q);
    println!(
        "{name:44} n {n:4} | q90 {:.2} q95 {:.2} q99 {:.2} | loss {:6.3} mae {:6.2} | q95 at {:5.1} | naive {:.2} no skill {:.2} (skill {:.2} {:.2} {:.2}) unordered {:.3}",
        figures.share(0),
        figures.share(1),
        figures.share(2),
        figures.loss / n,
        figures.error / n,
        figures.q95 / n,
        figures.naive / n,
        figures.no_skill / n,
        skill(0.05),
        skill(0.5),
        skill(0.95),
        figures.unordered / n,
    );
}

/// The part that is asked for, such as `gaps`, and whether a name is.
fn asked(part: &str, name: &str) -> bool {
    let of = |key, value: &str| {
        env::var(key).map_or(true, |asked| {
            asked.split(',').any(|one| value.starts_with(one))
        })
    };
    of("EXAM", part) && of("EXAM_KIND", name)
}

fn count(default: usize) -> usize {
    env::var("EXAM_COUNT").map_or(default, |count| count.parse().unwrap())
}

fn show(part: &str, name: &str, forecaster: &Forecaster, trials: &[Trial<'_>]) {
    let row = examine(forecaster, trials);
    let all = env::var("EXAM_ALL").is_ok();
    for (place, figures) in row.iter().enumerate() {
        if place + 1 == row.len() || all {
            print(&format!("{part} {name} h{place}"), figures);
        }
    }
}

/// Signals of one kind and origins in them, so that every phase of hour and day is met.
fn signals(kind: Kind, count: usize, points: usize, spacing: i64) -> Vec<(Signal, usize)> {
    let ahead = (3_600 / spacing) as usize + 1;
    (0..count)
        .map(|index| {
            let mut random = Random::new(index as u64 * 31 + 5);
            let origin = points - 1 + random.below(DAY) * usize::from(points > 4 * DAY);
            (
                Signal::new(kind, index as u64, origin + ahead + 1, spacing),
                origin,
            )
        })
        .collect()
}

/// Gaps in minutes, and samples since.
const GAPS: [(usize, usize); 13] = [
    (0, 1),
    (10, 1),
    (10, 3),
    (20, 1),
    (20, 3),
    (60, 1),
    (60, 3),
    (120, 1),
    (120, 3),
    (120, 12),
    (1440, 1),
    (1440, 3),
    (1440, 12),
];

fn train() -> Vec<(String, Vec<Signal>)> {
    let traces = env::var("TRACES").unwrap_or_else(|_| "../../../../shared/traces".to_owned());
    let folder = PathBuf::from(traces).join("train");
    [
        "azure_v1",
        "bitbrains",
        "crane_k8s",
        "google2019_tasks",
        "prom_server",
        "smd",
    ]
    .into_iter()
    .map(|name| {
        (
            name.to_owned(),
            recorded(&folder.join(format!("{name}.csv.gz"))),
        )
    })
    .collect()
}

/// Origins in the later part of recorded series, spread evenly over series.
fn origins(signals: &[Signal], count: usize, least: usize) -> Vec<(&Signal, usize)> {
    let mut random = Random::new(77);
    let mut found = Vec::new();
    for turn in 0..count * 20 {
        let signal = &signals[turn % signals.len()];
        let len = signal.values.len();
        let ahead = (3_600 / signal.spacing) as usize + 1;
        let least = least * 300 / signal.spacing as usize;
        if len < least + ahead + 100 {
            continue;
        }
        let from = least.max(len / 2);
        let origin = from + random.below((len - ahead).saturating_sub(from).max(1));
        if !signal.values[origin].is_nan() && found.len() < count {
            found.push((signal, origin));
        }
    }
    found
}

fn trials(
    made: &[(Signal, usize)],
    window: usize,
    gap: usize,
    since: usize,
    lost: f64,
    caller: Caller,
) -> Vec<Trial<'_>> {
    made.iter()
        .map(|(signal, origin)| Trial {
            signal,
            origin: *origin,
            window,
            gap,
            since,
            lost,
            caller,
        })
        .collect()
}

fn recorded_trials<'a>(
    made: &[(&'a Signal, usize)],
    seconds: usize,
    gap_minutes: usize,
    since: usize,
    caller: Caller,
) -> Vec<Trial<'a>> {
    made.iter()
        .map(|(signal, origin)| Trial {
            signal,
            origin: *origin,
            window: seconds / signal.spacing as usize,
            gap: gap_minutes * 60 / signal.spacing as usize,
            since,
            lost: 0.0,
            caller,
        })
        .collect()
}

/// All cells of `gaps` together, at each horizon.
fn after(
    forecaster: &Forecaster,
    kind: Kind,
    gaps: &[(usize, usize)],
    caller: Caller,
) -> Vec<Figures> {
    let made = signals(kind, 12, 4 * DAY, 300);
    let window = 3 * DAY;
    let all: Vec<Trial<'_>> = gaps
        .iter()
        .flat_map(|(minutes, since)| trials(&made, window, minutes / 5, *since, 0.0, caller))
        .collect();
    examine(forecaster, &all)
}

#[test]
fn after_a_gap_the_forecast_knows_how_little_it_saw() {
    let forecaster = forecaster();
    for (kind, caller) in [
        (Kind::Hourly, Caller::Stateless),
        (Kind::Hourly, Caller::Carrying),
        (Kind::Daily, Caller::Stateless),
        (Kind::Bursts, Caller::Stateless),
    ] {
        let usual = &after(&forecaster, kind, &[(0, 1)], caller)[3];
        let gaps = [(20, 1), (60, 3), (1_440, 1)];
        let mended = &after(&forecaster, kind, &gaps, caller)[3];
        let name = format!("{kind:?} {caller:?}");
        print(&name, mended);
        assert!(mended.share(0) >= 0.85, "{name}: {mended:?}");
        assert!(mended.share(1) >= 0.92, "{name}: {mended:?}");
        let losses = (mended.mean_loss(), usual.mean_loss());
        assert!(losses.0 <= 1.3 * losses.1, "{name}: {losses:?}");
        assert_eq!(mended.unordered + usual.unordered, 0.0, "{name}");
    }
}

#[test]
fn half_of_the_fine_samples_are_nearly_as_good_as_the_coarse_ones() {
    let forecaster = forecaster();
    let examine = |step: usize, lost| {
        let two_days = 2 * 86_400 / step;
        let made = signals(Kind::Hourly, 32, two_days, step as i64);
        let trials = trials(&made, two_days, 0, 1, lost, Caller::Stateless);
        examine(&forecaster, &trials).remove(3)
    };
    let (coarse, half) = (examine(300, 0.0), examine(60, 0.53));
    print("coarse", &coarse);
    print("half", &half);
    assert!(half.share(0) >= 0.85, "{half:?}");
    // Where the edge of a job falls into what was lost, its time is not known to the cell.
    assert!(
        half.mean_loss() <= 1.75 * coarse.mean_loss(),
        "{half:?} against {coarse:?}"
    );
}

#[test]
fn where_there_is_no_skill_it_is_said_and_only_there() {
    let forecaster = forecaster();
    let share = |kind| {
        let made = signals(kind, 24, 3 * DAY, 300);
        let trials = trials(&made, 3 * DAY, 0, 1, 0.0, Caller::Stateless);
        let figures = examine(&forecaster, &trials).remove(3);
        print(&format!("{kind:?}"), &figures);
        figures.no_skill / figures.count
    };
    assert!(share(Kind::Walk) >= 0.9);
    assert!(share(Kind::Hourly) <= 0.05);
    assert!(share(Kind::Daily) <= 0.05);
}

#[test]
fn the_model_is_named_when_enough_outcomes_are_known() {
    let forecaster = forecaster();
    let signal = Signal::new(Kind::Hourly, 1, 700, 300);
    let asked = |points: usize| {
        ask(
            &forecaster,
            signal.known(0, points - 1, |_| true, Vec::new()),
        )
    };
    let young = asked(14);
    assert_ne!(young.basis, Basis::Model, "{}", young.reason);
    assert!(
        young.reason.contains("from 24 outcomes on"),
        "{}",
        young.reason
    );
    assert_eq!(young.skill, None);
    let old = asked(600);
    assert!(old.skill > Some(0.5), "{:?}", old.skill);
    assert!(
        old.horizons
            .iter()
            .all(|horizon| horizon.trailing.unwrap().outcomes >= 24.0)
    );
    let after_gap = ask(
        &forecaster,
        signal.known(0, 600, |index| !(580..599).contains(&index), Vec::new()),
    );
    assert_eq!(after_gap.basis, Basis::Mixed);
    let gap = "10 of 12 samples of the last 60 min are missing";
    assert!(after_gap.reason.contains(gap), "{}", after_gap.reason);
}

#[test]
#[ignore = "takes minutes, and reads recorded series"]
fn print_the_examination() {
    let begin = Instant::now();
    let forecaster = forecaster();
    for kind in Kind::ALL {
        let name = format!("{kind:?}");
        if asked("gaps", &name) {
            let made = signals(kind, count(48), 9 * DAY, 300);
            for (caller, window) in [(Caller::Stateless, 7 * DAY), (Caller::Carrying, 2 * DAY)] {
                for (minutes, since) in GAPS {
                    let trials = trials(&made, window, minutes / 5, since, 0.0, caller);
                    show(
                        "gaps",
                        &format!("{name} {caller:?} {minutes} min, {since}"),
                        &forecaster,
                        &trials,
                    );
                }
            }
        }
        if asked("lost", &name) {
            let made = signals(kind, count(48), 9 * DAY, 300);
            for lost in [0.03, 0.15, 0.30, 0.45] {
                let trials = trials(&made, 7 * DAY, 0, 1, lost, Caller::Stateless);
                show("lost", &format!("{name} {lost}"), &forecaster, &trials);
            }
            let made = signals(kind, count(48), 4 * DAY * 5, 60);
            for lost in [0.0, 0.15, 0.30, 0.4, 0.53] {
                let trials = trials(&made, 4 * DAY * 5, 0, 1, lost, Caller::Stateless);
                show("lost", &format!("{name} 60 s {lost}"), &forecaster, &trials);
            }
        }
        if asked("spacing", &name) {
            for spacing in [30, 60, 90, 120, 140, 150, 160, 200, 300, 600] {
                let made = signals(kind, count(24), 4 * 86_400 / spacing as usize, spacing);
                for lost in [0.0, 0.03] {
                    let trials = trials(
                        &made,
                        4 * 86_400 / spacing as usize,
                        0,
                        1,
                        lost,
                        Caller::Stateless,
                    );
                    show(
                        "spacing",
                        &format!("{name} {spacing} s, {lost} lost"),
                        &forecaster,
                        &trials,
                    );
                }
            }
        }
        if asked("skill", &name) {
            let made = signals(kind, count(100), 9 * DAY, 300);
            for (caller, window) in [
                (Caller::Stateless, 7 * DAY),
                (Caller::Stateless, 2 * DAY),
                (Caller::Carrying, 2 * DAY),
            ] {
                show(
                    "skill",
                    &format!("{name} {caller:?} {window}"),
                    &forecaster,
                    &trials(&made, window, 0, 1, 0.0, caller),
                );
            }
        }
        if asked("short", &name) {
            for points in [1, 3, 6, 12, 13, 24, 60, 120, 288, 576, 1_000, 4_000] {
                let made = signals(kind, count(48), points, 300);
                let trials = trials(&made, points, 0, 1, 0.0, Caller::Stateless);
                show("short", &format!("{name} {points}"), &forecaster, &trials);
            }
        }
    }
    for (name, signals) in train() {
        // A trial is not of more than lives here.
        if asked("real", &name) {
            let made = origins(&signals, count(60), 3 * DAY);
            for (caller, seconds) in [
                (Caller::Stateless, 7 * 86_400),
                (Caller::Carrying, 2 * 86_400),
            ] {
                for (minutes, since) in GAPS {
                    show(
                        "real",
                        &format!("{name} {caller:?} {minutes} min, {since}"),
                        &forecaster,
                        &recorded_trials(&made, seconds, minutes, since, caller),
                    );
                }
            }
        }
        if asked("young", &name) {
            for points in [1, 3, 6, 12, 13, 24, 60, 120, 288, 576, 2_000] {
                let made = origins(&signals, count(100), 3 * DAY);
                show(
                    "young",
                    &format!("{name} {points}"),
                    &forecaster,
                    &recorded_trials(&made, points * 300, 0, 1, Caller::Stateless),
                );
            }
        }
    }
    println!("{:.0} s", begin.elapsed().as_secs_f64());
}
