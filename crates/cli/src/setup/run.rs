//! The whole of setup, in order.

use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use opterius_model::DomainName;
use opterius_protocol::client::Client;
use opterius_protocol::{agent, bounded, phpd};
use serde::Serialize;

use super::identity::{self, Identity, Options};
use super::panel::Pins;
use super::progress::Progress;
use super::services::{self, News};
use super::{administrator, configuration, nginx, panel, powerdns, register};
use crate::api::Server;
use crate::directories;
use crate::failure::Failure;
use crate::limits;
use crate::names::{self, Complaint};
use crate::output::{self, Facts, Format};
use crate::secret;
use crate::system::System;

/// What an operator, or a program, needs to know afterwards.
#[derive(Serialize)]
pub(super) struct Summary {
    pub(super) panel_url: String,
    admin_user: &'static str,
    /// Only of an administrator that was made now.
    pub(super) admin_password: Option<String>,
    tls_pin: String,
    tls_backup_pin: String,
    hostname: DomainName,
    pub(super) ipv4: Vec<Ipv4Addr>,
    ipv6: Vec<Ipv6Addr>,
    pub(super) nameservers: Vec<DomainName>,
}

pub(crate) async fn run(options: &Options, format: Format) -> Result<(), Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure::new("setup changes the whole server, so it must be run by root").hint("run `sudo opterius setup`"));
    }
    let summary = set_up(&System::this(), options, &mut Progress::default()).await.map_err(|failure| {
        let again = "then run `opterius setup` with the same options again: it continues where it stopped";
        let hint = failure.hint.as_ref().map_or_else(|| again.to_owned(), |hint| format!("{hint}; {again}"));
        failure.hint(hint)
    })?;
    match format {
        Format::Json => output::json_line(&summary),
        Format::Human => show(&summary),
    }
    Ok(())
}

/// Every step, each of which finds out first whether there is anything left to do.
pub(super) async fn set_up(system: &System, options: &Options, progress: &mut Progress) -> Result<Summary, Failure> {
    ours(system).during("names and directories")?;
    let _lock = lock(system)?;
    let kept = configuration::panel_hostname(system).during("host name")?;
    let hostname = identity::hostname(system, options, kept.as_deref()).during("host name")?;
    output::line(format!("Setting up this server as {hostname}"));
    output::blank();

    system.directory("/etc/opterius").during("configuration")?;
    let agent = configuration::agent(system, progress).during("configuration")?;
    let phpd_changed = configuration::phpd(system, progress).during("configuration")?;
    let panel_changed = configuration::panel(system, hostname.as_str(), progress).during("configuration")?;

    let had_panel = panel::is_there(system);
    let pins = panel::init(system, progress).await.during("Panel")?;
    // Where there was a Panel before, its word on addresses and name servers holds. A new one is started last, so that it finds the Agent.
    let record = if had_panel {
        let panel = panel::start(system, panel_changed, progress).await.during("Panel")?;
        identity::record(&panel).await.during("addresses")?
    } else {
        Server::default()
    };
    let identity = identity::decide(hostname, options, &record, &identity::addresses()).during("addresses")?;

    mask_stock_php(system, progress).await.during("stock PHP-FPM")?;
    firewall(system, progress).await.during("firewall")?;
    services::start(system, "opterius-accounts.service", News::None, progress).await.during("cgroups of the accounts")?;
    services::start(system, "opterius-phpd.service", News::restart_if(phpd_changed), progress).await.during("phpd")?;
    phpd_answers(system, progress).await.during("phpd")?;
    powerdns::set_up(system, &agent.pdns_api_key, &identity.nameservers[0], progress).await.during("PowerDNS")?;
    probe(system, &agent, options.new_probe_secret, progress).await?;

    let panel = if had_panel { panel::client(system) } else { panel::start(system, panel_changed, progress).await.during("Panel")? };
    register::register(system, &panel, &identity, progress).await.during("registration")?;
    // Last, since its password is shown only once: nothing that could fail comes behind it.
    let admin_password = administrator::create(&panel, progress).await.during("administrator")?;
    Ok(summary(identity, pins, admin_password))
}

