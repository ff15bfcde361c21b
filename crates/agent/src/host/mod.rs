//! The only door to the operating system. [`Host`] is a closed vocabulary of what the Agent can see and do; [`linux::LinuxHost`] does it
//! for real, and [`fake::FakeHost`] in memory with the same semantics, held to it by a contract test that runs on both.

mod door;
#[cfg(any(test, feature = "failpoints"))]
mod watched;

#[cfg(test)]
mod contract;
#[cfg(test)]
pub(crate) mod fake;
pub mod linux;

pub use door::{
    Condition, DiskSeen, EntryPlan, Haste, HomePlan, HomeSeen, Host, HostError, KeepsakeSeen, LogsSeen, Moment, PoolSeen, ProcessesSeen,
    RecordSet, Room, ShadowField, SiteSeen, Stored, UserPlan, UserSeen, ZonePlan, ZoneSeen,
};
#[cfg(feature = "failpoints")]
pub use watched::with_failpoints;
#[cfg(any(test, feature = "failpoints"))]
pub use watched::{Hook, Watched};
