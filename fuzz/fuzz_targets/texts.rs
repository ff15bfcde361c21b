//! Whatever a customer, a visitor or a stranger wrote: cleaned, it is one short line that may be shown anywhere, and cleaning it again
//! changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opterius_model::clean;

fuzz_target!(|data: &[u8]| {
    let (longest, data) = data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first), rest));
    let text = clean(data, longest);
    assert!(text.chars().count() <= longest);
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(!text.contains(['\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{200b}', '\u{feff}', '\u{ad}']), "{text:?}");
    assert_eq!(clean(text.as_bytes(), longest), text);
});
