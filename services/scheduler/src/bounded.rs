//! Many things at the same time, but not too many.

use futures::{StreamExt as _, future::BoxFuture, stream};

/// Runs `work`, at most `limit` at the same time; answers in the order of `work`.
///
/// The futures are boxed: closures in a stream that borrows make the compiler lose sight of `Send`
/// (https://github.com/rust-lang/rust/issues/102211).
pub async fn run_all<T: Send>(limit: usize, work: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    stream::iter(work).buffered(limit.max(1)).collect().await
}
