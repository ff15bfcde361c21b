//! What doctor found.

use serde::Serialize;

use crate::output::{self, Paint};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Works, and a person should look.
    Warning,
    /// Does not work, or is not safe.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) level: Level,
    pub(super) detail: String,
    pub(super) hint: Option<String>,
}

/// Everything that was looked at.
#[derive(Debug, Default)]
pub(super) struct Report(pub(super) Vec<Finding>);

impl Report {
    /// As it should be.
    pub(super) fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Ok, detail: detail.into(), hint: None });
    }

    /// To be looked at, with what to do.
    pub(super) fn warning(&mut self, check: &'static str, detail: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Warning, detail: detail.into(), hint: Some(hint.into()) });
    }

    /// To be mended, with what to do.
    pub(super) fn problem(&mut self, check: &'static str, detail: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Problem, detail: detail.into(), hint: Some(hint.into()) });
    }

    /// How many findings there are of a level.
    pub(super) fn number(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }

    /// Prints one finding a line, with what to do below it.
    pub(super) fn show(&self) {
        let width = self.0.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        for Finding { check, level, detail, hint } in &self.0 {
            let (word, paint) = match level {
                Level::Ok => ("ok     ", Paint::Good),
                Level::Warning => ("warning", Paint::Warn),
                Level::Problem => ("problem", Paint::Bad),
            };
            output::led("", word, paint, format_args!("  {check:<width$}  {detail}"));
            if let Some(hint) = hint {
                output::led(&format!("         {:<width$}  ", ""), "hint", Paint::Note, format_args!(": {hint}"));
            }
        }
        output::blank();
        output::line(match (self.number(Level::Problem), self.number(Level::Warning)) {
            (0, 0) => "Everything is well.".to_owned(),
            (0, warnings) => format!("No problem, and {} to look at.", output::count(warnings, "warning")),
            (problems, 0) => format!("{} to mend.", output::count(problems, "problem")),
            (problems, warnings) => {
                format!("{} to mend, and {} to look at.", output::count(problems, "problem"), output::count(warnings, "warning"))
            }
        });
    }
}
