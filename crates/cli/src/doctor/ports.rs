//! Who listens where.

use std::collections::{BTreeSet, HashMap};

use opterius_model::{UID_RANGE, clean};
use opterius_protocol::bounded::{self, KIB};

use super::report::Report;
use crate::system::System;

/// The most processes that are looked at, and the most descriptors of one.
const PROCESSES: usize = 500_000;
const DESCRIPTORS: usize = 100_000;

/// The longest name of a program, in characters: the kernel keeps 15 bytes of it (proc(5), /proc/pid/comm).
const LONGEST_NAME: usize = 15;

/// The longest path of a program's file that is looked at, in characters.
const LONGEST_FILE: usize = 200;

/// A port that a part needs.
struct Port {
    number: u16,
    udp: bool,
    /// What should have it, for people.
    part: &'static str,
    /// The files that run it. A process has the name that it gives itself, and this is the kernel's word.
    files: &'static [&'static str],
    purpose: &'static str,
}

const fn port(number: u16, udp: bool, part: &'static str, files: &'static [&'static str], purpose: &'static str) -> Port {
    Port { number, udp, part, files, purpose }
}

const NGINX: &[&str] = &["/usr/sbin/nginx"];
const PDNS: &[&str] = &["/usr/sbin/pdns_server"];

const PORTS: [Port; 5] = [
    port(80, false, "nginx", NGINX, "the sites"),
    port(53, false, "pdns_server", PDNS, "DNS"),
    port(53, true, "pdns_server", PDNS, "DNS"),
    port(781, false, "pdns_server", PDNS, "PowerDNS's API"),
    // systemd holds the socket, also while the Panel restarts.
    port(8443, false, "systemd", &["/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/usr/sbin/opterius-panel"], "the Panel"),
];

/// Whether each port is held by the part that needs it, at every address at which somebody listens.
pub(super) fn ports(system: &System, report: &mut Report) {
    let listeners = listeners(system);
    let before = report.0.len();
    let mut free = Vec::new();
    for Port { number, udp, part, files, purpose } in PORTS {
        let name = format!("{} port {number}", if udp { "UDP" } else { "TCP" });
        let (right, others): (Vec<&Listener>, Vec<&Listener>) = listeners
            .iter()
            .filter(|listener| listener.port == number && listener.udp == udp)
            // An account can run any program of the server's, and give a socket of its own to it.
            .partition(|listener| {
                !UID_RANGE.contains(&listener.uid) && listener.programs.iter().any(|program| files.contains(&&*program.file))
            });
        let others: BTreeSet<String> = others.into_iter().map(Listener::holder).collect();
        if !others.is_empty() {
            let others = others.into_iter().collect::<Vec<_>>().join(", ");
            report.problem(
                "ports",
                format!("{others} has {name}, which {part} needs for {purpose}"),
                format!("stop {others} and keep it from starting again, then run `opterius setup`; `ss -lnp 'sport = :{number}'` shows its process"),
            );
        } else if right.is_empty() {
            free.push(format!("{name} ({purpose})"));
        }
    }
    if !free.is_empty() {
        report.problem("ports", format!("nobody listens on {}", free.join(", ")), "run `opterius setup`, which starts what is missing");
    }
    if report.0.len() == before {
        report.ok("ports", "80, 53, 781 and 8443 are held by the parts that need them");
    }
}

/// A program that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    /// The name that it goes by, which it chose itself.
    name: String,
    /// The file that it runs; empty if that is not known.
    file: String,
}

/// A listening socket.
#[derive(Debug, PartialEq, Eq)]
struct Listener {
    port: u16,
    udp: bool,
    /// Who made the socket.
    uid: u32,
    programs: Vec<Program>,
}

impl Listener {
    /// Who holds it, for people.
    fn holder(&self) -> String {
        let names: BTreeSet<&str> = self.programs.iter().map(|program| program.name.as_str()).collect();
        let names = if names.is_empty() { "an unknown program".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(" and ") };
        if UID_RANGE.contains(&self.uid) { format!("{names} of the account with uid {}", self.uid) } else { names }
    }
}

/// Every listening socket with the programs that hold it.
fn listeners(system: &System) -> Vec<Listener> {
    let programs = programs(system);
    [("tcp", false), ("tcp6", false), ("udp", true), ("udp6", true)]
        .into_iter()
        .flat_map(|(table, udp)| sockets(&system.read(&format!("/proc/net/{table}")).ok().flatten().unwrap_or_default(), udp))
        .map(|(port, udp, uid, inode)| Listener { port, udp, uid, programs: programs.get(&inode).cloned().unwrap_or_default() })
        .collect()
}

/// Port, kind, uid and inode of every socket in a table of /proc/net that waits for somebody (proc(5), /proc/net/tcp).
fn sockets(table: &str, udp: bool) -> Vec<(u16, bool, u32, u64)> {
    // TCP_LISTEN, and for UDP the state of a socket that is not connected (TCP_CLOSE).
    let waiting = if udp { "07" } else { "0A" };
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, port) = fields.get(1)?.rsplit_once(':')?;
            let port = u16::from_str_radix(port, 16).ok()?;
            (fields.get(3) == Some(&waiting)).then_some((port, udp, fields.get(7)?.parse().ok()?, fields.get(9)?.parse().ok()?))
        })
        .collect()
}

