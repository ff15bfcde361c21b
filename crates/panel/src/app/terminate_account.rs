//! Takes an account off its server: its names are free at once, and what a restore needs is kept for some days.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::RequestId;

use super::change_account::{Next, Verb, change_account, committed};
use super::{Answer, AppError, Caller, KeptDays, Memo, Reference};
use crate::core::Core;
use crate::store::account::{Account, Status};
use crate::store::operation::Kind;
use crate::store::setting;

struct Terminate {
    keep: KeptDays,
}

impl Verb for Terminate {
    const KIND: Kind = Kind::Terminate;
    const TAKES_TERMINATED: bool = true;

    async fn next(&self, core: &Core, _caller: &Caller, account: &Account) -> Result<Next, AppError> {
        if account.status == Status::Terminated {
            return Ok(Next::Nothing);
        }
        let spec = committed(account)?.kept(core.now().plus(self.keep.duration()));
        Ok(Next::change(spec, Memo::of(account)))
    }

    fn taken_on(&self, account: &Account) -> String {
        format!("The termination of {} ({}) was taken on; it is kept for {} days.", account.username, account.domain, self.keep)
    }
}

/// Terminates an account; one that is terminated already stays as it is. What is kept of it is kept for `keep` days, or as long as the
/// settings say.
pub(crate) async fn terminate_account(
    core: &Arc<Core>,
    caller: &Caller,
    reference: &Reference,
    keep: Option<KeptDays>,
    request: &RequestId,
    patience: Duration,
) -> Result<Answer, AppError> {
    let keep = match keep {
        Some(keep) => keep,
        None => KeptDays::stored(setting::terminated_kept_days(core.store.read()).await?),
    };
    Ok(change_account(core, caller, reference, &Terminate { keep }, request, patience).await?.answer)
}
