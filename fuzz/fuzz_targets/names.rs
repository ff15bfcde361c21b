//! Whatever bytes come in: no name panics, what parses is safe where it is used, and parses again as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opterius_model::{
    AccountId, DomainName, MAX_DOMAIN_BYTES, PackageName, Password, PasswordHash, PhpVersion, PoolName, RequestId, Spec, Username,
};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = Username::parse(text) {
        assert!(name.as_str() == text && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    }
    if let Ok(domain) = DomainName::parse(text) {
        let kept = domain.as_str();
        assert!((4..=MAX_DOMAIN_BYTES).contains(&kept.len()));
        assert!(kept.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.'));
        assert!(!kept.starts_with('.') && !kept.ends_with('.') && !kept.contains(".."));
        assert_eq!(DomainName::parse(kept).as_ref(), Ok(&domain));
        assert!(kept.ends_with(domain.registrable()));
    }
    if let Ok(name) = PackageName::parse(text) {
        assert!(name.as_str() == text && !text.contains(char::is_control));
    }
    if let Ok(password) = Password::parse(text.to_owned()) {
        assert!(password.expose() == text && text.len() <= 500);
    }
    if let Ok(hash) = PasswordHash::parse(text.to_owned()) {
        assert!(!hash.expose().contains([':', '\n', ',']));
    }
    let _ = (AccountId::parse(text), RequestId::parse(text), PhpVersion::parse(text), PoolName::parse(text));
    if let Ok(spec) = serde_json::from_str::<Spec>(text) {
        let _ = spec.check();
        let again = serde_json::to_string(&spec).expect("a Spec serialises");
        assert_eq!(serde_json::from_str::<Spec>(&again).expect("what was written loads"), spec);
    }
});
