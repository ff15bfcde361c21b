//! The packages on servers that are not as they expect: in odd orders, cut short, again and again, and beside names, links and files of others.

use opterius_e2e::{Call, Output, Server, Tenant, WholeAccount, eventually};
use serde_json::{Value, json};

/// The packages on the server.
const ALL: &str = "/srv/debs/*.deb";

/// Everything that an installation could change: packages, users, groups, files with owners, modes, sizes and targets, and what listens.
fn state(server: &Server) -> Vec<String> {
    let state = server.sh(
        "dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' | grep -v ' not-installed'; getent passwd; getent group; getent shadow; getent gshadow
         find /etc /home /usr /lib/systemd /var/lib/opterius* /var/log/opterius* /run/opterius* /var/lib/powerdns -xdev \
         ! -path '/etc/*-' ! -name .pwd.lock -printf '%p %y %u:%g %m %l\\n' 2>/dev/null || true
         find /etc -xdev -type f ! -path '/etc/*-' -exec md5sum {} +",
    );
    state.lines().map(str::to_owned).collect()
}

/// What both say together.
fn said(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

/// `dpkg` without questions.
fn dpkg(server: &Server, arguments: &str) -> Output {
    server.run(&["sh", "-c", &format!("dpkg {arguments} </dev/null")])
}

/// What doctor finds, each with its level and what to do.
fn doctor(server: &Server) -> (i32, Vec<(String, String)>) {
    let output = server.run(&["opterius", "doctor", "--json"]);
    let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let findings = report["findings"].as_array().expect("a list");
    assert!(findings.iter().all(|finding| finding["level"] == "ok" || finding["hint"].is_string()), "each says what to do: {report}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (output.status, findings.iter().map(|finding| (text(&finding["level"]), text(&finding["detail"]))).collect())
}

/// Has the program of this name, where a package's script runs it, end the script and dpkg by kill -9.
fn kill_at(server: &Server, program: &str) {
    let deadly = "#!/bin/sh\nkill -9 $(ps -o ppid= $PPID) $PPID\n";
    let path = format!("/usr/local/sbin/{program}");
    let put = server.feed(&["sh", "-ec", "cat >\"$1\"; chmod 755 \"$1\"", "sh", &path], deadly);
    assert_eq!(put.status, 0, "{}", put.stderr);
}

/// Configures what is unpacked, cut short at one program after the other, and at last to its end.
fn configure_cut_short(server: &Server, programs: &[&str]) {
    for program in programs {
        kill_at(server, program);
        let killed = dpkg(server, "--configure -a");
        assert!(killed.status != 0, "{program}: it was to be killed: {}", said(&killed));
        server.ok(&["rm", &format!("/usr/local/sbin/{program}")]);
    }
    let configured = dpkg(server, "--configure -a");
    assert_eq!(configured.status, 0, "{}", said(&configured));
}

/// What is there before Opterius, with which words the packages refuse it, and how it is put right.
const FOREIGN: [(&str, &[&str], &str); 4] = [
    // A person's login of the Panel's name, one in a group of ours, one among the accounts, links, and files of our names.
    (
        "groupadd -g 1500 opterius; useradd -m -u 1500 -g opterius -s /bin/bash opterius
         groupadd -r opterius-web; useradd -m -G opterius-web carl; useradd -M -u 20001 far
         mkdir /home/target /etc/systemd/system/nginx.service.d
         ln -s /home/target /var/lib/opterius-panel; ln -s /home/target /etc/opterius; touch /var/log/opterius
         echo '[Service]' >/etc/systemd/system/nginx.service.d/opterius.conf; echo 'launch=bind' >/etc/powerdns/pdns.d/opterius.conf",
        &[
            "there is a user 'opterius' that is not Opterius' own (uid 1500, home /home/opterius, shell /bin/bash)",
            "there is a group 'opterius' that is not Opterius' own (gid 1500)",
            "the group 'opterius-web' has members or administrators (carl)",
            "uids of 20000 to 59999, which are those of hosting accounts: far",
            "/var/lib/opterius-panel is a link to /home/target",
            "/etc/opterius is a link to /home/target",
            "/var/log/opterius is there, and is not a directory",
            "/etc/systemd/system/nginx.service.d/opterius.conf is there already, and is not Opterius' own",
            "/etc/powerdns/pdns.d/opterius.conf is there already, and is not Opterius' own",
        ],
        "userdel -r opterius 2>/dev/null; ! getent group opterius || groupdel opterius
         userdel -r carl 2>/dev/null; groupdel opterius-web; userdel far; rm /var/lib/opterius-panel /etc/opterius /var/log/opterius; rmdir /home/target
         rm -r /etc/systemd/system/nginx.service.d /etc/powerdns/pdns.d/opterius.conf",
    ),
    // A system's user of that name who can sign in and whose number another has, and a group with a member by login.
    (
        "useradd -r -d /var/lib/opterius-panel -c 'Opterius Panel' -s /bin/sh opterius; echo opterius:secret | chpasswd
         useradd -o -u $(id -u opterius) -N -M otto; groupadd -r opterius-web; useradd -m -g opterius-web carl",
        &[
            "the user 'opterius' has the shell /bin/sh",
            "the user 'opterius' has a password or an empty one",
            "these users have the uid of the user 'opterius'",
            "the group 'opterius-web' has members or administrators (carl)",
        ],
        "userdel -f otto; userdel opterius; userdel -r carl 2>/dev/null; ! getent group opterius-web || groupdel opterius-web",
    ),
    // One who is in another group, and directories that others have filled, or can.
    (
        "useradd -r -d /var/lib/opterius-panel -c 'Opterius Panel' -s /usr/sbin/nologin -G adm opterius
         install -d -o nobody /home/.opterius-trash; mkdir -m 0777 /var/lib/opterius",
        &[
            "the user 'opterius' is in the groups 'opterius adm'",
            "/home/.opterius-trash belongs to nobody",
            "/var/lib/opterius can be written to by others than its owner",
        ],
        "userdel opterius; rmdir /home/.opterius-trash /var/lib/opterius",
    ),
    // A group that anybody may join who knows a word.
    (
        "groupadd -r opterius-web; echo opterius-web:secret | chgpasswd",
        &["the group 'opterius-web' has a password, with which anybody could join it"],
        "groupdel opterius-web",
    ),
];

#[test]
fn names_links_and_files_of_others_are_refused_before_anything_is_changed_and_told_by_doctor_afterwards() {
    let mut server = Server::bare("foreign");
    for (plant, words, put_right) in FOREIGN {
        server.sh(plant);
        let before = state(&server);
        let refused = dpkg(&server, &format!("-i {ALL}"));
        for words in words {
            assert!(refused.status != 0 && said(&refused).matches(words).count() == 3, "{words}: by each package: {}", said(&refused));
        }
        let unchanged = ": not installed; no user, group, file or directory was changed";
        assert_eq!(said(&refused).matches(unchanged).count(), 3, "{}", said(&refused));
        assert_eq!(state(&server), before);
        server.sh(put_right);
    }

    // In an odd order: what needs the others waits for them, and each configuration is cut short before it ends.
    let panel = dpkg(&server, "-i /srv/debs/opterius-panel_*.deb");
    assert!(panel.status != 0 && said(&panel).contains("depends on opterius"), "{}", said(&panel));
    let agent = dpkg(&server, "--unpack /srv/debs/opterius-agent_*.deb");
    assert_eq!(agent.status, 0, "{}", said(&agent));
    assert_ne!(dpkg(&server, "--configure -a").status, 0, "the users are not there");
    let rest = dpkg(&server, "--unpack /srv/debs/opterius_*.deb");
    assert_eq!(rest.status, 0, "{}", said(&rest));
    let programs =
        ["systemd-sysusers", "systemd-tmpfiles", "ucf", "pam-auth-update", "sqlite3", "deb-systemd-helper", "deb-systemd-invoke"];
    configure_cut_short(&server, &programs);
    server.set_up();
    Tenant::new(&server, "alice", "alice.test");
    WholeAccount::assert(&server, "alice", "alice.test");
    let (status, findings) = doctor(&server);
    assert_eq!(status, 0, "{findings:?}");

    // What others do to a server that runs: doctor tells each, an upgrade says it and goes on, and it can be put right.
    server.sh("useradd -m carl; gpasswd -a carl opterius-web; usermod -s /bin/bash opterius
         drop_in=/etc/systemd/system/nginx.service.d; cp $drop_in/opterius.conf /root/; echo '[Service]' >$drop_in/opterius.conf
         mkdir -p /etc/systemd/system/opterius-panel.service.d /etc/systemd/system/opterius-agent.service.d
         printf '[Service]\\nProtectSystem=no\\n' >/etc/systemd/system/opterius-panel.service.d/local.conf
         printf '[Service]\\nNice=1\\n' >/etc/systemd/system/opterius-agent.service.d/local.conf
         mv /var/lib/opterius/acme /home/acme; ln -s /home/acme /var/lib/opterius/acme
         systemctl daemon-reload; systemctl stop nginx
         cp /usr/bin/python3 /home/nginx
         systemd-run -q --unit=stranger /home/nginx -c 'import signal, socket; s = socket.create_server((\"\", 80)); signal.pause()'");
    eventually("the stranger listens", || (doctor(&server).1.iter().any(|(_, detail)| detail.contains("has TCP port 80"))).then_some(()));
    let told = |level: &str, detail: &str, (status, findings): &(i32, Vec<(String, String)>)| {
        assert_eq!(*status, 1);
        assert!(findings.iter().any(|(of, said)| of == level && said.contains(detail)), "{detail}: {findings:?}");
    };
    let report = doctor(&server);
    for detail in [
        "the group opterius-web has members or administrators (carl)",
        "the user opterius has the shell /bin/bash",
        "nginx.service does not start nginx with /etc/nginx/opterius/nginx.conf",
        "/etc/systemd/system/opterius-panel.service.d/local.conf changes what opterius-panel.service runs, or what it may do (ProtectSystem)",
        "/var/lib/opterius/acme is a link to /home/acme",
        "nginx has TCP port 80, which nginx needs",
    ] {
        told("problem", detail, &report);
    }
    told("warning", "/etc/systemd/system/opterius-agent.service.d/local.conf changes opterius-agent.service (Nice)", &report);
    told("warning", "/etc/systemd/system/nginx.service.d/opterius.conf is not as the package brings it", &report);

    server.sh("systemctl stop stranger");
    let again = server.apt(&["install", "--reinstall", "/srv/debs/opterius_0.1.0_amd64.deb", "/srv/debs/opterius-agent_0.1.0_amd64.deb"]);
    assert_eq!(again.status, 0, "{}", said(&again));
    for words in ["has members or administrators (carl)", "is a link to /home/acme", "WARNING: nginx.service does not start nginx with"] {
        assert!(said(&again).contains(words), "{words}: {}", said(&again));
    }
    server.sh(
        "gpasswd -d carl opterius-web; usermod -s /usr/sbin/nologin opterius; cp /root/opterius.conf /etc/systemd/system/nginx.service.d/
         rm -r /etc/systemd/system/opterius-panel.service.d /etc/systemd/system/opterius-agent.service.d
         rm /var/lib/opterius/acme; mv /home/acme /var/lib/opterius/acme
         systemctl daemon-reload; systemctl restart nginx",
    );
    server.wait_until_ready();
    let (status, findings) = doctor(&server);
    assert_eq!(status, 0, "{findings:?}");
    WholeAccount::assert(&server, "alice", "alice.test");

    // A Panel whom the Agent would not hear is not upgraded: nothing is unpacked, and what is there is configured as it was.
    let has_uid = |uid: &str| {
        server.sh(&format!(
            "systemctl stop opterius-panel.socket opterius-panel.service; usermod --uid {uid} opterius
             chown -Rh opterius: /var/lib/opterius-panel; systemctl restart opterius-agent.service
             systemctl start opterius-panel.socket; systemctl start --no-block opterius-panel.service"
        ))
    };
    let uid = server.sh("id -u opterius").trim().to_owned();
    has_uid("1500");
    let refused = dpkg(&server, &format!("-i {ALL}"));
    assert!(refused.status != 0, "{}", said(&refused));
    for words in [": not upgraded; the version that is here stays and runs", "1 to 999, and it is 1500"] {
        assert_eq!(said(&refused).matches(words).count(), 3, "{words}: {}", said(&refused));
    }
    let there = server.sh("dpkg-query -W -f '${db:Status-Status}\\n' 'opterius*'");
    assert_eq!(there.lines().filter(|status| *status == "installed").count(), 3, "{there}");
    has_uid(&uid);
    let again = dpkg(&server, &format!("-i {ALL}"));
    assert_eq!(again.status, 0, "{}", said(&again));
    server.wait_until_ready();
    WholeAccount::assert(&server, "alice", "alice.test");
}

#[test]
fn removed_in_the_middle_of_an_order_purged_and_installed_again_nothing_of_a_customer_or_of_others_is_lost() {
    let mut server = Server::new("odd-orders");
    let alice = Tenant::new(&server, "alice", "alice.test");

    // Removed while an order runs: it ends when the package is back.
    server.fail_at("step.forward.site.before=sleep(20000)");
    let order =
        json!({ "username": "bob", "domain": "bob.test", "password": "correct horse battery", "package": "Starter", "external_ref": "s2" });
    let call =
        Call { token: &server.token, request_id: "odd-bob", method: "POST", path: "/api/accounts", body: Some(&order), at_once: true };
    let (status, answer) = server.call(&call).expect("the Panel answers");
    assert_eq!(status, 202, "{answer}");
    eventually("the Agent is at it", || (server.step("bob", "site").as_deref() == Some("running")).then_some(()));
    let removed = server.apt(&["remove", "opterius-agent"]);
    assert_eq!(removed.status, 0, "{}", said(&removed));
    server.fail_at("");
    // Half an account is an account: nothing of it may be purged.
    let purged = dpkg(&server, "--purge opterius-agent");
    assert!(purged.status != 0 && said(&purged).contains("not purged"), "{}", said(&purged));
    let unpacked = dpkg(&server, "--unpack /srv/debs/opterius-agent_*.deb");
    assert_eq!(unpacked.status, 0, "{}", said(&unpacked));
    configure_cut_short(&server, &["ucf", "pam-auth-update", "deb-systemd-helper", "deb-systemd-invoke"]);
    let (_, answer) = eventually("the order ends", || {
        let (status, answer) = server.api("GET", "/api/accounts/ref:s2", None);
        (answer["data"]["status"] != "provisioning").then_some((status, answer))
    });
    assert_eq!(answer["data"]["status"], "active", "{answer}");
    WholeAccount::assert(&server, "alice", "alice.test");
    WholeAccount::assert(&server, "bob", "bob.test");

    // Terminated and kept is not purged, and nothing is stopped for the attempt.
    alice.put(&server, "kept.html", "kept");
    let (status, answer) = server.api("DELETE", &format!("/api/accounts/{}", alice.account), Some(&json!({})));
    assert_eq!(status, 200, "{answer}");
    let bob = server.account_id("bob");
    server.terminate(&bob);
    for packages in [&["opterius-agent"][..], &["opterius-panel"], &["opterius-agent", "opterius-panel", "opterius"]] {
        let refused = server.apt(&[&["purge"], packages].concat());
        let words = "not purged: terminated accounts are still kept in /home/.opterius-trash";
        assert!(refused.status != 0 && said(&refused).contains(words), "{packages:?}: {}", said(&refused));
        server.wait_until_ready();
    }
    let kept = server.sh(&format!("cat /home/.opterius-trash/{}/home/alice.test/public_html/kept.html", alice.account));
    assert_eq!(kept, "kept");
    let removed = server.apt(&["remove", "opterius-agent", "opterius-panel"]);
    assert_eq!(removed.status, 0, "{}", said(&removed));
    let refused = dpkg(&server, "--purge opterius-agent opterius-panel");
    assert!(refused.status != 0 && said(&refused).matches("are still kept").count() == 2, "{}", said(&refused));

    // Purged at last, beside files of others: those stay, and are named.
    server.sh("find /home/.opterius-trash -mindepth 1 -delete
         echo mine | tee /etc/opterius/notes /etc/nginx/opterius/mine.conf /var/lib/opterius/notes >/dev/null
         mkdir -p /srv/disk /var/log/opterius/disk; echo mine >/srv/disk/notes; mount --bind /srv/disk /var/log/opterius/disk
         sqlite3 /var/lib/powerdns/opterius.sqlite3 \"insert into domains (name, type) values ('mine.test', 'NATIVE')\"");
    let purged = dpkg(&server, "--purge opterius-agent opterius-panel opterius");
    assert_eq!(purged.status, 0, "{}", said(&purged));
    for words in
        ["kept /var/lib/powerdns/opterius.sqlite3", "kept /var/lib/opterius:", "kept /etc/nginx/opterius:", "kept /var/log/opterius:"]
    {
        assert!(said(&purged).contains(words), "{words}: {}", said(&purged));
    }
    let mine = server.sh("cat /etc/opterius/notes /etc/nginx/opterius/mine.conf /var/lib/opterius/notes /srv/disk/notes");
    assert_eq!(mine, "mine\n".repeat(4));
    let left = server.sh("find /etc/opterius /var/lib/opterius* /etc/nginx/opterius -type f");
    assert_eq!(left.lines().count(), 3, "{left}");

    // And from the start, with what was left.
    let installed = server.run(&["sh", "-ec", &format!("apt-get -q -y install {ALL}")]);
    assert_eq!(installed.status, 0, "{}", said(&installed));
    server.set_up();
    Tenant::new(&server, "alice", "alice.test");
    WholeAccount::assert(&server, "alice", "alice.test");
    let zones = server.sh("sqlite3 /var/lib/powerdns/opterius.sqlite3 'select name from domains order by name'");
    assert_eq!(zones, "alice.test\nmine.test\n");
}

/// Makes a package as the one of another PHP's FPM is: its unit begins to run when it is configured.
const OTHER_PHP: &str = r"
    p=/root/php9.9-fpm; mkdir -p $p/DEBIAN $p/usr/lib/php/9.9 $p/usr/lib/systemd/system
    touch $p/usr/lib/php/9.9/php.ini-production
    printf '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' >$p/usr/lib/systemd/system/php9.9-fpm.service
    printf 'Package: php9.9-fpm\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.test>\nDescription: d\n' >$p/DEBIAN/control
    printf '#!/bin/sh\nset -e\ndeb-systemd-helper unmask php9.9-fpm.service\ndeb-systemd-helper enable php9.9-fpm.service
    systemctl daemon-reload\ndeb-systemd-invoke start php9.9-fpm.service\nsystemctl is-active php9.9-fpm.service || true\n' >$p/DEBIAN/postinst
    chmod 0755 $p/DEBIAN/postinst; dpkg-deb -b $p /root/php9.9-fpm.deb";

#[test]
fn the_stock_pool_of_every_php_is_masked_also_of_one_that_is_installed_later_until_a_purge() {
    let server = Server::new("stock-php");
    let masked = || server.sh("systemctl list-unit-files --no-legend --plain --state=masked 'php*-fpm.service' | cut -d' ' -f1");
    let own = masked();
    assert!(own.lines().count() == 1 && own.starts_with("php"), "that of the release: {own}");
    server.sh(OTHER_PHP);
    let installed = dpkg(&server, "-i /root/php9.9-fpm.deb");
    assert!(installed.status == 0 && said(&installed).contains("\nactive\n"), "it ran at first: {}", said(&installed));
    let both = format!("{own}php9.9-fpm.service\n");
    assert_eq!(masked(), both, "{}", said(&installed));
    assert_eq!(server.run(&["systemctl", "is-active", "php9.9-fpm.service"]).stdout.trim(), "inactive");

    // Its own package unmasks and starts nothing when it is installed once more; who unmasks it by hand hears of it from doctor.
    let again = dpkg(&server, "-i /root/php9.9-fpm.deb");
    assert!(!said(&again).contains("\nactive\n"), "{}", said(&again));
    assert_eq!(masked(), both);
    server.sh("systemctl unmask php9.9-fpm.service");
    let (status, findings) = doctor(&server);
    let told = "php9.9-fpm.service is not masked: its pool runs as www-data, outside of any sandbox";
    assert!(status == 1 && findings.iter().any(|(level, detail)| level == "problem" && detail == told), "{findings:?}");
    server.ok(&["opterius", "setup"]);
    assert_eq!(masked(), both);

    // Nothing is masked after a purge, not even the unit of a PHP that is gone.
    assert_eq!(dpkg(&server, "--purge php9.9-fpm").status, 0);
    let purged = dpkg(&server, "--purge opterius-agent opterius-panel opterius");
    assert_eq!(purged.status, 0, "{}", said(&purged));
    assert_eq!(server.sh("find /etc/systemd/system -lname /dev/null -name 'php*'"), "");
}
