//! What the Agent finds on the disk when it starts: journals of operations and records of accounts, whatever a fault or a power cut made of
//! them. What can be read is written and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    opterius_agent::fuzzing::read_journal(data);
    opterius_agent::fuzzing::read_record(data);
    opterius_agent::fuzzing::read_spec(data);
});
