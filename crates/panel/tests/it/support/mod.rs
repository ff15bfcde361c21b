//! What the tests stand on.

mod agent;
mod lab;

pub(crate) use agent::{Behaviour, FakeAgent};
pub(crate) use lab::{Lab, Reply, order, until};
