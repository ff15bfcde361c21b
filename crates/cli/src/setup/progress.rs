//! What setup did, step by step.

use crate::output::{self, Paint};
use crate::system::Written;

/// Prints each thing as it is done, or as it is found to be done.
#[derive(Default)]
pub(super) struct Progress {
    /// The lines so far, for tests.
    #[cfg(test)]
    pub(super) lines: Vec<String>,
}

impl Progress {
    /// Something was made or changed.
    pub(super) fn done(&mut self, what: impl AsRef<str>) {
        self.line("done", Paint::Good, what.as_ref());
    }

    /// Something was there and was left as it is.
    pub(super) fn kept(&mut self, what: impl AsRef<str>) {
        self.line("kept", Paint::Note, what.as_ref());
    }

    /// Something a person should look at, which does not keep the server from working.
    pub(super) fn warning(&mut self, what: impl AsRef<str>) {
        self.line("note", Paint::Warn, what.as_ref());
    }

    /// A file that was written, or not.
    pub(super) fn file(&mut self, path: &str, written: Written) {
        match written {
            Written::New => self.done(format!("wrote {path}")),
            Written::Changed => self.done(format!("changed {path}")),
            Written::Kept => self.kept(path),
        }
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "the lines are kept for tests only"))]
    fn line(&mut self, word: &str, paint: Paint, what: &str) {
        output::led("  ", word, paint, format_args!("  {what}"));
        #[cfg(test)]
        self.lines.push(format!("{word} {what}"));
    }
}
