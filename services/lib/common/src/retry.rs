//! The one retry: idempotent calls only, on UNAVAILABLE only, jittered, inside a deadline; all in the machine's time.

use std::{future::Future, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use tonic::{Code, Status};

use crate::clock::machine;

/// Repeats `call` while it answers UNAVAILABLE and `within` is not used up. The calls' own time counts; one that has
/// begun is bounded by its own deadline.
///
/// # Errors
/// The last status.
pub async fn on_unavailable<T, F, Fut>(within: Duration, call: F) -> Result<T, Status>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Status>>,
{
    let start = machine().monotonic();
    call.retry(
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(2))
            .with_total_delay(Some(within))
            .without_max_times()
            .with_jitter(),
    )
    .sleep(|pause| machine().sleep(pause))
    .when(|status: &Status| status.code() == Code::Unavailable && machine().since(start) < within)
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn calls_until(code: Code, succeed_at: u32) -> (Result<(), Code>, u32) {
        let calls = AtomicU32::new(0);
        let result = on_unavailable(Duration::from_millis(400), || async {
            match calls.fetch_add(1, Ordering::SeqCst) + 1 {
                call if call >= succeed_at => Ok(()),
                _ => Err(Status::new(code, "no")),
            }
        })
        .await
        .map_err(|status| status.code());
        (result, calls.into_inner())
    }

    #[tokio::test]
    async fn repeats_only_what_may_be_repeated() {
        assert_eq!(calls_until(Code::Unavailable, 3).await, (Ok(()), 3));
        assert_eq!(
            calls_until(Code::InvalidArgument, 3).await,
            (Err(Code::InvalidArgument), 1)
        );
        let (result, calls) = calls_until(Code::Unavailable, u32::MAX).await;
        assert_eq!(result, Err(Code::Unavailable));
        assert!((2..20).contains(&calls), "{calls} calls");
    }

    #[tokio::test]
    async fn slow_calls_use_the_time_up_too() {
        let calls = AtomicU32::new(0);
        let result = on_unavailable(Duration::from_millis(100), || async {
            calls.fetch_add(1, Ordering::SeqCst);
            machine().sleep(Duration::from_millis(150)).await;
            Err::<(), _>(Status::unavailable("slow"))
        })
        .await;
        assert_eq!(
            result.map_err(|status| status.code()),
            Err(Code::Unavailable)
        );
        assert_eq!(calls.into_inner(), 1);
    }
}
