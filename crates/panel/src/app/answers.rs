//! What an order or a change is answered with.

use crate::store::account::Account;
use crate::store::operation::Operation;

/// What became of what was asked for, so far.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The account was made for this order. The one that had its ref before could still be restored.
    Created { account: Account, previous: Option<Box<Account>> },
    /// The account is as was asked, now or already.
    Done(Account),
    /// The operation goes on; the caller asks again later.
    Running(Box<Operation>),
}
