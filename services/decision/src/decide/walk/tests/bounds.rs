//! How far a wish may lead: bounds, steps, and cooldowns of their own.

use super::{rules::sized, *};

/// The machine of 16 vCPU that could be the smallest, and the one of 2 that needs the largest.
fn quiet() -> Scene {
    sized(16, 0.5, 1.2)
}

fn busy() -> Scene {
    sized(2, 3.0, 6.5)
}

fn bounded(scene: Scene, min: Option<&str>, max: Option<&str>) -> Scene {
    scene.with(|scene| {
        scene.policy.min_type = min.map(str::to_owned);
        scene.policy.max_type = max.map(str::to_owned);
    })
}

#[test]
fn a_wish_beyond_a_bound_ends_at_it_and_says_so() {
    bounded(quiet(), Some("m5.xlarge"), None).check(
        Action::ScaleDown,
        "m5.xlarge",
        ReasonCode::QuietFitsSmaller,
        "m5.4xlarge to m5.xlarge, no further by policy.min_type (m5.xlarge)",
    );
    bounded(busy(), None, Some("m5.2xlarge")).check(
        Action::ScaleUp,
        "m5.2xlarge",
        ReasonCode::NeedAboveTarget,
        "m5.large to m5.2xlarge, no further by policy.max_type (m5.2xlarge)",
    );
    // One that does not reach the bound is as ever.
    let free = quiet().decide();
    assert_eq!(
        bounded(quiet(), Some("m5.large"), None).decide().reason,
        free.reason
    );
}

#[test]
fn at_a_bound_nothing_goes_beyond_it_and_beyond_it_nothing_moves_by_itself() {
    bounded(busy(), None, Some("m5.large")).holds(
        ReasonCode::AtBound,
        "is above 1.80, 90 % of m5.large, but policy.max_type (m5.large) leaves m5.large no type up",
    );
    bounded(quiet(), Some("m5.4xlarge"), None)
        .holds(ReasonCode::AtBound, "leaves m5.4xlarge no type down");
    bounded(sized(8, 0.5, 1.2), Some("m5.2xlarge"), None).holds(
        ReasonCode::AtBound,
        "policy.min_type (m5.2xlarge) leaves m5.2xlarge no type down",
    );
    // Saturation goes no further either.
    bounded(busy(), None, Some("m5.large"))
        .saturated(300)
        .holds(ReasonCode::AtBound, "policy.max_type");
    // Above the maximum: a resize down is what it always was, and none is made up.
    let above = bounded(sized(16, 4.0, 13.0), None, Some("m5.large"));
    above.holds(ReasonCode::SizeFits, "");
    bounded(quiet(), None, Some("m5.2xlarge")).check(
        Action::ScaleDown,
        "m5.large",
        ReasonCode::QuietFitsSmaller,
        "",
    );
}

#[test]
fn a_bound_that_is_not_on_the_targets_own_ladder_bounds_nothing() {
    let own = |scene: Scene| {
        scene.with(|scene| {
            scene.input.ladder = scene.policy.ladder.clone();
            scene.policy.ladder = vec!["t2.small".into(), "t2.medium".into()];
        })
    };
    own(bounded(busy(), None, Some("t2.small"))).check(
        Action::ScaleUp,
        "m5.4xlarge",
        ReasonCode::NeedAboveTarget,
        "",
    );
}

#[test]
fn a_jump_longer_than_a_step_is_cut_to_it_saturation_too() {
    let steps = |scene: Scene, most: u32| scene.with(|scene| scene.policy.max_step = most);
    steps(busy(), 1).check(
        Action::ScaleUp,
        "m5.xlarge",
        ReasonCode::NeedAboveTarget,
        "m5.large to m5.xlarge, no further by policy.max_step (1)",
    );
    steps(quiet(), 2).check(
        Action::ScaleDown,
        "m5.xlarge",
        ReasonCode::QuietFitsSmaller,
        "",
    );
    steps(quiet(), 3).check(
        Action::ScaleDown,
        "m5.large",
        ReasonCode::QuietFitsSmaller,
        "",
    );
    let saturated = sized(2, 1.7, 4.0).saturated(300);
    saturated
        .clone()
        .check(Action::ScaleUp, "m5.2xlarge", ReasonCode::Saturated, "");
    steps(saturated, 1).check(
        Action::ScaleUp,
        "m5.xlarge",
        ReasonCode::Saturated,
        "max_step",
    );
    // A rung that is no step is none to be counted.
    let skipping = busy().with(|scene| {
        scene.input.instance_types[1].memory_mib = 1_024;
        scene.policy.max_step = 1;
    });
    skipping.check(
        Action::ScaleUp,
        "m5.2xlarge",
        ReasonCode::NeedAboveTarget,
        "",
    );
}

#[test]
fn each_direction_may_have_a_cooldown_of_its_own() {
    let after = |scene: Scene, seconds: i64| {
        scene
            .with(|scene| {
                scene.policy.headroom.hold_steps = 0;
                scene.policy.cooldown_up_seconds = Some(60);
                scene.policy.cooldown_down_seconds = Some(7_200);
            })
            .ended(Direction::Up, Outcome::Succeeded, seconds)
    };
    after(busy(), 59).holds(ReasonCode::Cooldown, "cooldown 1 min");
    after(busy(), 60).check(
        Action::ScaleUp,
        "m5.4xlarge",
        ReasonCode::NeedAboveTarget,
        "",
    );
    after(quiet(), 7_199).holds(ReasonCode::Cooldown, "cooldown 2 h");
    after(quiet(), 7_200).check(
        Action::ScaleDown,
        "m5.large",
        ReasonCode::QuietFitsSmaller,
        "",
    );
}
