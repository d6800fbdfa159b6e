//! Waiting for what comes, with a bound that no sound machine reaches.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use common::{
    grpc,
    health::{self, Health},
};

/// Longer than what users wait for may take.
pub const SOON: Duration = Duration::from_secs(30);
/// Longer than anything takes, such as a server's start, on a machine that does much else.
pub const LONG: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

/// Returns once `condition` holds, which must be [`SOON`].
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < SOON, "not within {SOON:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns what `question` is answered, once that is as `wanted`.
pub async fn answer<T: Debug>(
    mut question: impl AsyncFnMut() -> T,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let start = Instant::now();
    loop {
        let answer = question().await;
        if wanted(&answer) {
            return answer;
        }
        assert!(start.elapsed() < LONG, "still after {LONG:?}: {answer:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns once the service at `url` has a health that is `wanted`.
pub async fn health(url: &str, wanted: impl Fn(&Health) -> bool) {
    let channel = grpc::channel(url).unwrap();
    answer(
        async || health::check(channel.clone(), Duration::from_secs(2)).await,
        wanted,
    )
    .await;
}

/// Returns once the service at `url` serves.
pub async fn serving(url: &str) {
    health(url, |health| *health == Health::Serving).await;
}

/// Returns once something listens at `url`, whether it serves or not.
pub async fn listening(url: &str) {
    health(url, |health| !matches!(health, Health::Unreachable(_))).await;
}
