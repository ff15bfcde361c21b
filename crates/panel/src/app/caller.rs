//! Who asks, and what they may see and do.

use std::net::IpAddr;

use opterius_model::{OwnerId, TokenId};
use opterius_protocol::Micros;

use super::{ClientRef, ExternalRef, RefPrefix};
use crate::store::administrator::Role;
use crate::store::word_enum;

word_enum! {
    /// One thing that a caller may do.
    Scope {
        /// Ask who one is.
        SelfRead = "self.read",
        /// Get another text for one's own token.
        SelfRotate = "self.rotate",
        /// Make links that sign staff in to the page of what the caller sees.
        SelfSignIn = "self.sign_in",
        /// Look at accounts.
        AccountsRead = "accounts.read",
        /// Order accounts.
        AccountsCreate = "accounts.create",
        /// Suspend accounts, and lift suspensions.
        AccountsSuspend = "accounts.suspend",
        /// Give accounts other packages and limits.
        AccountsPackage = "accounts.package",
        /// Give accounts another PHP.
        AccountsPhp = "accounts.php",
        /// Give accounts other passwords.
        AccountsPassword = "accounts.password",
        /// Terminate accounts.
        AccountsTerminate = "accounts.terminate",
        /// Bring terminated accounts back.
        AccountsRestore = "accounts.restore",
        /// Make servers as accounts' Specs say.
        AccountsRepair = "accounts.repair",
        /// Change what is kept with accounts of their clients.
        AccountsRecord = "accounts.record",
        /// Make links that sign customers in to their accounts' pages.
        AccountsSignIn = "accounts.sign_in",
        /// Look at packages.
        PackagesRead = "packages.read",
        /// Make, change and delete packages.
        PackagesWrite = "packages.write",
        /// Look at operations.
        OperationsRead = "operations.read",
        /// Try operations that need attention again.
        OperationsRetry = "operations.retry",
        /// Look at servers.
        ServersRead = "servers.read",
        /// Look at the Activity.
        ActivityRead = "activity.read",
        /// Change servers and the rules for domains. The administrator only.
        ServersWrite = "servers.write",
        /// Adopt what only the servers know. The administrator only.
        ServersResync = "servers.resync",
        /// End operations that need attention where they stand. The administrator only.
        OperationsAbandon = "operations.abandon",
        /// Look at the settings. The administrator only.
        SettingsRead = "settings.read",
        /// Change the settings. The administrator only.
        SettingsWrite = "settings.write",
        /// Look at tokens. The administrator only.
        TokensRead = "tokens.read",
        /// Make and delete tokens. The administrator only.
        TokensWrite = "tokens.write",
        /// Look at the host's people. The administrator only.
        AdministratorsRead = "administrators.read",
        /// Make and change the host's people. The administrator only.
        AdministratorsWrite = "administrators.write",
    }
}

impl Scope {
    /// Whether a token may be given this scope. One that could make tokens could make itself any token.
    pub(crate) fn for_tokens(self) -> bool {
        !matches!(
            self,
            Self::ServersWrite
                | Self::ServersResync
                | Self::OperationsAbandon
                | Self::SettingsRead
                | Self::SettingsWrite
                | Self::TokensRead
                | Self::TokensWrite
                | Self::AdministratorsRead
                | Self::AdministratorsWrite
        )
    }

    /// Whether the scope only looks.
    fn only_reads(self) -> bool {
        match self {
            Self::SelfRead
            | Self::AccountsRead
            | Self::PackagesRead
            | Self::OperationsRead
            | Self::ServersRead
            | Self::ActivityRead
            | Self::SettingsRead
            | Self::TokensRead
            | Self::AdministratorsRead => true,
            Self::AccountsCreate
            | Self::AccountsSuspend
            | Self::AccountsPackage
            | Self::AccountsPhp
            | Self::AccountsPassword
            | Self::AccountsTerminate
            | Self::AccountsRestore
            | Self::AccountsRepair
            | Self::AccountsRecord
            | Self::SelfRotate
            | Self::AccountsSignIn
            | Self::SelfSignIn
            | Self::PackagesWrite
            | Self::OperationsRetry
            | Self::ServersWrite
            | Self::ServersResync
            | Self::OperationsAbandon
            | Self::SettingsWrite
            | Self::TokensWrite
            | Self::AdministratorsWrite => false,
        }
    }
}

