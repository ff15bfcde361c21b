//! What the Panel does, one verb a file. A verb authorises, changes the store, calls an Agent and records what came of it; it knows nothing
//! of HTTP.

mod acknowledge;
mod answers;
mod authenticate;
mod caller;
mod change_password;
mod count_refused;
mod create_account;
mod create_administrator;
mod create_token;
mod faults;
mod order;
mod packages;
mod read;
mod record;
mod refusal;
mod run_operation;
mod servers;

pub(crate) use acknowledge::Acknowledger;
pub(crate) use answers::Answer;
pub(crate) use authenticate::{Throttle, administrator, token};
pub(crate) use caller::{Caller, CallerKind, Scope};
pub(crate) use count_refused::{RefusedCallers, keep_counting};
pub(crate) use create_account::create_account;
pub(crate) use create_administrator::{change_administrator_password, create_administrator};
pub(crate) use create_token::{NewToken, create_token, delete_token};
pub(crate) use order::{
    AdministratorName, Cidr, EmailAddress, ExternalRef, InvalidAdministratorName, InvalidCidr, InvalidEmailAddress, InvalidExternalRef,
    InvalidRefPrefix, InvalidTokenName, Order, PackageChoice, RefPrefix, TokenName,
};
pub(crate) use packages::{LimitChanges, change_package, create_package, delete_package};
pub(crate) use read::{account, operation, package, server};
pub(crate) use record::record_refusal;
pub(crate) use refusal::{AppError, Code, Conflict, FieldProblem, Refusal};
pub(crate) use run_operation::{Live, Progress, resume};
pub(crate) use servers::{ServerChange, change_server, reserved_names, set_shared_parent_domains};
