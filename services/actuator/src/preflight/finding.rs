//! What a check finds, and how it is told.

use crate::cloud::CloudError;

/// What a check says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    Pass,
    /// The resize must not start.
    Block,
    /// The check could not be made.
    Unknown,
}

/// One check, as it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Such as `not_spot`.
    pub name: &'static str,
    pub verdict: Verdict,
    /// One sentence.
    pub detail: String,
    /// It tells, but never blocks.
    pub advisory: bool,
}

/// What a check found, with one sentence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Finding {
    Is(Verdict, String),
    /// The same, but it never blocks.
    Advice(Verdict, String),
    /// There is nothing that it could look at.
    Absent,
}

impl Finding {
    /// Nothing stands in the way.
    pub fn pass(detail: impl Into<String>) -> Self {
        Self::Is(Verdict::Pass, detail.into())
    }

    /// The resize must not start.
    pub fn block(detail: impl Into<String>) -> Self {
        Self::Is(Verdict::Block, detail.into())
    }

    /// It can't be told.
    pub fn unknown(detail: impl Into<String>) -> Self {
        Self::Is(Verdict::Unknown, detail.into())
    }

    /// The cloud could not be asked.
    pub fn unasked(error: &CloudError) -> Self {
        Self::unknown(error.with_remedy())
    }

    /// Passes when `ok`, blocks otherwise.
    pub fn when(ok: bool, good: &str, bad: impl Into<String>) -> Self {
        match ok {
            true => Self::pass(good),
            false => Self::block(bad),
        }
    }

    /// One property that the target has, lacks, or is not known to have.
    pub fn needs(used: bool, support: Option<bool>, what: &str, without: &str) -> Self {
        match (used, support) {
            (false, _) => Self::pass("it needs nothing of the kind"),
            (true, Some(true)) => Self::pass(format!("{what}, as the target can be")),
            (true, Some(false)) => Self::block(format!("{what}, {without}")),
            (true, None) => Self::unknown(format!(
                "{what}; AWS does not say whether the target can be"
            )),
        }
    }

    /// `None` when there was nothing to look at.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Is(verdict, _) | Self::Advice(verdict, _) => Some(*verdict),
            Self::Absent => None,
        }
    }

    /// The check of this name.
    pub fn named(self, name: &'static str) -> Option<Check> {
        let advisory = matches!(self, Self::Advice(..));
        let (Self::Is(verdict, detail) | Self::Advice(verdict, detail)) = self else {
            return None;
        };
        Some(Check {
            name,
            verdict,
            detail,
            advisory,
        })
    }
}
