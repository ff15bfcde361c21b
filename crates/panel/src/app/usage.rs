//! What an account uses of what it may.

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
