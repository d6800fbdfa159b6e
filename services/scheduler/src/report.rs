//! Decision lines: the seed's fields in the seed's order, then ours.

use std::{
    io::Write,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use common::text::one_line;
use tokio::io::AsyncWriteExt as _;

use crate::{config::Config, domain::TargetResult};

type Output = Box<dyn Write + Send>;

/// Where decision lines go.
pub struct Report {
    output: Mutex<Option<Output>>,
    file: Option<PathBuf>,
}

impl Report {
    /// Stdout and file, as the configuration says.
    pub fn new(config: &Config) -> Self {
        let output: Option<Output> = match config.print_decisions {
            true => Some(Box::new(std::io::stdout())),
            false => None,
        };
        Self::to(output, config.log_file.clone())
    }

    /// To any writer, and appended to `file`.
    pub fn to(output: Option<Output>, file: Option<PathBuf>) -> Self {
        Self {
            output: Mutex::new(output),
            file,
        }
    }

    /// Writes a line for each result. A file that can't be written is reported and doesn't stop anything.
    pub async fn write(&self, results: &[&TargetResult]) {
        let lines: String = results.iter().map(|result| line(result) + "\n").collect();
        if lines.is_empty() {
            return;
        }
        if let Some(output) = self
            .output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            // Whoever reads stdout may be gone; the work goes on.
            let _ = output
                .write_all(lines.as_bytes())
                .and_then(|()| output.flush());
        }
        if let Some(file) = &self.file
            && let Err(error) = append(file, &lines).await
        {
            tracing::error!(
                %error,
                file = %file.display(),
                "decision lines not written; check the folder's rights, or scheduler.log_file"
            );
        }
    }
}

// Opened anew each time, so that the file may be rotated.
async fn append(file: &PathBuf, lines: &str) -> std::io::Result<()> {
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        tokio::fs::create_dir_all(folder).await?;
    }
    let mut file = tokio::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .await?;
    file.write_all(lines.as_bytes()).await?;
    file.flush().await
}

/// The seed's word for an action.
pub fn decision_word(result: &TargetResult) -> &'static str {
    match result.action {
        crate::domain::Action::Hold => "noop",
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
        ("action_taken", result.action_taken.to_owned()),
        ("reason", text(&result.reason)),
        ("target", text(&result.target_id)),
        ("instance", text(&result.instance_id)),
        ("to_instance_type", text(&result.target_instance_type)),
        ("cpu", number(result.cpu_percent)),
        ("memory", number(result.memory_percent)),
        ("horizon_seconds", result.horizon_seconds.to_string()),
        ("forecast_basis", text(result.forecast_basis)),
        ("reason_code", text(&result.reason_code)),
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
    use crate::domain::{Action, Target};

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
            action_taken: "started",
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

    #[tokio::test]
    async fn lines_are_appended_to_a_file_whose_folder_need_not_exist() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("logs/autoscaler.log");
        let report = Report::to(None, Some(file.clone()));
        report.write(&[&result()]).await;
        report.write(&[]).await;
        report.write(&[&result(), &result()]).await;
        assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 3);
    }
}
