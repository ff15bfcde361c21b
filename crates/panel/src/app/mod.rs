//! What the Panel does, one verb a file. A verb authorises, changes the store, calls an Agent and records what came of it; it knows nothing
//! of HTTP.

mod adopt_account;
mod answers;
mod as_seen;
mod authenticate;
mod availability;
mod caller;
mod calls_from;
mod change_account;
mod change_account_package;
mod change_administrator;
mod change_password;
mod change_php;
mod confirm;
mod create_account;
mod create_administrator;
mod create_token;
mod default_records;
mod faults;
mod generate_password;
mod hash_queue;
mod mail_server;
mod memo;
mod names;
mod order;
mod origin;
mod packages;
mod pages;
mod php;
mod plan;
mod rate;
mod read;
mod record;
mod record_account;
mod record_drift;
mod refusal;
mod refused;
mod repair_account;
mod resolve_operation;
mod restore_account;
mod resync;
mod run_operation;
mod servers;
mod settings;
mod shorten_activity;
mod sign_in;
mod sign_in_administrator;
mod suspend_account;
mod tell;
mod terminate_account;
mod throttle;
mod time_zone;
mod unsuspend_account;
mod usage;
mod verify_activity;
mod version;

pub(crate) use adopt_account::PANEL;
pub(crate) use answers::Answer;
pub(crate) use as_seen::{AsSeen, version};
pub(crate) use authenticate::{administrator, token};
pub(crate) use availability::{Availability, Wish, availability};
pub(crate) use caller::{Caller, CallerKind, Scope};
pub(crate) use calls_from::{CallsFrom, admit, allow, may_change};
pub(crate) use change_account::{Verb, change_account};
pub(crate) use change_account_package::PackageChange;
pub(crate) use change_administrator::{delete_administrator, person, set_role};
pub(crate) use change_password::NewPassword;
pub(crate) use change_php::PhpChange;
pub(crate) use confirm::{CODE, Confirmed, PASSWORD, Proof, confirm};
pub(crate) use create_account::{create_account, plan_order};
pub(crate) use create_administrator::{change_administrator_password, create_administrator};
pub(crate) use create_token::{NewToken, access_hash, create_token, delete_token, rotate_token};
pub(crate) use default_records::{change_default_records, default_records, default_records_version};
pub(crate) use generate_password::generate_password;
pub(crate) use mail_server::{
    MailAddress, MailHost, MailServerChange, MailUsername, change_mail_server, mail_port, mail_port_text, mail_server, mail_server_version,
    remove_mail_server, test_mail_server,
};
pub(crate) use memo::Memo;
pub(crate) use names::reserved;
pub(crate) use order::{
    AdministratorName, Cidr, ClientRef, Edit, EmailAddress, ExternalRef, InvalidAdministratorName, InvalidCidr, InvalidClientRef,
    InvalidEmailAddress, InvalidExternalRef, InvalidReason, InvalidRefPrefix, InvalidTokenName, Order, PackageChoice, Reason, RefPrefix,
    Reference, TokenName, day,
};
pub(crate) use origin::{can_be_reached, group};
pub(crate) use packages::{LimitChanges, change_package, create_package, delete_package, package_version, retire_package, with_changes};
pub(crate) use pages::{PagesChange, change_pages, pages, pages_version};
pub(crate) use php::{Doing, Pool, php, php_of_new_accounts};
pub(crate) use plan::{Obstacle, Plan, plan_change};
use rate::too_much;
pub(crate) use rate::{Payer, Price, Rates};
pub(crate) use read::{account, any_account, operation, package, server};
pub(crate) use record::record_refusal;
pub(crate) use record_account::{ClientChange, record_account};
pub(crate) use record_drift::record_drift;
pub(crate) use refusal::{AppError, Code, Conflict, FieldProblem, Refusal, sentence};
pub(crate) use refused::{News, RefusedRequests, in_ranges, minute_of, moment_of};
pub(crate) use repair_account::Repair;
pub(crate) use resolve_operation::{abandon_operation, retry_operation};
pub(crate) use restore_account::Restore;
pub(crate) use resync::{Adoption, Difference, Finding, Report, compare, resync, take_over_all};
pub(crate) use run_operation::{Live, Progress, resume};
pub(crate) use servers::{
    ServerChange, change_server, reserved_names, server_version, set_shared_parent_domains, shared_parent_domains_version,
};
pub(crate) use settings::{
    ActivityDays, ActivityRows, KeptDays, Settings, SettingsChange, change_settings, settings, settings_version, time_zone,
};
pub(crate) use shorten_activity::{SteadyClock, shorten_activity};
pub(crate) use sign_in::{Link, SESSION, Target, Visitor, customer_link, pay_for_page, sign_out, staff_link, use_link, visitor};
pub(crate) use sign_in_administrator::{
    Admitted, Browser, OwnSession, choose_language, end_own_session, new_totp_secret, own_profile, remove_second_factor, second_factor,
    set_second_factor, sign_in_with_password, totp_url, wants_code,
};
pub(crate) use suspend_account::Suspend;
pub(crate) use tell::tell_of_server;
pub(crate) use terminate_account::Terminate;
pub(crate) use throttle::Throttle;
pub(crate) use time_zone::TimeZone;
pub(crate) use unsuspend_account::Unsuspend;
pub(crate) use usage::{month, usage};
pub(crate) use verify_activity::{Verdict, verify_activity};
pub(crate) use version::{Version, still};
