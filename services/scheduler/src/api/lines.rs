//! Decision lines: the seed's fields in the seed's order, then ours.
//!
//! Invariant: no tick waits for whoever reads them. Stdout may be a pipe that nobody reads, the file a FIFO or on a disk
//! that hangs.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use common::{lines::Lines, text::one_line};

use crate::{
    config::Config,
    domain::{Action, TargetResult},
    tick::engine::DecisionLog,
};

/// A tick gives its lines this long to be written, so that who waits for its end finds them. Once; a sink that did not
/// take them in it is not waited for again before it has.
const SETTLE: Duration = Duration::from_millis(100);

/// The writer of decision lines.
pub struct DecisionLines {
    sinks: Vec<Sink>,
}

struct Sink {
    lines: Lines,
    /// For people: stdout, or the path.
    name: String,
    stalls: AtomicBool,
}

impl DecisionLines {
    /// Stdout and file, as the configuration says.
    ///
    /// # Errors
    /// When the threads that write can't be started.
    pub fn new(config: &Config) -> io::Result<Self> {
        let mut sinks = Vec::new();
        if config.print_decisions {
            let lines = Lines::to_stream("stdout", io::stdout())?;
            sinks.push(Sink::new("stdout".to_owned(), lines));
        }
        if let Some(path) = &config.log_file {
            sinks.push(Sink::new(path.display().to_string(), to_file(path)?));
        }
        Ok(Self { sinks })
    }
}

#[async_trait]
impl DecisionLog for DecisionLines {
    /// Hands over a line for each result. What can't be written is reported and doesn't stop anything.
    async fn write(&self, results: &[&TargetResult]) {
        let lines: String = results.iter().map(|result| line(result) + "\n").collect();
        if lines.is_empty() {
            return;
        }
        for sink in &self.sinks {
            sink.write(lines.as_bytes()).await;
        }
    }
}

impl Sink {
    fn new(name: String, lines: Lines) -> Self {
        Self {
            lines,
            name,
            stalls: AtomicBool::new(false),
        }
    }

    async fn write(&self, text: &[u8]) {
        let stalled = !self.lines.is_idle();
        self.lines.push(text);
        let lines = self.lines.clone();
        let stalls = stalled
            || !tokio::task::spawn_blocking(move || lines.settled(SETTLE))
                .await
                .unwrap_or(false);
        if stalls && !self.stalls.swap(stalls, Ordering::Relaxed) {
            tracing::warn!(
                sink = self.name,
                "decision lines wait for their reader; what does not fit into memory is dropped and counted in \
                 log_lines_dropped_total. Is somebody reading, and does the disk answer?"
            );
        }
        self.stalls.store(stalls, Ordering::Relaxed);
    }
}

/// Opens and appends on the thread that writes: opening a FIFO, or a file on a dead mount, takes as long as writing to it.
fn to_file(path: &Path) -> io::Result<Lines> {
    let path: PathBuf = path.to_owned();
    Lines::to_writer("log_file", move |lines| {
        append(&path, lines).map_err(|error| {
            tracing::error!(
                %error,
                file = %path.display(),
                "decision lines not written; check the folder's rights, or scheduler.log_file"
            );
        })
    })
}

// Opened anew each time, so that the file may be rotated.
fn append(file: &Path, lines: &[u8]) -> io::Result<()> {
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?;
    file.write_all(lines)
}

/// The seed's word for an action.
pub fn decision_word(result: &TargetResult) -> &'static str {
    match result.action {
        Action::Hold => "noop",
        action => action.name(),
    }
}

