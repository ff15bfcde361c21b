//! What root reads of files and of strangers, for the fuzz targets alone. Nothing in here is a promise to anybody.

use opterius_model::Spec;

use crate::engine::journal::{AccountRecord, Replay};

/// Reads a whole journal.
pub fn read_journal(bytes: &[u8]) {
    let _ = Replay::read(bytes);
}

/// Reads an account's record; one that can be read is written and read again, and must be the same.
pub fn read_record(bytes: &[u8]) {
    if let Ok(record) = AccountRecord::read(bytes) {
        let again = AccountRecord::read(record.to_text().as_bytes()).expect("what was written can be read");
        assert_eq!(again, record, "a record that was written is read as it was");
    }
}

/// Reads a Spec as the Agent takes it, and checks it.
pub fn read_spec(bytes: &[u8]) {
    if let Ok(spec) = serde_json::from_slice::<Spec>(bytes) {
        let _ = spec.check();
    }
}

/// Reads a line of the access log.
pub fn read_access_line(bytes: &[u8]) {
    if let Some(request) = crate::logs::line::access(bytes) {
        let line = request.combined.strip_suffix('\n').expect("a line ends");
        assert!(!line.contains(char::is_control), "one line stays one line, and a terminal obeys none of it");
    }
}

/// Reads a line of the error log.
pub fn read_error_line(bytes: &[u8]) {
    if let Some((_, line)) = crate::logs::line::error(bytes) {
        let line = line.strip_suffix('\n').expect("a line ends");
        assert!(!line.contains(char::is_control), "one line stays one line, and a terminal obeys none of it");
    }
}