/// nginx and the Agent, which share a secret. A new one is known to nginx before the Agent uses it, and the old one until the Agent has
/// stopped using it, so that the Agent can ask at any moment. Cut short anywhere, nginx knows more than one, and the next run goes on from
/// there: the Agent's file says which is to stay.
async fn probe(system: &System, agent: &configuration::Agent, new: bool, progress: &mut Progress) -> Result<(), Failure> {
    let mut current = agent.probe_secret.clone();
    let mut known = nginx::probe_secrets(system).during("nginx")?;
    known.retain(|secret| *secret != current);
    known.insert(0, current.clone());
    let new = new.then(secret::key);
    let replaces = new.is_some();
    known.extend(new.clone());
    nginx::set_up(system, &known, progress).await.during("nginx")?;
    if let Some(new) = new {
        configuration::replace_probe_secret(system, &new, progress).during("configuration")?;
        current = new;
    }
    let changes = known.len() > 1;
    services::start(system, "opterius-agent.socket", News::None, progress).await.during("Agent")?;
    services::start(system, "opterius-agent.service", News::restart_if(agent.changed || changes), progress).await.during("Agent")?;
    agent_answers(system, progress).await.during("Agent")?;
    if changes {
        nginx::set_up(system, &[current], progress).await.during("nginx")?;
        progress.done(if replaces {
            "nginx and the Agent share a new secret, and the old one opens nothing"
        } else {
            "an earlier change of the probe's secret is complete: nginx knows only the one that the Agent uses"
        });
    }
    Ok(())
}

/// Nothing is written, and nobody gets a secret, before the names and directories that it is written for are known to be Opterius' own.
fn ours(system: &System) -> Result<(), Failure> {
    let mut found = names::complaints(system)?;
    found.extend(directories::complaints(system)?);
    let Some(Complaint { detail, hint }) = found.first().cloned() else { return Ok(()) };
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" (and {} more; `opterius doctor` lists them)", output::count(more, "thing")),
    };
    Err(Failure::new(format!("{detail}{more}")).hint(hint))
}

