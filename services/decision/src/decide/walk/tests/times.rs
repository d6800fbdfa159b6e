//! When resizes may begin: windows and freezes, and what saturation passes. It is Friday 2027-01-15, 09:00 in Berlin.

use super::*;
use crate::policy::times::{Freeze, Window};

fn up() -> Scene {
    scene(90.0)
        .on("t2.small")
        .with(|scene| scene.policy.zone = "Europe/Berlin".into())
}

fn down() -> Scene {
    scene(5.0).with(|scene| scene.policy.zone = "Europe/Berlin".into())
}

fn window(days: &[&str], from: &str, to: &str) -> Window {
    Window {
        days: days.iter().map(|&day| day.to_owned()).collect(),
        from: from.into(),
        to: to.into(),
    }
}

/// One window of each direction.
fn within(scene: Scene, up: Window, down: Window) -> Scene {
    scene.with(|scene| {
        scene.policy.windows.up = vec![up];
        scene.policy.windows.down = vec![down];
    })
}

fn frozen(scene: Scene, from: &str, to: &str) -> Scene {
    scene.with(|scene| {
        scene.policy.freeze.push(Freeze {
            from: from.into(),
            to: to.into(),
            reason: "winter sale".into(),
        });
    })
}

#[track_caller]
fn goes(scene: &Scene, action: Action) {
    let verdict = scene.decide();
    assert_eq!(verdict.action, action, "{verdict:#?}");
}

#[test]
fn each_direction_waits_for_its_own_window() {
    let open = || window(&["fri"], "08:00", "18:00");
    let night = || window(&["mon", "fri"], "22:00", "06:00");
    goes(&within(up(), open(), night()), Action::ScaleUp);
    goes(&within(down(), night(), open()), Action::ScaleDown);
    within(up(), night(), open()).holds(
        ReasonCode::OutsideWindow,
        "is above 75 %, but the next window up begins Fri 2027-01-15 22:00 CET (Europe/Berlin)",
    );
    within(down(), open(), window(&["thu"], "08:00", "18:00")).holds(
        ReasonCode::OutsideWindow,
        "the next window down begins Thu 2027-01-21 08:00 CET (Europe/Berlin)",
    );
    // 09:00 of Berlin is 08:00 of UTC, and no part of a window that ends then.
    within(up(), window(&[], "00:00", "09:00"), night()).holds(ReasonCode::OutsideWindow, "");
    goes(
        &within(up(), window(&[], "00:00", "09:00"), night())
            .with(|scene| scene.policy.zone = "UTC".into()),
        Action::ScaleUp,
    );
}

#[test]
fn a_saturated_machine_passes_windows_unless_the_policy_says_no() {
    let closed = || {
        within(
            up().saturated(300),
            window(&["sat"], "08:00", "18:00"),
            window(&[], "00:00", "24:00"),
        )
    };
    goes(&closed(), Action::ScaleUp);
    // Not by its forecast alone.
    within(
        up(),
        window(&["sat"], "08:00", "18:00"),
        window(&[], "00:00", "24:00"),
    )
    .holds(ReasonCode::OutsideWindow, "");
    closed()
        .with(|scene| scene.policy.saturation_passes.windows = false)
        .holds(
            ReasonCode::OutsideWindow,
            "the next window up begins Sat 2027-01-16",
        );
}

#[test]
fn a_saturated_machine_waits_for_its_cooldown_unless_the_policy_says_no() {
    let resting = |outcome| {
        up().saturated(300)
            .ended(Direction::Up, outcome, 60)
            .with(|scene| scene.policy.saturation_passes.cooldown = true)
    };
    goes(&resting(Outcome::Succeeded), Action::ScaleUp);
    resting(Outcome::Succeeded)
        .with(|scene| scene.policy.saturation_passes.cooldown = false)
        .holds(ReasonCode::Cooldown, "");
    // What failed is not tried again at once.
    resting(Outcome::RolledBack).holds(ReasonCode::Cooldown, "failed");
    resting(Outcome::Succeeded)
        .seen(|seen| seen.saturated_seconds = 0)
        .holds(ReasonCode::Cooldown, "");
}

#[test]
fn a_freeze_holds_whatever_is_wanted_to_its_last_minute() {
    for scene in [up(), down()] {
        frozen(scene, "2027-01-01", "2027-01-15").holds(
            ReasonCode::Frozen,
            "resizes are frozen until Sat 2027-01-16 00:00 CET (Europe/Berlin) (winter sale); it holds back scaling",
        );
    }
    frozen(scene(50.0), "2027-01-15T08:00", "2027-01-15T08:01").holds(ReasonCode::Frozen, "");
    goes(
        &frozen(up(), "2027-01-15T08:00", "2027-01-15T09:00"),
        Action::ScaleUp,
    );
    goes(&frozen(up(), "2027-01-16", "2027-01-16"), Action::ScaleUp);
}

#[test]
fn a_saturated_machine_waits_for_the_end_of_a_freeze_unless_the_policy_says_no() {
    let saturated = frozen(up().saturated(300), "2027-01-01", "2027-01-31");
    saturated.holds(ReasonCode::Frozen, "");
    let passes = |scene: Scene| scene.with(|scene| scene.policy.saturation_passes.freeze = true);
    goes(&passes(saturated), Action::ScaleUp);
    passes(frozen(down(), "2027-01-01", "2027-01-31")).holds(ReasonCode::Frozen, "");
}
