//! A line of what `check` says.

use std::fmt;

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Good,
    /// Nobody can know with this configuration.
    Unknown,
    /// Something must be mended.
    Failed,
}

/// One thing that was checked.
#[derive(Debug)]
pub(super) struct CheckLine {
    pub(super) verdict: Verdict,
    part: &'static str,
    text: String,
}

impl CheckLine {
    pub(super) fn new(verdict: Verdict, part: &'static str, text: impl Into<String>) -> Self {
        Self { verdict, part, text: text.into() }
    }

    /// By what came of checking a part.
    pub(super) fn of(part: &'static str, result: anyhow::Result<String>) -> Self {
        match result {
            Ok(text) => Self::new(Verdict::Good, part, text),
            Err(error) => Self::new(Verdict::Failed, part, format!("{error:#}")),
        }
    }
}

impl fmt::Display for CheckLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Unknown => "unknown",
            Verdict::Failed => "FAILED",
        };
        write!(f, "{verdict:<8}{}: {}", self.part, self.text)
    }
}
