//! How many files and sockets the process may have open, and what share of them callers get.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// At most this many connections on one listener, however many descriptors there are.
const MOST_CONNECTIONS: usize = 1_024;
/// At least this many.
const FEWEST_CONNECTIONS: usize = 8;
/// One process has at most nine listeners: four gRPC, four expositions, one HTTP. One share is left over.
const SHARES: u64 = 10;
/// What is kept for AWS, Prometheus, databases and files: a quarter, but never more than this.
const MOST_RESERVED: u64 = 512;

/// Raises the soft limit to the hard one, and says what it is.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(
            %error,
            limit = limit.current,
            "the limit of open files could not be raised; see ulimit -n"
        );
    }
    let words =
        |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    tracing::info!(
        before = words(limit.current),
        now = words(getrlimit(Resource::Nofile).current),
        connections_per_listener = connections_per_listener(),
        "limit of open files"
    );
}

/// How many connections one listener of this process may hold.
pub fn connections_per_listener() -> usize {
    share(getrlimit(Resource::Nofile).current)
}

/// So many that all listeners that may be in one process leave the reserve alone.
fn share(limit: Option<u64>) -> usize {
    let Some(limit) = limit else {
        return MOST_CONNECTIONS;
    };
    let reserve = (limit / 4).min(MOST_RESERVED);
    usize::try_from((limit - reserve) / SHARES)
        .unwrap_or(MOST_CONNECTIONS)
        .clamp(FEWEST_CONNECTIONS, MOST_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_listeners_together_leave_the_reserve() {
        for (limit, connections) in [
            (Some(64), 8),
            (Some(256), 19),
            (Some(1_024), 76),
            (Some(4_096), 358),
            (Some(1_048_576), 1_024),
            (None, 1_024),
        ] {
            assert_eq!(share(limit), connections, "{limit:?}");
        }
        for limit in 200..20_000 {
            let left = limit - 9 * share(Some(limit)) as u64;
            assert!(left >= 50.max(limit / 4).min(512), "{limit}: {left}");
        }
    }
}
