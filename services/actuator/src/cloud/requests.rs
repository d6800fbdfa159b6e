//! Requests as the cloud counts them. A call of ours can take several: pages, repetitions, questions before a change.
//!
//! Who limits the rate pays for the first request of a call before it is made, and is told of each further one here.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;

/// Told of what one call really sends.
#[async_trait]
pub trait Meter: Send + Sync {
    /// One more request has gone out than was paid for.
    fn further(&self);

    /// Returns once more may be sent.
    async fn pause(&self);
}

struct Call {
    meter: Arc<dyn Meter>,
    sent: AtomicU32,
}

tokio::task_local! {
    static CALL: Arc<Call>;
}

/// Makes a call whose requests are counted.
pub async fn metered<T>(meter: Arc<dyn Meter>, call: impl Future<Output = T>) -> T {
    let sent = AtomicU32::new(0);
    CALL.scope(Arc::new(Call { meter, sent }), call).await
}

/// To be called for each request that goes out, also those that repeat one.
pub fn sent() {
    // Nobody counts what is called outside.
    let _ = CALL.try_with(|call| {
        if call.sent.fetch_add(1, Ordering::Relaxed) > 0 {
            call.meter.further();
        }
    });
}

/// To be awaited before a call goes on with another page.
pub async fn before_next_page() {
    if let Ok(call) = CALL.try_with(Arc::clone) {
        call.meter.pause().await;
    }
}
