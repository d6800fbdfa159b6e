//! One resize as journals of FORMAT 1 have it: flags beside the state machine, and in it.

use jiff::Timestamp;
use serde::Deserialize;

use super::record::{Record, RefusedType, Request, StepRecord};
use crate::resize::format1::{Beside, Machine};

#[derive(Debug, Deserialize)]
struct Document {
    request: Request,
    dry_run: bool,
    machine: Machine,
    steps: Vec<StepRecord>,
    credit_mode: Option<String>,
    #[serde(default)]
    refused: Vec<RefusedType>,
    #[serde(default)]
    account: String,
    #[serde(default)]
    breadcrumb_is_old: bool,
    #[serde(default)]
    stop_sent_at: Option<Timestamp>,
    lines: u64,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
}

/// Reads a document.
///
/// # Errors
/// It is none.
pub fn read(text: &str) -> Result<Record, serde_json::Error> {
    let document: Document = serde_json::from_str(text)?;
    let beside = Beside {
        account: document.account,
        breadcrumb_is_old: document.breadcrumb_is_old,
        stop_sent_at: document.stop_sent_at,
    };
    let machine = document
        .machine
        .into_resize(&beside)
        .ok_or_else(|| serde::de::Error::custom("its ladder lacks the target or the old type"))?;
    Ok(Record {
        request: document.request,
        dry_run: document.dry_run,
        machine,
        steps: document.steps,
        credit_mode: document.credit_mode,
        refused: document.refused,
        lines: document.lines,
        created_at: document.created_at,
        finished_at: document.finished_at,
    })
}
