//! Who listens where.

use std::collections::{BTreeSet, HashMap};

use opterius_model::clean;
use opterius_protocol::bounded::{self, KIB};

use super::report::Report;
use crate::system::System;

/// The most processes that are looked at, and the most descriptors of one.
const PROCESSES: usize = 500_000;
const DESCRIPTORS: usize = 100_000;

/// The longest name of a program, in characters: the kernel keeps 15 bytes of it (proc(5), /proc/pid/comm).
const LONGEST_NAME: usize = 15;

/// A port that a part needs: its number, whether it is UDP, who should have it, and for what.
const PORTS: [(u16, bool, &[&str], &str); 5] = [
    (80, false, &["nginx"], "the sites"),
    (53, false, &["pdns_server"], "DNS"),
    (53, true, &["pdns_server"], "DNS"),
    (781, false, &["pdns_server"], "PowerDNS's API"),
    // systemd holds the socket, also while the Panel restarts.
    (8443, false, &["systemd", "opterius-panel"], "the Panel"),
];

/// Whether each port is held by the part that needs it.
pub(super) fn ports(system: &System, report: &mut Report) {
    let listeners = listeners(system);
    let before = report.0.len();
    let mut free = Vec::new();
    for (port, udp, expected, purpose) in PORTS {
        let port_name = format!("{} port {port}", if udp { "UDP" } else { "TCP" });
        let here = listeners.iter().filter(|listener| listener.port == port && listener.udp == udp);
        let holders: BTreeSet<&str> = here.flat_map(|listener| listener.programs.iter().map(String::as_str)).collect();
        if holders.is_empty() {
            free.push(format!("{port_name} ({purpose})"));
        } else if !expected.iter().any(|program| holders.contains(program)) {
            let others = holders.into_iter().collect::<Vec<_>>().join(", ");
            report.problem(
                "ports",
                format!("{others} has {port_name}, which {} needs for {purpose}", expected[0]),
                format!("stop {others} and keep it from starting again, then run `opterius setup`; `ss -lnp 'sport = :{port}'` shows its process"),
            );
        }
    }
    if !free.is_empty() {
        report.problem("ports", format!("nobody listens on {}", free.join(", ")), "run `opterius setup`, which starts what is missing");
    }
    if report.0.len() == before {
        report.ok("ports", "80, 53, 781 and 8443 are held by the parts that need them");
    }
}

/// A listening socket.
#[derive(Debug, PartialEq, Eq)]
struct Listener {
    port: u16,
    udp: bool,
    programs: Vec<String>,
}

/// Every listening socket with the programs that hold it.
fn listeners(system: &System) -> Vec<Listener> {
    let programs = programs(system);
    [("tcp", false), ("tcp6", false), ("udp", true), ("udp6", true)]
        .into_iter()
        .flat_map(|(table, udp)| sockets(&system.read(&format!("/proc/net/{table}")).ok().flatten().unwrap_or_default(), udp))
        .map(|(port, udp, inode)| Listener {
            port,
            udp,
            programs: programs.get(&inode).cloned().unwrap_or_else(|| vec!["an unknown program".to_owned()]),
        })
        .collect()
}

/// Port, kind and inode of every socket in a table of /proc/net that waits for somebody (proc(5), /proc/net/tcp).
fn sockets(table: &str, udp: bool) -> Vec<(u16, bool, u64)> {
    // TCP_LISTEN, and for UDP the state of a socket that is not connected (TCP_CLOSE).
    let waiting = if udp { "07" } else { "0A" };
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, port) = fields.get(1)?.rsplit_once(':')?;
            let port = u16::from_str_radix(port, 16).ok()?;
            (fields.get(3) == Some(&waiting)).then_some((port, udp, fields.get(9)?.parse().ok()?))
        })
        .collect()
}

/// The names of the programs that hold each socket, by its inode.
fn programs(system: &System) -> HashMap<u64, Vec<String>> {
    let mut programs: HashMap<u64, Vec<String>> = HashMap::new();
    let all = system.path("/proc");
    let processes = bounded::names(&all, PROCESSES).unwrap_or_default();
    for process in processes.into_iter().filter(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit)).map(|name| all.join(name)) {
        // Processes and descriptors come and go while we look. A tenant chooses the names of his.
        let Ok(name) = bounded::file(process.join("comm"), KIB) else { continue };
        let name = clean(&name, LONGEST_NAME);
        let descriptors = process.join("fd");
        for descriptor in bounded::names(&descriptors, DESCRIPTORS).unwrap_or_default() {
            let Ok(target) = std::fs::read_link(descriptors.join(descriptor)) else { continue };
            let target = target.to_string_lossy();
            if let Some(inode) =
                target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).and_then(|inode| inode.parse().ok())
            {
                let holders = programs.entry(inode).or_default();
                if !holders.contains(&name) {
                    holders.push(name.clone());
                }
            }
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::path::Path;

    use super::*;

    #[test]
    fn a_listening_socket_is_found_with_its_program() {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let found = listeners(&System::below(Path::new("/"), nowhere, nowhere));
        let own = found.iter().find(|listener| listener.port == port && !listener.udp).expect("it is listed");
        let name = bounded::text("/proc/self/comm", KIB).expect("a name");
        assert!(own.programs.iter().any(|program| program == name.trim()), "{own:?}");
    }

    #[test]
    fn connections_are_not_listeners() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     \u{20}  0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
                     \u{20}  1: 0100007F:0050 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n";
        assert_eq!(sockets(table, false), [(80, false, 4711)]);
    }

    #[test]
    fn a_stranger_on_a_port_is_named() {
        let root = tempfile::tempdir().expect("a directory");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let system = System::below(root.path(), nowhere, nowhere);
        system.directory("/proc/net").expect("a directory");
        system.directory("/proc/77/fd").expect("a directory");
        std::fs::write(system.path("/proc/net/udp"), "head\n 0: 3500007F:0035 00000000:0000 07 0:0 0:0 0 0 0 99 2 0 0\n").expect("written");
        std::fs::write(system.path("/proc/77/comm"), "systemd-resolve\n").expect("written");
        std::os::unix::fs::symlink("socket:[99]", system.path("/proc/77/fd/3")).expect("a link");
        let mut report = Report::default();
        ports(&system, &mut report);
        let details: Vec<&str> = report.0.iter().map(|finding| finding.detail.as_str()).collect();
        assert!(details.contains(&"systemd-resolve has UDP port 53, which pdns_server needs for DNS"), "{details:?}");
        assert!(
            details.contains(
                &"nobody listens on TCP port 80 (the sites), TCP port 53 (DNS), TCP port 781 (PowerDNS's API), TCP port 8443 (the Panel)"
            ),
            "{details:?}"
        );
    }
}
