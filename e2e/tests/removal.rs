//! Sites outlive what is done to the server: restarts, reboots, upgrades, and the removal of our packages.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use opterius_e2e::{Server, Tenant, WholeAccount, eventually, finish};

/// The packages, as they were installed.
const DEBS: &str = "/srv/debs/*.deb";

/// Accounts, each with a static page and one of PHP.
fn accounts(server: &Server) -> Vec<Tenant> {
    ["alice", "bob", "carol"]
        .map(|name| {
            let tenant = Tenant::new(server, name, &format!("{name}.example"));
            tenant.put(server, "static.html", format!("static page of {name}"));
            tenant.put(server, "dynamic.php", format!("<?php echo 'PHP page of {name}, uid ', posix_geteuid();"));
            tenant
        })
        .into()
}

fn answers_statically(server: &Server, tenant: &Tenant) -> bool {
    server.visit(&tenant.domain, "/static.html") == (200, format!("static page of {}", tenant.username))
}

fn answers_with_php(server: &Server, tenant: &Tenant) -> bool {
    server.visit(&tenant.domain, "/dynamic.php") == (200, format!("PHP page of {}, uid {}", tenant.username, tenant.uid))
}

fn is_in_dns(server: &Server, tenant: &Tenant) -> bool {
    server.dig(&tenant.domain, "A") == [server.ip.clone()] && server.dig(&tenant.domain, "SOA").len() == 1
}

/// Waits until every site answers in every way, as after a restart of something that visitors meet.
fn all_answer(server: &Server, tenants: &[Tenant], when: &str) {
    for tenant in tenants {
        eventually(&format!("{} is served {when}", tenant.domain), || {
            (answers_statically(server, tenant) && answers_with_php(server, tenant) && is_in_dns(server, tenant)).then_some(())
        });
    }
}

/// The static pages answer now.
fn static_pages_answer(server: &Server, tenants: &[Tenant], when: &str) {
    for tenant in tenants {
        let (status, page) = server.visit(&tenant.domain, "/static.html");
        assert!(answers_statically(server, tenant), "{} {when}: {status} {page}", tenant.domain);
    }
}

#[test]
fn after_a_reboot_all_sites_answer_also_without_panel_and_agent() {
    let server = Server::new("rebooted");
    let tenants = accounts(&server);
    all_answer(&server, &tenants, "at first");
    server.reboot();
    all_answer(&server, &tenants, "after a reboot");

    server.sh("systemctl mask opterius-panel.service opterius-panel.socket");
    server.reboot();
    assert_ne!(server.run(&["systemctl", "is-active", "opterius-panel.service"]).status, 0);
    all_answer(&server, &tenants, "after a reboot without the Panel");

    server.sh("systemctl mask opterius-agent.service opterius-agent.socket");
    server.reboot();
    assert_ne!(server.run(&["systemctl", "is-active", "opterius-agent.service"]).status, 0);
    all_answer(&server, &tenants, "after a reboot without Panel and Agent");

    server.sh("units='opterius-panel.service opterius-panel.socket opterius-agent.service opterius-agent.socket'\n\
         systemctl unmask $units\nsystemctl start $units");
    server.wait_until_ready();
    all_answer(&server, &tenants, "with everything back");
}

#[test]
fn sites_answer_after_a_restart_of_anything() {
    let server = Server::new("restarted");
    let tenants = accounts(&server);
    for unit in ["nginx", "pdns", "opterius-agent", "opterius-panel", "opterius-phpd", "opterius-firewall"] {
        for how in ["restart", "kill -s KILL"] {
            if unit == "opterius-firewall" && how != "restart" {
                continue;
            }
            server.sh(&format!("systemctl {how} {unit}.service"));
            all_answer(&server, &tenants, &format!("after systemctl {how} {unit}"));
        }
    }
    // With their sockets, which would start them again.
    for unit in ["opterius-agent.socket opterius-agent", "opterius-panel.socket opterius-panel", "opterius-phpd"] {
        server.sh(&format!("systemctl stop {unit}.service"));
        static_pages_answer(&server, &tenants, &format!("while {unit} is stopped"));
    }
    for tenant in &tenants {
        assert!(is_in_dns(&server, tenant), "{}", tenant.domain);
    }
}

