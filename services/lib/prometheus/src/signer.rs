//! Signatures, for servers that ask for more than a header that stays the same.

use std::fmt;

use async_trait::async_trait;

/// A hand that signs requests.
#[async_trait]
pub trait Signer: fmt::Debug + Send + Sync {
    /// Adds to `request`, whose body is in memory, what makes the server believe it.
    ///
    /// # Errors
    /// Why that can't be done.
    async fn sign(&self, request: &mut reqwest::Request) -> Result<(), Unsigned>;

    /// What goes with the requests and into no message.
    fn secrets(&self) -> Vec<String>;
}

/// A reason why a request has no signature, one line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unsigned(pub String);
