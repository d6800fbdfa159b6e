//! What the `main` of every service does: arguments, configuration, logs, then the service until a signal.

use std::{
    error::Error, future::Future, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    config::{ConfigError, Settings},
    descriptors, environment, grpc,
    health::{self, Health},
    shutdown, telemetry,
    text::chain,
};

/// Exit code for a bad configuration or bad arguments (`EX_USAGE`).
pub const EXIT_USAGE: u8 = 64;

/// What blocking work has to end in, after everything else has.
const RUNTIME_END: Duration = Duration::from_secs(1);

/// `--config`, the same for every binary.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArg {
    /// Configuration file [default: autoscaler.yaml in this folder, else embedded defaults]
    #[arg(long, global = true, env = "AUTOSCALER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// File of environment variables; where one is set already it stays [default: .env in this folder, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
}

impl ConfigArg {
    /// Reads `.env`, or the file that is named in its place, into the environment, then the configuration.
    ///
    /// # Errors
    /// What [`Settings::load`] says.
    pub fn load(&self) -> Result<Settings, ConfigError> {
        environment::read_file(self.env_file.as_deref())?;
        environment::aws::check_variables()?;
        Settings::load(self.config.as_deref())
    }
}

/// What every service binary can do.
#[derive(Clone, Copy, Debug, Default, clap::Subcommand)]
pub enum ServiceCommand {
    /// Serves until SIGTERM or Ctrl-C (the default)
    #[default]
    Serve,
    /// Asks the running service how it is; exit 0 when it serves, 1 when not
    Health,
}

/// Runs `future` on a runtime with logs and spans set up, and turns its end into an exit code: 0, or 1 after one line
/// on stderr.
pub fn run<F, Fut, E>(service: &'static str, settings: &Settings, future: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let telemetry_config = match settings.section("telemetry") {
        Ok(config) => config,
        Err(error) => return usage_error(service, &error),
    };
    with_runtime(service, async {
        let _guard = match telemetry::init(service, &telemetry_config) {
            Ok(guard) => guard,
            Err(error) => return usage_error(service, &error),
        };
        until_a_signal(service, future).await
    })
}

/// Says what is wrong with the configuration, runs `future` all the same, with logs as they are by default, and ends
/// with exit code 64.
pub fn run_despite<F, Fut, E>(service: &'static str, error: &ConfigError, future: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let usage = usage_error(service, error);
    with_runtime(service, async {
        // Without logs rather than not at all.
        let _guard = telemetry::init_plain(service).ok();
        until_a_signal(service, future).await;
        usage
    })
}

async fn until_a_signal<F, Fut, E>(service: &'static str, future: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    descriptors::raise_limit();
    // AWS SDK, reqwest and tonic share this provider. A second call in one process says it is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let shutdown = match shutdown::on_signal() {
        Ok(shutdown) => shutdown,
        Err(error) => return failure(service, &error),
    };
    match future(shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(service, &*error.into()),
    }
}

/// The `health` command: asks what listens on `listen` on this machine.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub fn report_health(service: &'static str, listen: SocketAddr) -> ExitCode {
    with_runtime(service, async {
        let url = grpc::local_url(listen);
        let health = match grpc::channel(&url) {
            Ok(channel) => health::check(channel, Duration::from_secs(3)).await,
            Err(error) => Health::Unreachable(chain(&error)),
        };
        match &health {
            Health::Unreachable(why) => println!("{service} at {url}: {health} ({why})"),
            _ => println!("{service} at {url}: {health}"),
        }
        match health {
            Health::Serving => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    })
}

/// One line on stderr, with the whole chain of causes, and exit code 64.
pub fn usage_error(service: &str, error: &dyn Error) -> ExitCode {
    telemetry::say(&format!("{service}: {}", chain(error)));
    ExitCode::from(EXIT_USAGE)
}

fn failure(service: &str, error: &dyn Error) -> ExitCode {
    telemetry::say(&format!("{service}: {}", chain(error)));
    ExitCode::FAILURE
}

fn with_runtime(service: &str, future: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let code = runtime.block_on(future);
            // A thread that waits for a dead disk must not keep the process.
            runtime.shutdown_timeout(RUNTIME_END);
            code
        }
        Err(error) => failure(service, &error),
    }
}
