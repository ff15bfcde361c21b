//! Under which name and addresses a server is known.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use clap::Args;
use nix::ifaddrs::getifaddrs;
use opterius_model::DomainName;

use crate::api::Server;
use crate::failure::Failure;
use crate::panel;
use crate::system::System;

/// What is not given stays as it is, or is found out.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// The full name under which this server and its Panel are reached [default: the system's]
    #[arg(long, value_name = "H", value_parser = full_name)]
    pub(super) hostname: Option<DomainName>,
    /// An IPv4 address of the accounts' sites; can be given several times [default: that of the default route]
    #[arg(long, value_name = "A", value_parser = ipv4)]
    pub(super) ipv4: Vec<Ipv4Addr>,
    /// An IPv6 address of the accounts' sites; can be given several times [default: that of the default route]
    #[arg(long, value_name = "A", value_parser = ipv6)]
    pub(super) ipv6: Vec<Ipv6Addr>,
    /// A name server of the accounts' zones; can be given several times [default: ns1 and ns2 in the host name's domain]
    #[arg(long = "nameserver", value_name = "N", value_parser = full_name)]
    pub(super) nameservers: Vec<DomainName>,
    /// Give nginx and the Agent a new probe secret; restarts the Agent. If it is interrupted, a plain `opterius setup` completes it
    #[arg(long)]
    pub(super) new_probe_secret: bool,
}

/// What the Panel tells customers of a server, and puts into their zones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) hostname: DomainName,
    pub(super) ipv4: Vec<Ipv4Addr>,
    pub(super) ipv6: Vec<Ipv6Addr>,
    pub(super) nameservers: Vec<DomainName>,
}

/// Reads `--hostname` and `--nameserver`.
pub(super) fn full_name(text: &str) -> Result<DomainName, String> {
    DomainName::parse(text).map_err(|error| format!("{error}; a full name with its domain is needed, such as panel.example.com"))
}

/// Reads `--ipv4`.
pub(super) fn ipv4(text: &str) -> Result<Ipv4Addr, String> {
    text.parse()
        .ok()
        .filter(|ip| is_reachable_v4(*ip))
        .ok_or_else(|| "use an IPv4 address that others can reach, such as 192.0.2.10".to_owned())
}

/// Reads `--ipv6`.
pub(super) fn ipv6(text: &str) -> Result<Ipv6Addr, String> {
    text.parse().ok().filter(is_global_v6).ok_or_else(|| "use a global IPv6 address, such as 2001:db8::10".to_owned())
}

/// The host name: the option's, else the one of an earlier setup, else the system's.
pub(super) fn hostname(system: &System, options: &Options, kept: Option<&str>) -> Result<DomainName, Failure> {
    if let Some(hostname) = &options.hostname {
        return Ok(hostname.clone());
    }
    if let Some(kept) = kept {
        return full_name(kept)
            .map_err(|error| Failure::new(format!("the host name in /etc/opterius/panel.toml cannot be used: {error}")).hint(GIVE_NAME));
    }
    let own = if system.is_real() {
        nix::unistd::gethostname()
            .map_err(|error| Failure::because("could not ask the system for its host name", &error))?
            .to_string_lossy()
            .into_owned()
    } else {
        system.read("/etc/hostname")?.unwrap_or_default().trim().to_owned()
    };
    let name = with_domain(&own, &system.read("/etc/hosts")?.unwrap_or_default());
    full_name(&name).map_err(|_| {
        Failure::new(format!("the system's host name `{name}` is not a full host name, which has a domain and can be looked up"))
            .hint(GIVE_NAME)
    })
}

const GIVE_NAME: &str = "give the name under which this server is reached: `opterius setup --hostname panel.example.com`, or set it for good with `hostnamectl set-hostname panel.example.com`";

/// The system's host name with its domain, which Debian keeps in /etc/hosts: `127.0.1.1 panel.example.com panel` (hostname(1), "THE FQDN").
fn with_domain(own: &str, hosts: &str) -> String {
    if own.contains('.') {
        return own.to_owned();
    }
    hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().split_whitespace().skip(1).collect::<Vec<_>>())
        .filter(|names| names.contains(&own))
        .find_map(|names| names.into_iter().find(|name| name.strip_prefix(own).is_some_and(|rest| rest.starts_with('.'))))
        .unwrap_or(own)
        .to_owned()
}

/// Everything but the host name: the options' word, else the Panel's record, else what is found on the machine.
pub(super) fn decide(hostname: DomainName, options: &Options, record: &Server, found: &[IpAddr]) -> Result<Identity, Failure> {
    let v4 = chosen(&options.ipv4, &record.ipv4, || {
        found.iter().filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None }).collect()
    })?;
    let v6 = chosen(&options.ipv6, &record.ipv6, || {
        found.iter().filter_map(|ip| if let IpAddr::V6(ip) = ip { Some(*ip) } else { None }).collect()
    })?;
    // Zones of accounts hold an A record at least, and registries ask for two name servers.
    if v4.is_empty() {
        return Err(Failure::new("this server has no IPv4 address that visitors could reach")
            .hint("give its public address: `opterius setup --ipv4 192.0.2.10`"));
    }
    let nameservers = chosen(&options.nameservers, &record.nameservers, || {
        let domain = hostname.registrable();
        ["ns1", "ns2"].iter().filter_map(|ns| DomainName::parse(&format!("{ns}.{domain}")).ok()).collect()
    })?;
    if nameservers.len() < 2 {
        return Err(Failure::new("an account's zone needs two name servers")
            .hint("give both; they may lead to the same server: `--nameserver ns1.example.com --nameserver ns2.example.com`"));
    }
    Ok(Identity { hostname, ipv4: v4, ipv6: v6, nameservers })
}