#[test]
fn removed_packages_leave_static_pages_and_dns_and_come_back_whole() {
    let server = Server::new("removed");
    let tenants = accounts(&server);
    let removed = server.apt(&["remove", "opterius-agent", "opterius-panel", "opterius"]);
    assert_eq!(removed.status, 0, "{}{}", removed.stdout, removed.stderr);
    static_pages_answer(&server, &tenants, "after the removal");
    assert!(tenants.iter().all(|tenant| is_in_dns(&server, tenant)));
    server.reboot();
    static_pages_answer(&server, &tenants, "after the removal and a reboot");
    assert!(tenants.iter().all(|tenant| is_in_dns(&server, tenant)));

    // Purging what was removed would delete what these accounts consist of.
    let purged = server.apt(&["purge", "opterius-agent", "opterius-panel", "opterius"]);
    assert!(purged.status != 0 && format!("{}{}", purged.stdout, purged.stderr).contains("not purged"), "{}", purged.stdout);
    static_pages_answer(&server, &tenants, "after the refused purge");

    let installed = server.run(&["sh", "-ec", &format!("apt-get -q -y install {DEBS}")]);
    assert_eq!(installed.status, 0, "{}{}", installed.stdout, installed.stderr);
    server.wait_until_ready();
    all_answer(&server, &tenants, "after the packages came back");
    let more = Tenant::new(&server, "dave", "dave.example");
    WholeAccount::assert(&server, &more.username, &more.domain);
}

/// Everything of ours that a purge could take: packages, units, files with owners, modes and contents. Not how far the Activity has come, which
/// a Panel tells the Agent whenever it starts.
fn everything_of_ours(server: &Server) -> String {
    server.sh("dpkg-query -W -f '${Package} ${db:Status-Status}\\n' 'opterius*'\n\
         systemctl list-units --all --plain --no-legend 'opterius*' nginx.service pdns.service | awk '{print $1,$2,$3,$4}' | sort\n\
         systemctl show -P MainPID opterius-panel opterius-agent opterius-phpd nginx pdns\n\
         find /etc/opterius /etc/nginx/opterius /etc/powerdns /var/lib/opterius /usr/sbin/opterius-* -type f -exec md5sum {} + | sort -k2\n\
         find /etc/opterius /var/lib/opterius /var/lib/opterius-agent /home -maxdepth 3 ! -path '*/operations*' \
         ! -name activity-heads.jsonl -printf '%p %u:%g %m\\n' | sort")
}

#[test]
fn a_purge_is_refused_while_there_are_accounts_and_changes_nothing() {
    let server = Server::new("purge-refused");
    let tenants = accounts(&server);
    let before = everything_of_ours(&server);
    for packages in [&["opterius-agent"][..], &["opterius-panel"], &["opterius-agent", "opterius-panel", "opterius"]] {
        let purged = server.apt(&[&["purge"], packages].concat());
        let said = format!("{}{}", purged.stdout, purged.stderr);
        assert_ne!(purged.status, 0, "{packages:?}: {said}");
        assert!(said.contains("not purged: this server still has accounts"), "{packages:?}: {said}");
        assert!(said.contains("opterius account list"), "{packages:?}: it says what to do: {said}");
        all_answer(&server, &tenants, "after the refused purge");
        server.wait_until_ready();
        assert_eq!(stable(&everything_of_ours(&server)), stable(&before), "{packages:?}");
    }
    // Having once asked for it keeps nobody from a removal that deletes nothing.
    let removed = server.apt(&["remove", "opterius-agent", "opterius-panel"]);
    assert_eq!(removed.status, 0, "{}{}", removed.stdout, removed.stderr);
    static_pages_answer(&server, &tenants, "after the removal");
}

