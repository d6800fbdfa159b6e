//! What can be wrong with an answer, or with the way to it.

use reqwest::StatusCode;

use crate::signer::Unsigned;

/// Why a query has no answer. One line each, with the address and no secrets; the remedy is the caller's to add.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// TLS, or a header that can't be sent.
    #[error("the HTTP client for Prometheus can't be built: {0}")]
    Client(String),
    /// No signature.
    #[error("Prometheus at {url} was not asked: {why}")]
    Unsigned {
        /// Where.
        url: String,
        /// Why not.
        why: Unsigned,
    },
    /// No connection, or a broken one.
    #[error("Prometheus at {url} can't be reached: {why}")]
    Unreachable {
        /// Where.
        url: String,
        /// The innermost cause.
        why: String,
    },
    /// Too slow.
    #[error("Prometheus at {url} did not answer within {seconds} s")]
    Timeout {
        /// Where.
        url: String,
        /// The limit.
        seconds: u32,
    },
    /// It is somewhere else.
    #[error(
        "Prometheus at {url} redirects to {to}; redirects are not followed, name the final address"
    )]
    Redirect {
        /// Where.
        url: String,
        /// Where to.
        to: String,
    },
    /// Another status than 200.
    #[error("Prometheus at {url} answered {status}{detail}")]
    Status {
        /// Where.
        url: String,
        /// Such as 503.
        status: StatusCode,
        /// What it said, if anything.
        detail: String,
    },
    /// Too large.
    #[error("Prometheus at {url} answered with more than {limit} bytes")]
    TooLarge {
        /// Where.
        url: String,
        /// The limit, after decompression.
        limit: u64,
    },
    /// HTML.
    #[error(
        "the server at {url} answered {content_type} instead of JSON; is that address Prometheus, or a login page before it?"
    )]
    NotJson {
        /// Where.
        url: String,
        /// Such as "text/html".
        content_type: String,
    },
    /// No matrix.
    #[error("the answer of Prometheus at {url} {why}")]
    Answer {
        /// Where.
        url: String,
        /// What is wrong with it.
        why: Malformed,
    },
}

/// A body that is no matrix: what is wrong with it, on one line, without who sent it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// Other JSON, or none.
    #[error("is not an answer of the Prometheus API ({0})")]
    Foreign(String),
    /// An error with status 200.
    #[error("is the error {kind}: {message}")]
    Error {
        /// Such as "bad_data".
        kind: String,
        /// What it says.
        message: String,
    },
    /// A success without data.
    #[error("has no data")]
    Empty,
    /// A vector, a scalar, a string.
    #[error("is a {0} instead of a matrix; does the expression give a range vector?")]
    NoMatrix(String),
}
