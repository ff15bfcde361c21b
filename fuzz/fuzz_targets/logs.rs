//! Lines of nginx's logs, most of which strangers wrote: what is taken from one stays one line.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    opterius_agent::fuzzing::read_access_line(data);
    opterius_agent::fuzzing::read_error_line(data);
});
