//! What a set-up installs, and our SSM documents for it: one for each choice, because they take no parameters. A document
//! runs as root wherever it is sent, so who sends it can't write it: a person publishes it, with rights of their own.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::cloud::{CloudError, Commands, Document, Script, Standing};

/// The script, as it can be run by hand. It takes no parameters over SSM, so nothing is ever spliced into it.
pub const SCRIPT: &str = include_str!("../../../../deploy/setup-monitoring.sh");

/// The line of the script that says what it installs.
const ALL: &str = "\nINSTALL=all\n";
const EXPORTER: &str = "\nINSTALL=exporter\n";

/// What the set-up installs on a machine.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Install {
    /// node_exporter and Prometheus.
    All,
    /// node_exporter alone, for a Prometheus elsewhere.
    Exporter,
}

impl Install {
    /// Each choice.
    pub const ALL: [Self; 2] = [Self::All, Self::Exporter];

    /// The script that installs it.
    pub fn script(self) -> Cow<'static, str> {
        match self {
            Self::All => Cow::Borrowed(SCRIPT),
            Self::Exporter => Cow::Owned(SCRIPT.replacen(ALL, EXPORTER, 1)),
        }
    }

    /// The name of its document, where that of the first choice has this one.
    pub fn document(self, name: &str) -> String {
        match self {
            Self::All => name.to_owned(),
            Self::Exporter => format!("{name}-Exporter"),
        }
    }
}

/// What came of publishing a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was this release's already.
    Unchanged,
    Updated,
    Made,
}

/// A document after [`publish`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publication {
    pub name: String,
    /// In a dry run: what would come of it.
    pub change: Change,
    /// What is sent from now on; `None` in a dry run when there is none.
    pub document: Option<Document>,
}

/// Makes the document of this choice what this program's script is. In a dry run it only looks.
///
/// # Errors
/// When AWS refuses, or doesn't answer.
pub async fn publish(
    cloud: &dyn Commands,
    name: &str,
    install: Install,
    dry_run: bool,
) -> Result<Publication, CloudError> {
    let name = install.document(name);
    let text = install.script();
    let script = Script {
        name: &name,
        text: &text,
    };
    let (change, found) = match cloud.look_at_script(script).await? {
        Standing::Current(found) => (Change::Unchanged, Some(found)),
        Standing::Other(found) => (Change::Updated, Some(found)),
        Standing::Absent => (Change::Made, None),
    };
    let document = match change {
        Change::Updated | Change::Made if !dry_run => Some(cloud.publish_script(script).await?),
        _ => found,
    };
    Ok(Publication {
        name,
        change,
        document,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssm_finds_nothing_to_replace_in_the_script() {
        for install in Install::ALL {
            // SSM replaces {{ name }} in parameters.
            assert!(!install.script().contains("{{"));
            assert!(install.script().starts_with("#!/bin/sh\n"));
        }
    }

    #[test]
    fn the_exporters_script_differs_in_the_one_line_that_says_so() {
        let exporter = Install::Exporter.script();
        let differing: Vec<_> = SCRIPT
            .lines()
            .zip(exporter.lines())
            .filter(|(all, exporter)| all != exporter)
            .collect();
        assert_eq!(differing, [("INSTALL=all", "INSTALL=exporter")]);
        assert_eq!(SCRIPT.lines().count(), exporter.lines().count());
        assert_eq!(SCRIPT.matches(ALL).count(), 1);
    }
}
