//! The servers of one service: gRPC, HTTP, metrics. One without the others helps nobody: what breaks takes them along.

use std::error::Error;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

type Cause = Box<dyn Error + Send + Sync>;

/// A server ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[error("the {server} server broke")]
pub struct Broken {
    server: &'static str,
    source: Cause,
}

/// Servers that run beside each other, from the moment they are added.
#[derive(Debug)]
pub struct Servers {
    stop: CancellationToken,
    running: JoinSet<Result<(), Cause>>,
    names: Vec<(Id, &'static str)>,
}

impl Servers {
    /// `stop` is what each of them ends by; it is cancelled when one of them breaks.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            running: JoinSet::new(),
            names: Vec::new(),
        }
    }

    /// One more, known as `name` in errors.
    #[must_use]
    pub fn with<E>(
        mut self,
        name: &'static str,
        server: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Self
    where
        E: Into<Cause>,
    {
        let task = self
            .running
            .spawn(async move { server.await.map_err(Into::into) });
        self.names.push((task.id(), name));
        self
    }

    /// Until all have ended.
    ///
    /// # Errors
    /// The first that broke; by then the others have ended, too.
    pub async fn run(mut self) -> Result<(), Broken> {
        let mut result = Ok(());
        while let Some(ended) = self.running.join_next_with_id().await {
            let (id, source) = match ended {
                Ok((_, Ok(()))) => continue,
                Ok((id, Err(source))) => (id, source),
                Err(panicked) => (panicked.id(), panicked.into()),
            };
            self.stop.cancel();
            let name = self.names.iter().find(|(known, _)| *known == id);
            let server = name.map_or("nameless", |(_, name)| name);
            result = result.and(Err(Broken { server, source }));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    async fn until(stop: CancellationToken) -> io::Result<()> {
        stop.cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn one_that_breaks_takes_the_others_along_and_is_named() {
        let stop = CancellationToken::new();
        let broken = Servers::new(stop.clone())
            .with("gRPC", until(stop.clone()))
            .with("metrics", async {
                Err::<(), _>(io::Error::other("no more sockets"))
            })
            .run()
            .await
            .unwrap_err();
        assert_eq!(broken.to_string(), "the metrics server broke");
        assert_eq!(broken.source().unwrap().to_string(), "no more sockets");
        assert!(stop.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_is_a_break() {
        let stop = CancellationToken::new();
        let broken = Servers::new(stop.clone())
            .with("gRPC", until(stop.clone()))
            .with("HTTP", async {
                tokio::task::yield_now().await;
                panic!("a bug");
                #[expect(unreachable_code, reason = "gives the future its type")]
                Ok::<(), io::Error>(())
            })
            .run()
            .await
            .unwrap_err();
        assert_eq!(broken.to_string(), "the HTTP server broke");
    }

    #[tokio::test]
    async fn those_that_are_told_to_end_are_no_error() {
        let stop = CancellationToken::new();
        let servers = Servers::new(stop.clone())
            .with("gRPC", until(stop.clone()))
            .with("metrics", until(stop.clone()));
        stop.cancel();
        servers.run().await.unwrap();
    }
}