/// How a caller proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallerKind {
    /// By a token.
    Token,
    /// By being root on the Panel's own machine.
    LocalAdministrator,
    /// By an administrator's name and password.
    Administrator,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) kind: CallerKind,
    pub(crate) owner: OwnerId,
    /// The token's or the administrator's name.
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    /// What the Panel puts in front of every external_ref of this caller.
    pub(crate) ref_prefix: Option<RefPrefix>,
    pub(crate) expires_at: Option<Micros>,
    /// Of the token that the caller came with.
    pub(crate) token_id: Option<TokenId>,
    /// Where the caller is; nothing on the Panel's own machine.
    pub(crate) address: Option<IpAddr>,
}

impl Caller {
    /// Root on the Panel's own machine.
    pub(crate) fn local_administrator() -> Self {
        Self {
            kind: CallerKind::LocalAdministrator,
            owner: OwnerId::host(),
            name: "root".to_owned(),
            scopes: Scope::ALL.to_vec(),
            ref_prefix: None,
            expires_at: None,
            token_id: None,
            address: None,
        }
    }

    /// An administrator who gave name and password: may look at everything, and change nothing.
    pub(crate) fn administrator(name: String) -> Self {
        let scopes = Scope::ALL.iter().copied().filter(|scope| scope.only_reads()).collect();
        Self {
            kind: CallerKind::Administrator,
            owner: OwnerId::host(),
            name,
            scopes,
            ref_prefix: None,
            expires_at: None,
            token_id: None,
            address: None,
        }
    }

    /// One of the host's people, signed in to the pages.
    pub(crate) fn of_role(name: String, role: Role) -> Self {
        let may = |scope: &Scope| match role {
            Role::Administrator => true,
            Role::Support => scope.only_reads() || matches!(scope, Scope::AccountsSuspend | Scope::OperationsRetry),
            Role::ReadOnly => scope.only_reads(),
        };
        Self { scopes: Scope::ALL.iter().copied().filter(may).collect(), ..Self::administrator(name) }
    }

    /// The same caller, who can change nothing.
    #[must_use]
    pub(crate) fn only_looking(self) -> Self {
        let scopes = self.scopes.into_iter().filter(|scope| scope.only_reads()).collect();
        Self { scopes, ..self }
    }

    /// Whether the caller has this scope.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// How the Activity names the caller.
    pub(crate) fn actor(&self) -> String {
        match self.kind {
            CallerKind::Token => format!("token:{}", self.name),
            CallerKind::LocalAdministrator => "administrator".to_owned(),
            CallerKind::Administrator => format!("administrator:{}", self.name),
        }
    }

    /// The caller's own ref as it is stored.
    pub(crate) fn stored_ref(&self, external_ref: &ExternalRef) -> String {
        self.prefixed(external_ref.as_str())
    }

    /// The caller's own name for a client as it is stored.
    pub(crate) fn stored_client_ref(&self, client_ref: &ClientRef) -> String {
        self.prefixed(client_ref.as_str())
    }

    fn prefixed(&self, text: &str) -> String {
        match &self.ref_prefix {
            Some(prefix) => format!("{}{text}", prefix.as_str()),
            None => text.to_owned(),
        }
    }

    /// A stored ref, of an account or a client, as the caller knows it.
    pub(crate) fn shown_ref(&self, stored: Option<&str>) -> Option<String> {
        let stored = stored?;
        match &self.ref_prefix {
            Some(prefix) => stored.strip_prefix(prefix.as_str()).map(str::to_owned),
            None => Some(stored.to_owned()),
        }
    }

    /// Whether the caller may know of something with this owner and stored ref.
    pub(crate) fn sees(&self, owner: &str, stored_ref: Option<&str>) -> bool {
        owner == self.owner.as_str()
            && self.ref_prefix.as_ref().is_none_or(|prefix| stored_ref.is_some_and(|stored| stored.starts_with(prefix.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_with_a_prefix_sees_only_refs_below_it() {
        let mut caller = Caller::local_administrator();
        assert!(caller.sees("host", None));
        caller.ref_prefix = Some(RefPrefix::parse("whmcs:a:").unwrap());
        assert!(caller.sees("host", Some("whmcs:a:s1")));
        assert!(!caller.sees("host", Some("whmcs:b:s1")));
        assert!(!caller.sees("host", None));
        assert!(!caller.sees("other", Some("whmcs:a:s1")));
        assert_eq!(caller.stored_ref(&ExternalRef::parse("s1").unwrap()), "whmcs:a:s1");
        assert_eq!(caller.shown_ref(Some("whmcs:a:s1")).as_deref(), Some("s1"));
    }

    #[test]
    fn who_signs_in_with_a_password_changes_nothing() {
        let caller = Caller::administrator("ada".to_owned());
        assert!(caller.may(Scope::TokensRead));
        assert!(!caller.may(Scope::AccountsCreate) && !caller.may(Scope::TokensWrite) && !caller.may(Scope::AdministratorsWrite));
    }
}