/// One line for one result. No value can break it: separators and control characters in texts are replaced.
fn line(result: &TargetResult) -> String {
    let number =
        |value: Option<f64>| value.map_or("None".to_owned(), |value| format!("{value:.2}"));
    let text = |value: &str| match value {
        "" => "None".to_owned(),
        value => one_line(value).replace('|', "/"),
    };
    let fields = [
        ("timestamp", result.at.to_string()),
        ("current_instance_type", text(&result.instance_type)),
        ("predicted_cpu", number(result.predicted_cpu_percent)),
        ("confidence", format!("{:.2}", result.confidence)),
        ("decision", decision_word(result).to_owned()),
        ("action_taken", result.action_taken.name().to_owned()),
        ("reason", text(&result.reason)),
        ("target", text(&result.target_id)),
        ("instance", text(&result.instance_id)),
        ("to_instance_type", text(&result.target_instance_type)),
        ("cpu", number(result.cpu_percent)),
        ("memory", number(result.memory_percent)),
        ("horizon_seconds", result.horizon_seconds.to_string()),
        ("forecast_basis", text(result.basis_name())),
        ("reason_code", text(result.reason_name())),
        ("decision_id", text(&result.decision_id)),
        ("dry_run", result.dry_run.to_string()),
        ("error", text(&result.error)),
    ];
    fields
        .map(|(name, value)| format!("{name}={value}"))
        .join(" | ")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{ActionTaken, Target};

    fn result() -> TargetResult {
        let target = Target {
            id: "web".into(),
            instance_id: "i-01234567".into(),
            label: None,
            ladder: Vec::new(),
        };
        TargetResult {
            instance_type: "t2.small".into(),
            action: Action::ScaleUp,
            reason: "forecast 80.1 % above 75 %".into(),
            confidence: 0.876,
            predicted_cpu_percent: Some(80.123),
            action_taken: ActionTaken::Started,
            ..TargetResult::new(&target, Timestamp::from_second(1_700_000_000).unwrap())
        }
    }

    #[test]
    fn the_line_begins_as_the_seeds_does() {
        let line = line(&result());
        assert!(
            line.starts_with(
                "timestamp=2023-11-14T22:13:20Z | current_instance_type=t2.small | predicted_cpu=80.12 | confidence=0.88 | \
                 decision=scale_up | action_taken=started | reason=forecast 80.1 % above 75 % | target=web | "
            ),
            "{line}"
        );
        assert!(line.ends_with(" | dry_run=true | error=None"), "{line}");
    }

    #[test]
    fn a_hostile_text_stays_in_its_field() {
        let hostile = TargetResult {
            reason: "x | decision=scale_down\ntimestamp=1".into(),
            action: Action::Hold,
            ..result()
        };
        let line = line(&hostile);
        assert_eq!(line.matches(" | ").count(), 17, "{line}");
        assert!(
            !line.contains('\n') && line.contains("decision=noop"),
            "{line}"
        );
    }

    fn to(path: &Path) -> DecisionLines {
        DecisionLines::new(&Config {
            print_decisions: false,
            log_file: Some(path.to_owned()),
            ..Config::default()
        })
        .unwrap()
    }

    #[tokio::test]
    async fn lines_are_appended_to_a_file_whose_folder_need_not_exist() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("logs/autoscaler.log");
        let report = to(&file);
        report.write(&[&result()]).await;
        report.write(&[]).await;
        report.write(&[&result(), &result()]).await;
        assert_eq!(fs::read_to_string(file).unwrap().lines().count(), 3);
    }

    #[tokio::test]
    async fn a_fifo_that_nobody_reads_holds_up_one_tick_for_a_moment_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("decisions");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let report = to(&fifo);
        let ticks = async {
            for _ in 0..50 {
                report.write(&[&result()]).await;
            }
        };
        common::clock::machine()
            .timeout(Duration::from_secs(2), ticks)
            .await
            .unwrap();
        // Somebody comes to read and stays, and nothing is lost. Opened for both, it has no end between two writers; one that
        // came and went would break the pipe of a line that is just being written.
        let read = std::thread::spawn(move || {
            use std::io::BufRead as _;
            let both = fs::OpenOptions::new().read(true).write(true).open(&fifo);
            let lines = io::BufReader::new(both.unwrap()).lines();
            lines.map_while(Result::ok).take(50).count()
        });
        assert_eq!(read.join().unwrap(), 50);
    }

    #[tokio::test]
    async fn lines_for_a_file_that_can_not_be_opened_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let report = to(folder.path());
        report.write(&[&result(), &result()]).await;
        assert!(report.sinks[0].lines.settled(Duration::from_secs(5)));
        assert_eq!(report.sinks[0].lines.dropped(), 2);
    }
}
