//! SIGTERM and Ctrl-C as a cancellation token.

use std::{io, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{clock::machine, lines, telemetry};

/// What comes within this time of the first signal is the same request: `timeout`, shells and supervisors send one to the
/// process and one to its group.
const ONE_REQUEST: Duration = Duration::from_secs(1);
/// What the logs have to be written in when a second signal ends the process.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A token that is cancelled at the first SIGTERM or SIGINT. Another signal, a second later or more, ends the process at
/// once with 130.
///
/// # Errors
/// When the signal handlers can't be installed.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut signals = Signals::new()?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        // Not within the macro: where the level is off, what it is given is not waited for.
        let name = signals.next().await;
        tracing::info!("{name}: finishing");
        cancel.cancel();
        machine().sleep(ONE_REQUEST).await;
        // New listeners: they know nothing of the signals so far.
        let Ok(mut signals) = Signals::new() else {
            return;
        };
        let name = signals.next().await;
        telemetry::say(&format!(
            "{name} again: ended before everything was finished"
        ));
        lines::settle_all(LAST_WORDS);
        std::process::exit(130);
    });
    Ok(token)
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one's name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "interrupted",
        }
    }
}
