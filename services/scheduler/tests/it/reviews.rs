//! What the scheduler does for strategies that are made of sizing rules.

use crate::support::World;

#[tokio::test]
async fn adaptive_is_told_the_past_and_every_target_is_reviewed_at_the_first_tick() {
    let world = World::start().await;
    world.decision.adapt().await;
    let scheduler = world.scheduler("").await;
    let mut reviewed = Vec::new();
    for _ in 0..3 {
        scheduler.tick().await;
        reviewed.push(world.decision.reviews.lock().unwrap().len());
    }
    // Each once: the next time is in twelve hours.
    assert_eq!(reviewed, [3, 3, 3]);
    for review in world.decision.reviews.lock().unwrap().iter() {
        let found = review.review.as_ref().unwrap();
        assert_eq!(found.candidates.len(), 127, "{}", review.reason);
    }
    let past = world
        .decision
        .last_request("web")
        .observation
        .unwrap()
        .past
        .unwrap();
    // Half of one vCPU, for two days.
    for known in [
        past.now,
        past.peak_1h,
        past.peak_24h,
        past.peak_168h,
        past.profile_6h,
    ] {
        assert_eq!(known, Some(0.5), "{past:?}");
    }
}

#[tokio::test]
async fn thresholds_are_told_no_past_and_reviewed_never() {
    let world = World::start().await;
    let scheduler = world.scheduler("").await;
    scheduler.tick().await;
    assert_eq!(
        world.decision.last_request("web").observation.unwrap().past,
        None
    );
    assert!(world.decision.reviews.lock().unwrap().is_empty());
}
