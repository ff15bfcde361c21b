//! A Spec, a change and what the Agent is asked to plan, as root reads them: what loads is checked without a panic, its names are names, and
//! what is written of it loads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opterius_model::{DomainName, Spec, Username};
use opterius_protocol::agent::{PlanAccount, spec_hash};

fuzz_target!(|data: &[u8]| {
    let _ = serde_json::from_slice::<PlanAccount>(data);
    let Ok(spec) = serde_json::from_slice::<Spec>(data) else { return };
    assert_eq!(Username::parse(spec.username.as_str()).as_ref(), Ok(&spec.username));
    for site in &spec.sites {
        let name = site.primary().to_string();
        assert!(DomainName::parse(&name).is_ok() && !name.contains(['/', '\0', '\n', ' ']), "{name:?}");
    }
    let _ = spec.check();
    let again = serde_json::to_vec(&spec).expect("a Spec is written");
    let again: Spec = serde_json::from_slice(&again).expect("what was written loads");
    assert_eq!(again, spec);
    assert_eq!(spec_hash(&again), spec_hash(&spec));
});
