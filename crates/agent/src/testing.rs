//! What the tests of several modules share.

use opterius_model::{Spec, State, Uid};

use crate::resources::Target;

/// The account of the model's fixture: alice, example.com, uid 20001, generation 3.
pub(crate) fn target() -> Target {
    let spec: Spec = serde_json::from_str(include_str!("../../model/fixtures/spec-v1.json")).expect("the fixture is a Spec");
    Target { uid: Uid::try_from(20_001).expect("a uid"), spec }
}

/// The same account, not wanted.
pub(crate) fn absent() -> Target {
    let target = target();
    Target { spec: Spec { state: State::Absent, ..target.spec }, ..target }
}
