//! What the tests stand on.

mod agent;
mod browser;
mod lab;
mod sink;

pub(crate) use agent::{Behaviour, FakeAgent, Listing, Promises};
pub(crate) use browser::{Browser, COOKIE, path_of};
pub(crate) use lab::{Lab, Reply, order, until};
pub(crate) use sink::{Secured, Sink, Taken};
