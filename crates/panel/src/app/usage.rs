//! What an account uses of what it may.

use opterius_protocol::Micros;
use opterius_protocol::agent::Usage;

use super::change_account_package::measure;
use super::{AppError, Caller, Reference, read};
use crate::core::Core;
use crate::store::account::Account;

/// The account, and what it uses now.
pub(crate) async fn usage(core: &Core, caller: &Caller, reference: &Reference) -> Result<(Account, Usage), AppError> {
    let account = read::account(core, caller, reference).await?;
    let usage = measure(core, &account).await?;
    Ok((account, usage))
}

/// The calendar month (UTC) of a moment, as servers name it: `2026-10`.
pub(crate) fn month(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at.0).map(|at| at.strftime("%Y-%m").to_string()).unwrap_or_default()
}