fn chosen<T: Clone + std::str::FromStr>(option: &[T], record: &[String], found: impl FnOnce() -> Vec<T>) -> Result<Vec<T>, Failure> {
    if !option.is_empty() {
        return Ok(option.to_vec());
    }
    if record.is_empty() {
        return Ok(found());
    }
    record
        .iter()
        .map(|text| {
            text.parse().map_err(|_| Failure::new(format!("the Panel's record of this server holds `{text}`, which was not understood")))
        })
        .collect()
}

/// The record as it stands in the Panel.
pub(super) async fn record(panel: &panel::Panel) -> Result<Server, Failure> {
    let servers = panel::read_all(&panel.list("/api/servers", &[]).await?)?;
    crate::api::default_server(servers)
        .ok_or_else(|| Failure::new("the Panel knows no server, not even its own").hint("see `journalctl -u opterius-panel`"))
}

/// The addresses from which this machine reaches the world, at most one of each kind: that of the default route, else the first that
/// others could reach.
pub(super) fn addresses() -> Vec<IpAddr> {
    let all: Vec<IpAddr> = getifaddrs()
        .map(|interfaces| {
            let address = |storage: nix::sys::socket::SockaddrStorage| {
                storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip())).or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
            };
            interfaces.filter_map(|interface| interface.address).filter_map(address).collect()
        })
        .unwrap_or_default();
    // Connecting a UDP socket sends nothing; it only makes the kernel choose a route. The targets are reserved for documentation.
    let v4 = source_towards(SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 53)));
    let v6 = source_towards(SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 53)));
    let is_v4 = |ip: &IpAddr| matches!(ip, IpAddr::V4(ip) if is_reachable_v4(*ip));
    let is_v6 = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if is_global_v6(ip));
    [v4.into_iter().chain(all.clone()).find(is_v4), v6.into_iter().chain(all).find(is_v6)].into_iter().flatten().collect()
}

fn source_towards(target: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(target).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Private addresses count: a server behind NAT is reached through them.
fn is_reachable_v4(ip: Ipv4Addr) -> bool {
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_link_local() || ip.is_multicast() || ip.is_broadcast())
}

/// 2000::/3, what the world routes (RFC 4291).
fn is_global_v6(ip: &Ipv6Addr) -> bool {
    ip.segments()[0] & 0xe000 == 0x2000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect(text)
    }

    #[test]
    fn the_domain_of_a_short_host_name_comes_from_the_hosts_file() {
        let hosts = "127.0.0.1 localhost\n# 10.0.0.1 web.other.com web\n127.0.1.1\tweb.example.com web\n::1 web";
        assert_eq!(with_domain("web", hosts), "web.example.com");
        assert_eq!(with_domain("we", hosts), "we");
        assert_eq!(with_domain("web.example.net", hosts), "web.example.net");
    }

    #[test]
    fn options_win_over_the_record_and_the_record_over_what_is_found() {
        let found = [IpAddr::from([203, 0, 113, 5]), "2001:db8::5".parse().expect("an address")];
        let first = decide(name("panel.eu.example.co.uk"), &Options::default(), &Server::default(), &found).expect("decided");
        assert_eq!(first.nameservers, [name("ns1.example.co.uk"), name("ns2.example.co.uk")]);
        assert_eq!((first.ipv4.len(), first.ipv6.len()), (1, 1));

        let record = Server {
            ipv4: vec!["192.0.2.1".into()],
            nameservers: vec!["a.example.net".into(), "b.example.net".into()],
            ..Server::default()
        };
        let again = decide(name("panel.example.com"), &Options::default(), &record, &found).expect("decided");
        assert_eq!(
            (again.ipv4, again.nameservers),
            (vec![Ipv4Addr::new(192, 0, 2, 1)], vec![name("a.example.net"), name("b.example.net")])
        );

        let options = Options { ipv4: vec![Ipv4Addr::new(198, 51, 100, 7)], ..Options::default() };
        let changed = decide(name("panel.example.com"), &options, &record, &found).expect("decided");
        assert_eq!(
            (changed.ipv4, changed.nameservers),
            (vec![Ipv4Addr::new(198, 51, 100, 7)], vec![name("a.example.net"), name("b.example.net")])
        );
    }

    #[test]
    fn a_server_without_an_address_or_a_second_name_server_is_refused_with_a_hint() {
        let refused = decide(name("panel.example.com"), &Options::default(), &Server::default(), &[]).expect_err("refused");
        assert!(refused.hint.expect("a hint").contains("--ipv4"));
        let one = Options { nameservers: vec![name("ns1.example.com")], ..Options::default() };
        let refused = decide(name("panel.example.com"), &one, &Server::default(), &[IpAddr::from([203, 0, 113, 5])]).expect_err("refused");
        assert!(refused.hint.expect("a hint").contains("--nameserver"));
    }

    #[test]
    fn addresses_that_nobody_reaches_are_refused() {
        for bad in ["127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.0.1", "::1", "example.com"] {
            assert!(ipv4(bad).is_err(), "{bad}");
        }
        for bad in ["::1", "fe80::1", "fd00::1", "192.0.2.1"] {
            assert!(ipv6(bad).is_err(), "{bad}");
        }
        assert!(ipv4("10.0.0.5").is_ok() && ipv6("2001:db8::1").is_ok());
    }
}