/// Without the numbers of processes: a unit that dpkg has stopped for a purge runs again once that is refused.
fn stable(everything: &str) -> String {
    everything.lines().filter(|line| line.parse::<u32>().is_err()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_purge_without_accounts_leaves_a_stock_server() {
    let server = Server::new("purged");
    for tenant in accounts(&server) {
        server.terminate(&tenant.account);
        assert!(!answers_statically(&server, &tenant), "{}", tenant.domain);
    }
    let purged = server.apt(&["purge", "opterius-agent", "opterius-panel", "opterius"]);
    assert_eq!(purged.status, 0, "{}{}", purged.stdout, purged.stderr);
    let left = server.sh(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /srv -o -path /var/log/journal -o -path /run/log -o -path /var/cache -o -path /tmp \
         -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /root \\) -prune -o -iname '*opterius*' -print",
    );
    assert_eq!(left, "", "no file of ours");
    for (what, command) in [
        ("units", "systemctl list-unit-files --no-legend | grep opterius"),
        ("units in memory", "systemctl list-units --all --plain --no-legend | grep opterius"),
        ("firewall rules", "nft list tables | grep opterius"),
        ("PAM", "grep -r opterius /etc/pam.d"),
        ("nginx", "nginx -T 2>/dev/null | grep -i opterius"),
        ("PowerDNS", "grep -ri opterius /etc/powerdns"),
        ("customers' users", "getent passwd | awk -F: '$3 >= 20000 && $3 <= 59999' | grep ."),
        ("customers' homes", "ls -A /home | grep ."),
        ("processes", "ps -eo args= | grep -v grep | grep '[o]pterius'"),
        ("a masked PHP", "systemctl list-unit-files --no-legend --state=masked 'php*-fpm.service' | grep ."),
    ] {
        let found = server.run(&["sh", "-c", command]);
        assert_ne!(found.status, 0, "{what} of ours: {}", found.stdout);
    }
    // The Panel's user and the groups stay, as on any Debian system: a number that is free may be given to somebody else, and files may be left.
    server.sh("getent passwd opterius && getent group opterius opterius-web");
    server.sh("systemctl is-active nginx pdns");
    let (status, page) = server.visit("anything.example", "/");
    assert!(status == 200 && page.contains("Welcome to nginx"), "nginx has its stock site again: {status} {page}");
    server.reboot();
    assert!(server.visit("anything.example", "/").1.contains("Welcome to nginx"));

    // And it can all be had again, from the start.
    let installed = server.run(&["sh", "-ec", &format!("apt-get -q -y install {DEBS}")]);
    assert_eq!(installed.status, 0, "{}{}", installed.stdout, installed.stderr);
    let arguments = ["setup", "--hostname", "server1.opterius.test", "--ipv4", &server.ip];
    server.ok(&[&["opterius"], &arguments[..], &["--nameserver", "ns1.opterius.test", "--nameserver", "ns2.opterius.test"]].concat());
    server.wait_until_ready();
}

#[test]
fn an_upgrade_interrupts_no_request_and_no_site() {
    let server = Server::new("upgraded");
    let tenants = accounts(&server);
    let alice = &tenants[0];
    // Runs until it is told to end, so it is there from before the upgrade until after it.
    alice.put(
        &server,
        "long.php",
        "<?php touch(__DIR__ . '/begun'); while (!file_exists(__DIR__ . '/end')) { usleep(20000); clearstatcache(); } echo 'to its end';",
    );
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Read when the upgrade is over, however long that takes.
        let mut long = server.web();
        let request = format!("GET /long.php HTTP/1.0\r\nHost: {}\r\n\r\n", alice.domain);
        long.write_all(request.as_bytes()).expect("the request is sent");
        server.until("the request runs", &format!("test -e {}/begun", alice.docroot()));
        let visitors: Vec<_> = tenants[1..]
            .iter()
            .map(|tenant| {
                let (server, over) = (&server, &over);
                scope.spawn(move || {
                    let mut visits = 0;
                    while !over.load(Ordering::Acquire) {
                        let (status, page) = server.visit(&tenant.domain, "/dynamic.php");
                        assert_eq!(status, 200, "{} while it is upgraded: {page}", tenant.domain);
                        assert!(answers_statically(server, tenant), "{} while it is upgraded", tenant.domain);
                        visits += 1;
                    }
                    visits
                })
            })
            .collect();
        let upgraded = server.run(&["sh", "-ec", &format!("apt-get -q -y -o Dpkg::Use-Pty=0 install --reinstall {DEBS}")]);
        over.store(true, Ordering::Release);
        assert_eq!(upgraded.status, 0, "{}{}", upgraded.stdout, upgraded.stderr);
        assert!(upgraded.stdout.contains("Setting up opterius-agent"), "it was installed again: {}", upgraded.stdout);
        for visitor in visitors {
            assert!(visitor.join().expect("no visitor met an error") > 0);
        }
        alice.put(&server, "end", "");
        let reply = finish(long);
        assert_eq!((reply.status, reply.text().as_str()), (200, "to its end"));
    });
    all_answer(&server, &tenants, "after the upgrade");
    server.wait_until_ready();
    let more = Tenant::new(&server, "dave", "dave.example");
    WholeAccount::assert(&server, &more.username, &more.domain);
}
