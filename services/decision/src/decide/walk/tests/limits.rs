//! How often: the budget of a day, and rest after turning around.

use super::*;
use crate::fleet::resizes::Resize;

fn up() -> Scene {
    scene(90.0).on("t2.small")
}

fn down() -> Scene {
    scene(5.0)
}

/// With resizes, newest first, that ended so many seconds ago.
fn resized(scene: Scene, ends: &[(Direction, Outcome, i64)]) -> Scene {
    scene.with(|scene| {
        let resize = |&(direction, outcome, ago): &(Direction, Outcome, i64)| Resize {
            direction,
            began_at: at(NOW - ago - 300),
            ended_at: at(NOW - ago),
            outcome,
        };
        scene.state.resizes = ends.iter().map(resize).collect();
    })
}

#[track_caller]
fn goes(scene: &Scene) {
    let verdict = scene.decide();
    assert_ne!(verdict.action, Action::Hold, "{verdict:#?}");
}

#[test]
fn a_spent_budget_holds_both_ways_and_saturation_too() {
    let spent = [
        (Direction::Up, Outcome::Succeeded, 3_300),
        (Direction::Down, Outcome::RolledBack, 6_900),
    ];
    for scene in [up(), down(), up().saturated(300)] {
        let budget = |most: u32| {
            resized(scene.clone(), &spent).with(|scene| scene.policy.resizes_a_day = most)
        };
        budget(2).holds(
            ReasonCode::BudgetSpent,
            "2 of 2 resizes of the past 24 h are spent, the next may begin in 22 h",
        );
        budget(1).holds(ReasonCode::BudgetSpent, "the next may begin in 23 h");
        goes(&budget(3));
        goes(&budget(0));
    }
    let yesterday = [(Direction::Up, Outcome::Succeeded, 86_100)];
    goes(&resized(up(), &yesterday).with(|scene| scene.policy.resizes_a_day = 1));
}

#[test]
fn who_turned_around_quickly_does_not_turn_around_again_at_once() {
    let flap = |scene: Scene, ends: &[(Direction, Outcome, i64)]| {
        resized(scene, ends).with(|scene| scene.policy.flap_seconds = 7_200)
    };
    let turned = [
        (Direction::Down, Outcome::Succeeded, 1_800),
        (Direction::Up, Outcome::Succeeded, 5_400),
    ];
    flap(up(), &turned).holds(
        ReasonCode::Flapping,
        "the machine turned down 30 min ago, 1 h after its last resize the other way, and may not turn again for 1 h 30 min",
    );
    flap(up().saturated(300), &turned).holds(ReasonCode::Flapping, "");
    // The same way is no turn; nor is the first one; nor one after a quiet time.
    goes(&flap(down(), &turned));
    goes(&flap(up(), &turned[..1]));
    goes(&flap(
        up(),
        &[turned[0], (Direction::Up, Outcome::Succeeded, 9_000)],
    ));
    // What was rolled back is no turn.
    goes(&flap(
        up(),
        &[(Direction::Down, Outcome::RolledBack, 1_800), turned[1]],
    ));
    goes(&resized(up(), &turned));
}
