//! What an order is answered with.

use crate::store::account::Account;
use crate::store::operation::Operation;

/// What became of an order so far.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The account was made for this order.
    Created(Account),
    /// It was there already, from the same order.
    Repeated(Account),
    /// The operation goes on; the caller asks again later.
    Running(Operation),
}