/// The programs that hold each socket, by its inode.
fn programs(system: &System) -> HashMap<u64, Vec<Program>> {
    let mut programs: HashMap<u64, Vec<Program>> = HashMap::new();
    let all = system.path("/proc");
    let processes = bounded::names(&all, PROCESSES).unwrap_or_default();
    for process in processes.into_iter().filter(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit)).map(|name| all.join(name)) {
        // Processes and descriptors come and go while we look. A tenant chooses the names of his.
        let Ok(name) = bounded::file(process.join("comm"), KIB) else { continue };
        let file = std::fs::read_link(process.join("exe")).unwrap_or_default();
        let file = clean(file.as_os_str().as_encoded_bytes(), LONGEST_FILE);
        // After an upgrade, what runs is the file from before (proc(5), /proc/pid/exe).
        let file = file.strip_suffix(" (deleted)").unwrap_or(&file).to_owned();
        let program = Program { name: clean(&name, LONGEST_NAME), file };
        let descriptors = process.join("fd");
        for descriptor in bounded::names(&descriptors, DESCRIPTORS).unwrap_or_default() {
            let Ok(target) = std::fs::read_link(descriptors.join(descriptor)) else { continue };
            let target = target.to_string_lossy();
            if let Some(inode) =
                target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).and_then(|inode| inode.parse().ok())
            {
                let holders = programs.entry(inode).or_default();
                if !holders.contains(&program) {
                    holders.push(program.clone());
                }
            }
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
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
        assert!(own.programs.iter().any(|program| program.name == name.trim()), "{own:?}");
    }

    #[test]
    fn connections_are_not_listeners() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     \u{20}  0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
                     \u{20}  1: 0100007F:0050 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n";
        assert_eq!(sockets(table, false), [(80, false, 0, 4711)]);
    }

    /// What is said of the ports where these listen: table, address and port in hexadecimal, uid, name and file of the program.
    fn said(listening: &[(&str, &str, u32, &str, &str)]) -> Vec<String> {
        let (_root, system) = System::for_a_test();
        system.directory("/proc/net").expect("a directory");
        for table in ["tcp", "tcp6", "udp", "udp6"] {
            let mut lines = "head\n".to_owned();
            for (number, (_, address, uid, ..)) in listening.iter().enumerate().filter(|(_, (of, ..))| *of == table) {
                let state = if table.starts_with("tcp") { "0A" } else { "07" };
                writeln!(lines, " {number}: {address} 0:0000 {state} 0:0 0:0 0 {uid} 0 {} 2 0 0", 100 + number).expect("written");
            }
            std::fs::write(system.path(&format!("/proc/net/{table}")), lines).expect("written");
        }
        for (number, (_, _, _, name, file)) in listening.iter().enumerate() {
            let process = format!("/proc/{}", 70 + number);
            system.directory(&format!("{process}/fd")).expect("a directory");
            std::fs::write(system.path(&format!("{process}/comm")), format!("{name}\n")).expect("written");
            std::os::unix::fs::symlink(file, system.path(&format!("{process}/exe"))).expect("a link");
            std::os::unix::fs::symlink(format!("socket:[{}]", 100 + number), system.path(&format!("{process}/fd/3"))).expect("a link");
        }
        let mut report = Report::default();
        ports(&system, &mut report);
        report.0.into_iter().map(|finding| finding.detail).collect()
    }

    const NGINX_80: (&str, &str, u32, &str, &str) = ("tcp", "00000000:0050", 0, "nginx", "/usr/sbin/nginx");
    const WELL: [(&str, &str, u32, &str, &str); 4] = [
        ("tcp", "00000000:0035", 101, "pdns_server", "/usr/sbin/pdns_server"),
        ("udp", "00000000:0035", 101, "pdns_server", "/usr/sbin/pdns_server (deleted)"),
        ("tcp", "0100007F:030D", 101, "pdns_server", "/usr/sbin/pdns_server"),
        ("tcp", "00000000:20FB", 0, "systemd", "/usr/lib/systemd/systemd"),
    ];

    #[test]
    fn ports_in_the_hands_of_their_parts_are_well() {
        assert_eq!(said(&[&WELL[..], &[NGINX_80]].concat()), ["80, 53, 781 and 8443 are held by the parts that need them"]);
    }

    #[test]
    fn a_stranger_on_a_port_is_named() {
        let details = said(&[("udp", "3500007F:0035", 0, "systemd-resolve", "/usr/lib/systemd/systemd-resolved")]);
        assert!(details.iter().any(|detail| detail == "systemd-resolve has UDP port 53, which pdns_server needs for DNS"), "{details:?}");
        let free = "nobody listens on TCP port 80 (the sites), TCP port 53 (DNS), TCP port 781 (PowerDNS's API), TCP port 8443 (the Panel)";
        assert!(details.iter().any(|detail| detail == free), "{details:?}");
    }

    #[test]
    fn a_stranger_beside_the_right_part_by_its_name_or_its_file_is_a_stranger() {
        for (stranger, expected) in [
            // At another address, where visitors of IPv6 meet it.
            (("tcp6", "00000000000000000000000000000000:0050", 0, "apache2", "/usr/sbin/apache2"), "apache2 has TCP port 80"),
            (("tcp", "0200000A:0050", 33, "nginx", "/home/carl/nginx"), "nginx has TCP port 80"),
            (("tcp", "0100007F:20FB", 20_001, "systemd", "/home/alice/systemd"), "systemd of the account with uid 20001 has TCP port 8443"),
            (("tcp", "0100007F:0050", 20_001, "nginx", "/usr/sbin/nginx"), "nginx of the account with uid 20001 has TCP port 80"),
        ] {
            let details = said(&[&WELL[..], &[NGINX_80, stranger]].concat());
            assert!(details.len() == 1 && details[0].starts_with(expected), "{expected}: {details:?}");
        }
    }
}
