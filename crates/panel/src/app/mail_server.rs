//! The mail server through which staff are told what they must not miss.

use std::net::IpAddr;
use std::sync::Arc;

use opterius_model::{DomainName, RequestId};

use super::order::shown;
use super::{AppError, Caller, Code, Edit, EmailAddress, FieldProblem, Refusal, Version, can_be_reached, record, still};
use crate::core::Core;
use crate::notices;
use crate::store::activity::{self, Entry};
use crate::store::mail_server::{self, Encryption, MailPassword, MailServer};
use crate::store::{self, notice};

/// The most people who are told.
const MOST_RECIPIENTS: usize = 20;

/// What a mail server is reached by: a name, `localhost`, or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailHost(String);

impl MailHost {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("localhost") {
            return Ok(Self("localhost".to_owned()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            let address = address.to_canonical();
            if !can_be_reached(address) {
                return Err(format!("no mail server is at `{address}`: use its own address, or its name"));
            }
            return Ok(Self(address.to_string()));
        }
        let name = DomainName::parse(text).map_err(|_| {
            format!("`{}` is not the name of a mail server: use one such as `mail.example.com`, `localhost` or an address", shown(text))
        })?;
        Ok(Self(name.to_string()))
    }

    /// Whether what is sent there stays on this machine.
    fn is_here(&self) -> bool {
        self.0 == "localhost" || self.0.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Checks a port: 1 to 65535.
pub(crate) fn mail_port(number: u64) -> Result<u16, String> {
    u16::try_from(number).ok().filter(|port| *port > 0).ok_or_else(|| {
        format!("{number} is not a port: use one from 1 to 65535, mostly 465 with `tls`, 587 with `starttls` and 25 on this machine")
    })
}

/// The same of a text.
pub(crate) fn mail_port_text(text: &str) -> Result<u16, String> {
    mail_port(text.parse().map_err(|_| format!("`{}` is not a port: use a number from 1 to 65535", shown(text)))?)
}

/// A name to sign in to a mail server with: 1 to 320 characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailUsername(String);

impl MailUsername {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if !(1..=320).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            return Err(format!("`{}` is not a name to sign in with: use 1 to 320 characters without control characters", shown(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

/// An address that mail can be sent to, and from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailAddress(String);

impl MailAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let address = EmailAddress::parse(text).map_err(|error| error.to_string())?;
        match address.as_str().parse::<lettre::Address>() {
            Ok(_) if text.is_ascii() => Ok(Self(text.to_owned())),
            _ => Err(format!("`{}` is not an address that every mail server takes: use one such as `name@example.com`", shown(text))),
        }
    }
}

/// What the mail server is to be.
#[derive(Debug)]
pub(crate) struct MailServerChange {
    pub(crate) host: MailHost,
    pub(crate) port: u16,
    pub(crate) encryption: Encryption,
    pub(crate) username: Option<MailUsername>,
    pub(crate) password: Edit<MailPassword>,
    pub(crate) sender: MailAddress,
    pub(crate) recipients: Vec<MailAddress>,
}

impl MailServerChange {
    /// Of what could be read; nothing if something that it needs could not.
    pub(crate) fn of(
        host: Option<MailHost>,
        port: Option<u16>,
        encryption: Option<Encryption>,
        username: Option<MailUsername>,
        password: Edit<MailPassword>,
        sender: Option<MailAddress>,
        recipients: Option<Vec<MailAddress>>,
    ) -> Option<Self> {
        let (host, port, encryption) = (host?, port?, encryption?);
        Some(Self { host, port, encryption, username, password, sender: sender?, recipients: recipients? })
    }

    /// What is wrong with the whole of it, beside the server that is there now.
    fn problems(&self, now: Option<&MailServer>) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut refuse = |field: &str, detail: &str| {
            problems.push(FieldProblem { field: field.to_owned(), code: "invalid".to_owned(), detail: detail.to_owned() });
        };
        let kept = now.filter(|now| now.password.is_some() && matches!(self.password, Edit::Keep));
        let has_password = kept.is_some() || matches!(self.password, Edit::Set(_));
        if self.encryption == Encryption::None && !self.host.is_here() {
            refuse(
                "encryption",
                "without encryption others could read the mails on their way: use `tls` or `starttls`; `none` is for a server on this machine, such as `127.0.0.1`",
            );
        }
        // Customers' programs can listen on the ports from 1024 on while the mail server is down.
        if self.encryption == Encryption::None && has_password && self.port >= 1024 {
            refuse("encryption", "without encryption a password is sent to a port below 1024 only: use `tls` or `starttls`");
        }
        // Whoever may change the host must not learn the password from it.
        if kept.is_some_and(|now| now.host != self.host.0) {
            refuse("password", "the password that is set is for another server: type the one for this server, or remove it");
        }
        match (&self.username, has_password) {
            (Some(_), false) => refuse("password", "the name to sign in with needs a password"),
            (None, true) => refuse("username", "the password needs the name that it belongs to"),
            _ => {}
        }
        if self.recipients.is_empty() || self.recipients.len() > MOST_RECIPIENTS {
            refuse("recipients", "name 1 to 20 addresses");
        }
        problems
    }
}

/// The mail server, if there is one.
pub(crate) async fn mail_server(core: &Core, caller: &Caller) -> Result<Option<MailServer>, AppError> {
    Ok(mail_server::get(core.store.read(), &caller.owner).await?)
}

/// What a form shows of the mail server. A password is seen only by its being another one than before.
pub(crate) fn mail_server_version(server: Option<&MailServer>) -> Version {
    Version::of(&server.map(|server| server.changed_at.0))
}

/// Puts a mail server in place of the one that is there.
pub(crate) async fn change_mail_server(
    core: &Arc<Core>,
    caller: &Caller,
    change: MailServerChange,
    seen: Option<&Version>,
    request: &RequestId,
) -> Result<MailServer, AppError> {
    let now = core.now();
    let mut write = core.store.write().await?;
    let before = mail_server::get(&mut *write, &caller.owner).await?;
    still("The mail server", seen, &mail_server_version(before.as_ref()))?;
    let problems = change.problems(before.as_ref());
    if !problems.is_empty() {
        return Err(Refusal::invalid(problems).into());
    }
    let mut recipients: Vec<String> = Vec::new();
    for MailAddress(address) in change.recipients {
        if !recipients.contains(&address) {
            recipients.push(address);
        }
    }
    let server = MailServer {
        host: change.host.0,
        port: change.port,
        encryption: change.encryption,
        username: change.username.map(|name| name.0),
        password: change.password.of(before.and_then(|before| before.password)),
        sender: change.sender.0,
        recipients,
        changed_at: now,
    };
    mail_server::put(&mut write, &caller.owner, &server).await?;
    notice::try_again(&mut write, &caller.owner, now).await?;
    let detail = format!(
        "Notices now go to {} through {}, port {} ({}), from {}{}.",
        server.recipients.join(", "),
        server.host,
        server.port,
        server.encryption.as_str(),
        server.sender,
        if server.password.is_some() { ", with a password" } else { "" }
    );
    record::done(&mut write, core, caller, "mail_server.change", request, detail).await?;
    store::commit(write).await?;
    Ok(server)
}

/// Forgets the mail server, and gives up what waits to be sent.
pub(crate) async fn remove_mail_server(
    core: &Arc<Core>,
    caller: &Caller,
    seen: Option<&Version>,
    request: &RequestId,
) -> Result<(), AppError> {
    let mut write = core.store.write().await?;
    let before = mail_server::get(&mut *write, &caller.owner).await?;
    still("The mail server", seen, &mail_server_version(before.as_ref()))?;
    if mail_server::delete(&mut write, &caller.owner).await? {
        notice::give_all_up(&mut write, &caller.owner, "the mail server was removed", core.now()).await?;
        record::done(&mut write, core, caller, "mail_server.remove", request, "Nobody is told by mail any more.".to_owned()).await?;
        store::commit(write).await?;
    }
    Ok(())
}

/// Sends a test message to all recipients, within 20 seconds. Returns what the server said of those that did not get it; refused with the
/// server's words if nobody did.
pub(crate) async fn test_mail_server(core: &Arc<Core>, caller: &Caller, request: &RequestId) -> Result<Option<String>, AppError> {
    let Some(server) = mail_server(core, caller).await? else {
        return Err(Refusal::new(Code::NotFound, "There is no mail server yet.").hint("Set one first.").into());
    };
    let sent = notices::hand_over(core, &server, &notices::test_mail(core)).await;
    let mut write = core.store.write().await?;
    let entry = Entry {
        at: core.now(),
        actor: &caller.actor(),
        from: caller.address,
        action: "mail_server.test",
        account_id: None,
        operation_id: None,
        request_id: Some(request.as_str()),
        outcome: if sent.is_ok() { activity::Outcome::Ok } else { activity::Outcome::Failed },
        detail: match &sent {
            Ok(None) => "A test message was sent.".to_owned(),
            Ok(Some(said)) => format!("A test message was sent, and not taken for all: {said}"),
            Err(said) => format!("A test message was not taken: {said}"),
        },
    };
    activity::append(&mut write, &caller.owner, entry).await?;
    if sent.is_ok() {
        notice::try_again(&mut write, &caller.owner, core.now()).await?;
    }
    store::commit(write).await?;
    sent.map_err(|said| Refusal::new(Code::MailNotTaken, format!("The test message was not taken: {said}")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_named_or_numbered() {
        for good in ["mail.example.com", "localhost", "127.0.0.1", "::1", "192.0.2.7"] {
            assert!(MailHost::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "mail", "mail.example.com:25", "mail example.com", "http://mail.example.com", "a\r\nb.example.com"] {
            assert!(MailHost::parse(bad).is_err(), "{bad}");
        }
        let here: Vec<bool> = ["localhost", "127.8.8.8", "::1", "192.0.2.7", "mail.example.com"]
            .map(|host| MailHost::parse(host).unwrap().is_here())
            .to_vec();
        assert_eq!(here, [true, true, true, false, false]);
    }

    #[test]
    fn no_address_ends_a_header() {
        assert!(MailAddress::parse("ops@hoster.example").is_ok());
        for bad in ["", "ops", "ops@hoster.example\r\nBcc: x@y.example", "a@b.example, c@d.example", "<a@b.example>", "bücher@b.example"] {
            assert!(MailAddress::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_does_not_print() {
        let password = MailPassword::parse("geheim").unwrap();
        assert!(!format!("{password:?}").contains("geheim"));
    }
}
