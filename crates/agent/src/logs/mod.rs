//! Splits nginx's two logs into the accounts' own, and counts their traffic on the way.
//!
//! nginx writes one access log and one error log for all sites, since a log named by a variable would have to be opened by a worker in a
//! directory that the worker may write. The task in here follows both ([`follow`]), says whose a line is ([`line`]), appends it to
//! `/var/log/opterius/accounts/<username>/{access,error}.log` ([`account`]), and keeps how far it came together with what it counted in
//! one file ([`state`]): `/var/lib/opterius-agent/logs.json`.
//!
//! Before it looks, it renames what is large ([`rotate`]), and after it, removes what is too much: what strangers send decides nothing about
//! the disk, also while nothing can be noted. What goes before it was read is counted to the byte.
//!
//! A batch is read, appended, and then noted. A crash in between repeats at most the lines of that batch in the accounts' logs; traffic is
//! counted exactly once, as totals and offsets are replaced in one rename.

mod account;
mod follow;
pub(crate) mod line;
mod rotate;
mod split;
mod state;
mod task;

pub use state::Losses;
pub(crate) use state::traffic_in_month;
pub(crate) use task::{PAUSE, Splitting};