/// Two setups at the same time would make each other's half-done work look finished.
fn lock(system: &System) -> Result<File, Failure> {
    const LOCK: &str = "/run/opterius/setup.lock";
    system.directory("/run/opterius")?;
    let failed = |error: std::io::Error| Failure::because(format!("could not lock {LOCK}"), &error);
    let mut options = File::options();
    options.create(true).truncate(false).write(true).custom_flags(nix::libc::O_NOFOLLOW);
    let file = options.open(system.path(LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Failure::new("another `opterius setup` is running on this server").hint("wait for it to end"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Loads the rules for accounts, unless they are loaded: another tool may have emptied the rule set while the unit stayed active.
async fn firewall(system: &System, progress: &mut Progress) -> Result<(), Failure> {
    let loaded = system.run("/usr/sbin/nft", &["list", "table", "inet", "opterius"], Duration::from_secs(30)).await?.ok;
    services::start(system, "opterius-firewall.service", News::restart_if(!loaded), progress).await
}

/// Debian's own FPM would run its pool as www-data, outside of any sandbox.
async fn mask_stock_php(system: &System, progress: &mut Progress) -> Result<(), Failure> {
    for unit in stock_php(system) {
        services::mask(system, &unit, progress).await?;
    }
    Ok(())
}

/// The most units that a directory of them has.
const UNITS: usize = 100_000;

/// The units of every PHP-FPM that is installed.
pub(crate) fn stock_php(system: &System) -> Vec<String> {
    let entries = ["/lib/systemd/system", "/usr/lib/systemd/system"]
        .into_iter()
        .filter_map(|directory| bounded::names(system.path(directory), UNITS).ok());
    let mut units: Vec<String> = entries
        .flatten()
        .filter_map(|name| name.into_string().ok())
        .filter(|name| {
            name.strip_prefix("php")
                .and_then(|rest| rest.strip_suffix("-fpm.service"))
                .is_some_and(|version| version.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
        })
        .collect();
    units.sort();
    units.dedup();
    units
}

async fn phpd_answers(system: &System, progress: &mut Progress) -> Result<(), Failure> {
    let client = Client::new(system.path(phpd::SOCKET));
    services::until(system, "phpd", "see `journalctl -u opterius-phpd`", async || {
        client.call(&phpd::GetHealth {}, Duration::from_secs(10)).await.map_err(|error| Failure::network(&error, &error))
    })
    .await?;
    progress.done("phpd answers");
    Ok(())
}

/// Waits until the Agent is ready and finds the parts that accounts need.
async fn agent_answers(system: &System, progress: &mut Progress) -> Result<(), Failure> {
    let client = Client::new(system.path(agent::SOCKET));
    let health = services::until(system, "the Agent", "see `journalctl -u opterius-agent`", async || {
        let health = client.call(&agent::GetHealth {}, Duration::from_secs(10)).await.map_err(|error| Failure::network(&error, &error))?;
        if !health.ready {
            return Err(Failure::new("it is still finishing what an earlier run left open"));
        }
        // A full disk is for a person to see to; a server that cannot do without it would not have come so far.
        match health.parts.iter().find(|part| !part.ok && part.name != "disk") {
            Some(part) => Err(Failure { hint: part.hint.clone(), ..Failure::new(format!("{}: {}", part.name, part.detail)) }),
            None => Ok(health),
        }
    })
    .await?;
    progress.done("the Agent answers, and finds nginx, PowerDNS and phpd");
    for part in health.parts.iter().filter(|part| !part.ok) {
        progress.warning(format!("{}: {}", part.name, part.detail));
    }
    let not_enforced = health.enforcement.iter().filter(|limit| !limit.enforced).map(|limit| (limit.limit.as_str(), limit.detail.as_str()));
    for reason in limits::by_reason(not_enforced) {
        progress.warning(format!("not enforced on this server: {reason}"));
    }
    Ok(())
}

fn summary(identity: Identity, pins: Pins, admin_password: Option<String>) -> Summary {
    Summary {
        panel_url: format!("https://{}:8443", identity.hostname),
        admin_user: administrator::NAME,
        admin_password,
        tls_pin: pins.tls_pin,
        tls_backup_pin: pins.tls_backup_pin,
        hostname: identity.hostname,
        ipv4: identity.ipv4,
        ipv6: identity.ipv6,
        nameservers: identity.nameservers,
    }
}

fn show(summary: &Summary) {
    let list = |items: Vec<String>| items.join(", ");
    let addresses = summary.ipv4.iter().map(ToString::to_string).chain(summary.ipv6.iter().map(ToString::to_string)).collect();
    let mut facts = Facts::new();
    facts.add("Panel", &summary.panel_url).add("Administrator", summary.admin_user);
    match &summary.admin_password {
        Some(password) => facts.add("Password", format!("{password}   (shown only now)")),
        None => facts.add("Password", "as before"),
    };
    facts
        .add("TLS pin", format!("sha256//{}", summary.tls_pin))
        .add("Backup pin", format!("sha256//{}", summary.tls_backup_pin))
        .add("Addresses", list(addresses))
        .add("Nameservers", list(summary.nameservers.iter().map(ToString::to_string).collect()));
    let mut next = Facts::new();
    next.add("opterius doctor", "see that every part is well")
        .add("opterius package create Starter --disk-mib 10240", "make something to sell")
        .add("opterius token create --for whmcs", "connect WHMCS");
    output::blank();
    output::line("This server is ready.");
    output::blank();
    output::line(facts);
    output::blank();
    output::line("What to do next:");
    output::blank();
    output::line(next);
    output::blank();
    output::line(format!(
        "The names {} must lead to this server: enter them where {} is registered.",
        list(summary.nameservers.iter().map(ToString::to_string).collect()),
        summary.hostname.registrable()
    ));
}

/// Names the step in which something failed.
trait During<T> {
    fn during(self, step: &str) -> Result<T, Failure>;
}

impl<T> During<T> for Result<T, Failure> {
    fn during(self, step: &str) -> Result<T, Failure> {
        self.map_err(|failure| Failure { detail: format!("setup stopped at {step}: {}", failure.detail), ..failure })
    }
}
