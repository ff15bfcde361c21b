//! The Agent's socket: who may use it, and what it offers.

mod peer;
mod router;

pub use router::serve;
