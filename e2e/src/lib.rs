//! Tests of the whole chain on real parts: each test boots throw-away servers of its own (`sandbox/`), installs the packages in them,
//! and drives them as a host, WHMCS, a visitor or an attacker would. They need root, and minutes; `./test` runs them.
//!
//! A test fails, rather than skips, where something it needs is missing.

mod account;
mod attack;
mod call;
mod crowd;
mod dice;
mod faults;
mod hundred;
mod order;
mod panel;
pub mod repository;
mod secrets;
mod server;
mod shop;
mod tenant;
mod visitor;
mod vm;
mod wait;

pub use account::{Debris, WholeAccount};
pub use attack::{Attack, Did, NETWORKS};
pub use call::Call;
pub use crowd::{Page, Visits};
pub use dice::Dice;
pub use faults::Standing;
pub use order::{Answer, Order};
pub use secrets::Secret;
pub use server::{Output, Server, Setup};
pub use shop::{Pressed, Shop};
pub use tenant::Tenant;
pub use visitor::{Lasting, Reply, finish};
pub use vm::{Machine, VolatileDisk};
pub use wait::{eventually, within};
