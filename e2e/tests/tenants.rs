//! What a tenant cannot do: from its PHP, and from a process of its uid that no sandbox holds, as a way out of it or a shell would give.

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opterius_e2e::{Reply, Server, Tenant, eventually};

const SECRET: &str = "the-secret-of-bob-7d1f";

/// Alice attacks; Bob has a secret that his own site shows, and one that it does not.
fn neighbours(test: &str) -> (Server, Tenant, Tenant) {
    let server = Server::new(test);
    let alice = Tenant::new(&server, "alice", "alice.test");
    let bob = Tenant::new(&server, "bob", "bob.test");
    bob.put(&server, "secret.txt", SECRET);
    bob.put(&server, "secret.php", format!("<?php // {SECRET}"));
    bob.put(&server, ".env", SECRET);
    bob.sh(&server, &format!("echo {SECRET} >~bob/tmp/sess_1; echo {SECRET} >~bob/notes.txt"));
    assert_eq!(server.get("bob.test", "/secret.txt").text(), SECRET, "what the attacks below look for is there");
    // Lines for Bob's logs.
    assert_eq!(server.get("bob.test", &format!("/nothing-{SECRET}.php")).status, 404);
    (server, alice, bob)
}

/// Secrets of the server's own: the probe's, PowerDNS's, and the token of WHMCS.
fn secrets(server: &Server) -> Vec<String> {
    let configuration = server.sh("cat /etc/opterius/agent.toml /etc/powerdns/pdns.d/opterius.conf");
    let mut secrets: Vec<String> = configuration
        .lines()
        .filter(|line| line.contains("secret") || line.contains("key"))
        .filter_map(|line| line.split_once('='))
        .map(|(_, value)| value.trim().trim_matches('"').to_owned())
        .filter(|value| value.len() >= 16)
        .collect();
    assert!(secrets.len() >= 3, "a probe's secret, and an API key on both sides: {}", secrets.len());
    secrets.push(server.token.clone());
    secrets.push(server.admin_password.clone());
    secrets
}

/// What must not be readable, by a name that an attacker can know.
fn forbidden(bob: &Tenant) -> Vec<String> {
    let mut paths: Vec<String> = [
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/opterius/agent.toml",
        "/etc/opterius/panel.toml",
        "/etc/opterius/phpd.toml",
        "/etc/nginx/opterius/probe.conf",
        "/etc/powerdns/pdns.d/opterius.conf",
        "/var/lib/powerdns/opterius.sqlite3",
        "/var/lib/opterius-panel/panel.db",
        "/var/lib/opterius-panel/tls",
        "/var/lib/opterius-agent",
        "/var/lib/opterius-agent/logs.json",
        "/var/lib/opterius-phpd/pools",
        "/var/lib/opterius/sites",
        "/var/lib/opterius/sites/bob.test/account",
        "/var/lib/opterius/sites/bob.test/home/bob.test/public_html/secret.txt",
        "/var/lib/opterius/entries",
        "/var/lib/opterius/staging",
        "/var/log/opterius",
        "/var/log/opterius/access.json",
        "/var/log/opterius/nginx-error.log",
        "/var/log/opterius/accounts",
        "/var/log/opterius/accounts/bob/access.log",
        "/var/log/opterius/accounts/bob/php.log",
        "/run/opterius/php",
        "/run/opterius-phpd/runs",
        "/home/.opterius-staging",
        "/home/.opterius-trash",
        "/home/bob",
        "/home/bob/tmp",
        "/home/bob/tmp/sess_1",
        "/home/bob/notes.txt",
        "/home/bob/bob.test/public_html",
        "/home/bob/bob.test/public_html/secret.txt",
        "/home/bob/bob.test/public_html/.env",
        "/root",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.push(format!("/var/lib/opterius/entries/{}", bob.account));
    paths.push(format!("/run/opterius/php/{}", bob.account));
    paths
}

/// A script that prints those of `paths` that can be read or listed.
fn readable(paths: &[String]) -> String {
    let list = paths.join(" ");
    format!(
        "for p in {list}; do if [ -d $p ]; then ls -A $p >/dev/null 2>&1 && [ -n \"$(ls -A $p)\" ] && echo $p; \
             else head -c1 $p >/dev/null 2>&1 && echo $p; fi; done; true"
    )
}

/// Everything below these that holds one of the secrets. The patterns come over standard input, since a file or the command line
/// would hold them itself.
fn search(server: &Server, tenant: &Tenant, needles: &[String]) -> String {
    let script = "grep -rlIF -f - /etc /var /run /home /opt /srv /tmp /dev/shm /root 2>/dev/null; true";
    tenant.run(server, script, needles.join("\n")).stdout
}

#[test]
fn a_tenants_php_sees_its_own_files_and_processes_and_nothing_else() {
    let (server, alice, bob) = neighbours("sees");
    bob.put(&server, "sleep.php", "<?php file_put_contents('/home/bob/tmp/asleep', ''); sleep(600);");
    // Wide open, as many applications' installers leave things. The sandbox hides even that.
    bob.sh(&server, "chmod -R a+rX ~bob");
    let mut waiting = server.web();
    std::io::Write::write_all(&mut waiting, b"GET /sleep.php HTTP/1.0\r\nHost: bob.test\r\n\r\n").expect("sent");
    eventually("Bob's script runs", || (server.run(&["test", "-e", "/home/bob/tmp/asleep"]).status == 0).then_some(()));

    let (_, found) = alice.inside(&server, &readable(&forbidden(&bob)));
    // The directories on the way to its own log are there, and hold nothing else.
    let expected = "/var/log/opterius\n/var/log/opterius/accounts";
    assert_eq!(found.trim(), expected, "what Alice's PHP can read");
    for (directory, content) in [("/home", "alice"), ("/var/log/opterius/accounts", "alice"), ("/run", ""), ("/var/log", "opterius")] {
        assert_eq!(alice.inside(&server, &format!("ls -A {directory}")).1.trim(), content, "{directory}");
    }

    let (_, users) =
        alice.inside(&server, "cut -d: -f1 /etc/passwd; php -r 'var_dump(posix_getpwuid(20000 + 1), posix_getpwnam(\"bob\"));'");
    assert!(users.contains("alice") && !users.contains("bob") && !users.contains("opterius"), "{users}");

    // Processes: by /proc, whose numbers a PID namespace hides, and by what they are.
    let (_, processes) = alice.inside(&server, "for p in /proc/[0-9]*; do echo $(stat -c %u $p) $(tr '\\0' ' ' <$p/cmdline); done");
    assert!(processes.contains("php-fpm"), "the script sees its own: {processes}");
    for line in processes.lines().filter(|line| line.contains(' ')) {
        assert!(
            line.starts_with(&format!("{} ", alice.uid)) || line.starts_with("0 bwrap") || line.starts_with("0 /usr/bin/bwrap"),
            "{line}"
        );
        assert!(!line.contains("bob") && !line.contains("nginx"), "{line}");
    }
    let victim = server.sh(&format!("pgrep -u {} | head -1", bob.uid));
    let (status, _) = alice.inside(&server, &format!("kill -0 {}", victim.trim()));
    assert_ne!(status, 0, "Bob's process is out of reach");

    // Nothing that its processes hold or could gain is of root's.
    let (_, status) = alice.inside(&server, "cat /proc/self/status");
    for line in ["NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "Groups:\t \n"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    let (_, held) = alice.inside(&server, "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -oE -- '-> /.*' | sort -u");
    for line in held.lines() {
        let path = line.trim_start_matches("-> ");
        // opcache's lock is a file in /tmp with PHP 8.2, and one of memory later.
        assert!(
            ["/dev/null", "/proc", "/tmp/", "/memfd:opcache_lock ", "/var/log/opterius/new/", "/home/alice"]
                .iter()
                .any(|own| path.starts_with(own)),
            "a descriptor of {path}"
        );
    }
    drop(waiting);
}

#[test]
fn a_tenants_php_can_write_to_its_home_its_log_and_its_tmp_and_nowhere_else() {
    let (server, alice, _bob) = neighbours("writes");
    let (_, writable) = alice.inside(
        &server,
        "find / \\( -path /proc -o -path /home/alice -o -path /tmp -o -path /dev \\) -prune -o ! -type l -writable -print 2>/dev/null",
    );
    assert_eq!(writable.trim(), "/var/log/opterius/new/php.log");
    // By stat: bubblewrap's devices are mounts over files, which is what `find` takes them for.
    let (_, devices) = alice.inside(
        &server,
        "for f in /dev/*; do if [ -L $f ]; then continue; fi; if [ -b $f ] || [ -c $f ]; then echo $f; fi; done | tr '\\n' ' '",
    );
    assert_eq!(devices.trim(), "/dev/full /dev/null /dev/random /dev/tty /dev/urandom /dev/zero");

    // Set-uid root: neither made, nor used.
    let (_, made) = alice.inside(
        &server,
        "cd ~/tmp; cp /usr/bin/id rooted; chown root rooted; chmod 6755 rooted; ./rooted -u; stat -c %u rooted; \
         mknod disk b 8 0 && echo made a device; mount -t tmpfs none /home/alice/tmp && echo mounted; \
         su -s /usr/bin/id root </dev/null; true",
    );
    assert!(!made.contains("uid=0") && !made.contains("made a device") && !made.contains("mounted"), "{made}");
    assert!(made.contains(&format!("\n{}\n", alice.uid)), "the copy stays its own: {made}");
    assert!(!made.lines().any(|line| line.trim() == "0"), "{made}");

    // Outside of the sandbox.
    let elsewhere = alice.run(
        &server,
        "find / -xdev \\( -path /proc -o -path /sys -o -path /home/alice -o -path /dev \\) -prune -o ! -type l -writable -print 2>/dev/null; true",
        "",
    );
    // The last is Debian's, for the sessions of a PHP that is not ours.
    for line in elsewhere.stdout.lines() {
        assert!(["/tmp", "/var/tmp", "/run/lock", "/var/lib/php/sessions"].iter().any(|shared| line.starts_with(shared)), "{line}");
    }
    // What it leaves in the server's /tmp is nothing that PHP of others or a service of ours looks at.
    assert!(!elsewhere.stdout.contains("opterius"), "{}", elsewhere.stdout);
}

#[test]
fn a_process_of_a_tenants_uid_outside_of_the_sandbox_reads_nothing_of_others() {
    let (server, alice, bob) = neighbours("outside");
    // By name a file can be opened in a home that Bob himself opened for everybody; what we made is not open.
    let paths: Vec<String> = forbidden(&bob).into_iter().filter(|path| path != "/home/bob/notes.txt").collect();
    let root = server.sh(&readable(&paths));
    assert!(root.lines().count() > 20, "most of these exist: {root}");
    let found = alice.run(&server, &readable(&paths), "");
    assert_eq!(found.stdout, "", "what Alice's uid can read");

    let mut needles = secrets(&server);
    needles.push(SECRET.to_owned());
    assert_eq!(search(&server, &alice, &needles), "");
    let arguments = alice.run(&server, "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'", "").stdout;
    assert!(arguments.contains("nginx"), "the search works");
    for needle in &needles {
        assert!(!arguments.contains(needle.as_str()), "a secret is in somebody's arguments");
    }

    // Sockets, by name.
    let connect = "import socket, sys\n\
        for path in sys.stdin.read().split():\n\
        \x20   s = socket.socket(socket.AF_UNIX)\n\
        \x20   try:\n\
        \x20       s.connect(path); print(path)\n\
        \x20   except OSError: pass\n";
    let mut sockets = server.sh("find /run/opterius -type s");
    for tenant in [&alice, &bob] {
        let _ = writeln!(sockets, "/var/lib/opterius/sites/{}/php.sock", tenant.domain);
    }
    assert!(sockets.lines().count() >= 9, "phpd's, the Agent's, the Panel's and two accounts': {sockets}");
    let script = format!("python3 -c '{connect}'");
    let reached = server.feed(&["sh", "-c", &script], sockets.clone());
    assert_eq!(reached.stdout.lines().count(), sockets.lines().count(), "root reaches all of them: {}{}", reached.stdout, reached.stderr);
    let reached = alice.run(&server, &script, sockets);
    assert_eq!((reached.status, reached.stdout.as_str()), (0, ""), "{}", reached.stderr);

    // Abstract sockets have no modes, and every process on the server can reach them: nothing of ours has one.
    let ours = server.sh("ss -xlpH | grep -E 'opterius|nginx|pdns|php-fpm|bwrap' | grep -E ' @' || true");
    assert_eq!(ours, "");
}

/// Connects to each `address port` of standard input, and prints those that answer.
const DIAL: &str = r"python3 -c '
import socket, sys
for line in sys.stdin:
    address, port = line.split()
    try:
        socket.create_connection((address, int(port)), timeout=10).close(); print(address, port)
    except OSError: pass
'";

#[test]
fn a_tenant_reaches_the_sites_and_dns_on_this_server_and_no_other_service() {
    let (server, alice, _bob) = neighbours("loopback");
    let listening = server.sh("ss -Hltn | awk '{print $4}'");
    let ports: std::collections::BTreeSet<&str> =
        listening.lines().filter_map(|line| line.rsplit_once(':')).map(|(_, port)| port).collect();
    for port in ["22", "53", "80", "781", "8443"] {
        assert!(ports.contains(port), "{port} is there to be tried: {listening}");
    }
    let mut dialled = String::new();
    for address in ["127.0.0.1", "127.5.5.5", "::1", &server.ip] {
        for port in &ports {
            let _ = writeln!(dialled, "{address} {port}");
        }
    }
    let allowed = |line: &str| ["80", "53"].iter().any(|port| line.ends_with(&format!(" {port}")));
    let root = server.feed(&["sh", "-c", DIAL], dialled.clone()).stdout;
    assert!(root.contains("127.0.0.1 781") && root.contains("::1 8443"), "{root}");
    let expected: Vec<&str> = root.lines().filter(|line| allowed(line)).collect();
    assert!(expected.len() >= 6, "{root}");
    let outside = alice.run(&server, DIAL, dialled.clone()).stdout;
    assert_eq!(outside.lines().collect::<Vec<_>>(), expected, "from outside of the sandbox");
    let (_, inside) = alice.inside(&server, &format!("{DIAL} <<'END'\n{dialled}END\n"));
    assert_eq!(inside.trim().lines().collect::<Vec<_>>(), expected, "from PHP");

    // By UDP only DNS: a question that our server answers, and a datagram to a port of root's that does not leave.
    let ask = r#"python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10)
s.sendto(bytes.fromhex("00010000000100000000000005616c69636504746573740000060001"), ("127.0.0.1", 53)); print(len(s.recv(512)) > 40)
try:
    s.sendto(b"x", ("127.0.0.1", 161)); s.sendto(b"x", ("127.0.0.1", 161)); print("sent")
except OSError: print("refused")
'"#;
    assert_eq!(alice.inside(&server, ask).1.trim(), "True\nrefused");
    assert_eq!(server.sh(ask).trim(), "True\nsent", "root's datagrams leave");
}

#[test]
fn a_port_that_a_tenant_opens_answers_nobody() {
    let (server, alice, bob) = neighbours("listen");
    let listen = |port: u16| {
        format!(
            "python3 -c 'import socket,time\nfor f,a in ((socket.AF_INET,\"0.0.0.0\"),(socket.AF_INET6,\"::\")):\n s=socket.socket(f);\n \
             f==socket.AF_INET6 and s.setsockopt(41,26,1);\n s.bind((a,{port})); s.listen(9); globals()[a]=s\ntime.sleep(600)'"
        )
    };
    let listens = |port: u16| {
        eventually("the port is open", || {
            let open = server.sh(&format!("ss -Hltn 'sport = :{port}'"));
            (open.lines().count() == 2).then_some(())
        });
    };
    let connects = |port: u16| {
        let address = (server.ip.as_str(), port).to_socket_addrs().expect("an address").next().expect("one");
        TcpStream::connect_timeout(&address, Duration::from_secs(3)).is_ok()
    };
    // The same program of root's is reached, so it is the rules that stop a tenant's.
    let control = listen(45_001);
    let mut root = server.spawn(&["timeout", "600", "sh", "-c", &control]);
    listens(45_001);
    assert!(connects(45_001), "a port of root's answers");

    let script = listen(45_002);
    let mut outside =
        server.spawn(&["timeout", "600", "setpriv", "--reuid", &alice.uid, "--regid", &alice.uid, "--clear-groups", "sh", "-c", &script]);
    alice.inside(
        &server,
        &format!("cat >~/tmp/listen.sh <<'END'\n{}\nEND\nsetsid sh ~/tmp/listen.sh >/dev/null 2>&1 </dev/null &", listen(45_003)),
    );
    for port in [45_002, 45_003] {
        listens(port);
        assert!(!connects(port), "{port} answers the world");
        let dialled = format!("127.0.0.1 {port}\n::1 {port}\n{} {port}\n", server.ip);
        let (_, reached) = bob.inside(&server, &format!("{DIAL} <<'END'\n{dialled}END\n"));
        assert_eq!(reached.trim(), "", "Bob's PHP reaches Alice's port {port}");
    }
    for child in [&mut root, &mut outside] {
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[test]
fn a_tenant_cannot_log_in_by_any_way() {
    let (server, alice, _bob) = neighbours("login");
    // A user of the same make with a uid of an administrator's, to show that the questions below can be answered with yes.
    server.sh("useradd -m -u 1500 -s /usr/sbin/nologin human");
    let allowed = |user: &str, service: &str| server.lets_in(user, service);
    for service in ["sshd", "su", "su-l", "login", "cron", "atd", "other"] {
        // `other` refuses everybody by itself on some systems; it is only asked about the tenant.
        assert!(service == "other" || allowed("human", service), "{service} takes a user who is no account");
        assert!(!allowed(&alice.username, service), "{service} takes an account");
    }
    let su = |user: &str| server.run(&["su", "-s", "/bin/sh", user, "-c", "id -un"]);
    assert_eq!(su("human").stdout.trim(), "human");
    let refused = su("alice");
    assert!(refused.status != 0 && refused.stdout.is_empty(), "{refused:?}");

    // ssh with a key that the tenant put there, once for a command and once for what `nologin` alone does not stop.
    server.sh("ssh-keygen -q -t ed25519 -N '' -f /root/key; systemctl start ssh");
    for user in ["human", "alice"] {
        server.sh(&format!(
            "install -d -o {user} -g {user} -m 700 /home/{user}/.ssh; install -o {user} -g {user} -m 600 /root/key.pub /home/{user}/.ssh/authorized_keys"
        ));
    }
    let ssh = |user: &str, port: u16| {
        server.run(&[
            "ssh",
            "-i",
            "/root/key",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "BatchMode=yes",
            "-o",
            "ExitOnForwardFailure=yes",
            "-o",
            "ControlMaster=yes",
            "-o",
            &format!("ControlPath=/root/{user}.ctl"),
            "-f",
            "-N",
            "-L",
            &format!("{port}:127.0.0.1:781"),
            &format!("{user}@127.0.0.1"),
        ])
    };
    assert_eq!(ssh("human", 46_001).status, 0, "a user who is no account may forward");
    server.run(&["ssh", "-o", "ControlPath=/root/human.ctl", "-O", "exit", "human@127.0.0.1"]);
    let refused = ssh("alice", 46_002);
    assert_ne!(refused.status, 0, "{refused:?}");
    assert_eq!(server.sh("ss -Hltn 'sport = :46002'"), "");
}

/// One visitor's view of Alice's site: what was answered, and whether it holds anything of somebody else's.
fn leak(reply: &Reply, markers: &[String]) -> Option<String> {
    let text = reply.text();
    markers.iter().find(|marker| text.contains(marker.as_str())).cloned()
}

#[test]
fn links_swapped_under_a_load_of_requests_show_nothing_of_others() {
    let (server, alice, bob) = neighbours("links");
    alice.put(&server, "own.txt", "own");
    alice.put(&server, "secret.txt", "own");
    // What nginx's workers themselves can read, by modes alone.
    server.sh("head -c1 /etc/passwd /var/log/dpkg.log /var/lib/opterius/pages/suspended.html >/dev/null; echo page-of-ours-3c >/var/lib/opterius/pages/marked.html");
    server.sh("install -d /var/lib/opterius/entries/x; echo key-of-ours-91 >/var/lib/opterius/entries/x/key.pem; chgrp -R opterius-web /var/lib/opterius/entries/x; chmod 750 /var/lib/opterius/entries/x; chmod 640 /var/lib/opterius/entries/x/key.pem");
    let worker = |path: &str| {
        let script = "setpriv --reuid www-data --regid opterius-web --clear-groups cat \"$1\"";
        server.run(&["sh", "-c", script, "sh", path]).stdout
    };
    let markers: Vec<String> =
        [SECRET, "root:x:0:0:", "page-of-ours-3c", "key-of-ours-91", "\"rid\":\"", " status installed ", "daemon.notice", "user www-data"]
            .map(str::to_owned)
            .to_vec();
    for (path, marker) in [
        ("/home/bob/bob.test/public_html/secret.txt", SECRET),
        ("/etc/passwd", "root:x:0:0:"),
        ("/var/lib/opterius/pages/marked.html", "page-of-ours-3c"),
        ("/var/lib/opterius/entries/x/key.pem", "key-of-ours-91"),
        ("/var/log/opterius/access.json", "\"rid\":\""),
        ("/var/log/dpkg.log", " status installed "),
        ("/etc/nginx/opterius/nginx.conf", "user www-data"),
    ] {
        assert!(worker(path).contains(marker), "nginx itself can read {path}");
    }
    // Two loops at once: what the document root is, and what files in it are. Every state is one that lasts only a moment.
    let swap = "import os, itertools\n\
        home = '/home/alice'; site = home + '/alice.test'; root = site + '/public_html'\n\
        def link(target, path):\n\
        \x20   os.symlink(target, path + '.new'); os.rename(path + '.new', path)\n\
        others = ['/home/bob/bob.test/public_html', '/var/lib/opterius/sites/bob.test/home/bob.test/public_html', '/var/lib/opterius/entries/x',\n\
        \x20        '/var/lib/opterius', '/var/lib/opterius/pages', '/etc', '/var/log', '/var/log/opterius', '/', '/home/bob/bob.test', '/proc/self/root']\n\
        files = [other + '/' + name for other, name in [('/home/bob/bob.test/public_html', 'secret.txt'), ('/etc', 'passwd'), ('/var/log/opterius', 'access.json'),\n\
        \x20        ('/var/lib/opterius/entries/x', 'key.pem'), ('/var/log', 'dpkg.log'), ('/etc/nginx/opterius', 'nginx.conf')]]\n\
        os.mkdir(site + '/kept', 0o755)\n\
        for n in itertools.count():\n\
        \x20   other = others[n % len(others)]\n\
        \x20   if n % 3 == 0:\n\
        \x20       os.rename(root, site + '/real'); os.symlink(other, root); os.unlink(root); os.rename(site + '/real', root)\n\
        \x20   elif n % 3 == 1:\n\
        \x20       os.rename(site, home + '/real'); os.symlink(['/home/bob/bob.test', '/', '/var/lib/opterius/sites/bob.test'][n % 9 // 3], site); os.unlink(site); os.rename(home + '/real', site)\n\
        \x20   else:\n\
        \x20       for name in ('swapped.txt', 'index.html', 'own.txt'):\n\
        \x20           link(files[n % len(files)], root + '/' + name); open(root + '/' + name + '.new', 'w').write('own'); os.rename(root + '/' + name + '.new', root + '/' + name)\n\
        \x20       link(other, root + '/dir'); os.unlink(root + '/dir')\n\
        \x20   if n % 50 == 0: open(home + '/tmp/rounds', 'w').write(str(n))\n";
    alice.sh(&server, &format!("cat >~alice/tmp/swap.py <<'END'\n{swap}END\n"));
    let mut swapping = server.spawn(&[
        "setpriv",
        "--reuid",
        &alice.uid,
        "--regid",
        &alice.uid,
        "--clear-groups",
        "timeout",
        "900",
        "python3",
        "/home/alice/tmp/swap.py",
    ]);
    let rounds = || server.run(&["cat", "/home/alice/tmp/rounds"]).stdout.trim().parse::<u64>().unwrap_or(0);
    eventually("the loop runs", || (rounds() > 100).then_some(()));

    let targets = [
        "/",
        "/own.txt",
        "/secret.txt",
        "/secret.php",
        "/index.html",
        "/swapped.txt",
        "/passwd",
        "/key.pem",
        "/x/key.pem",
        "/etc/passwd",
        "/marked.html",
        "/pages/marked.html",
        "/access.json",
        "/opterius/access.json",
        "/dpkg.log",
        "/log/dpkg.log",
        "/nginx/opterius/nginx.conf",
        "/dir/secret.txt",
        "/dir/passwd",
        "/dir/access.json",
        "/dir/key.pem",
        "/dir/dpkg.log",
        "/public_html/secret.txt",
        "/entries/x/key.pem",
        "/home/bob/bob.test/public_html/secret.txt",
        "/sites/bob.test/home/bob.test/public_html/secret.txt",
    ];
    let (count, own, other) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    let before = rounds();
    std::thread::scope(|scope| {
        for visitor in 0..4 {
            let (server, markers, count, own, other, done) = (&server, &markers, &count, &own, &other, &done);
            scope.spawn(move || {
                for turn in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let target = targets[(turn + visitor * 7) % targets.len()];
                    let reply = server.get("alice.test", target);
                    let leaked = leak(&reply, markers);
                    assert_eq!(leaked, None, "{target}: {}", reply.status);
                    count.fetch_add(1, Ordering::Relaxed);
                    let counter = if reply.status == 200 { own } else { other };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Not by the clock: as many answers as it takes, and as many rounds of the loop.
        within_a_quarter_of_an_hour(|| count.load(Ordering::Relaxed) >= 8000 && rounds() > before + 3000, &swapping);
        done.store(true, Ordering::Relaxed);
    });
    let _ = swapping.kill();
    let _ = swapping.wait();
    server.run(&["pkill", "-9", "-f", "/home/alice/tmp/swap.py"]);
    assert!(count.load(Ordering::Relaxed) >= 8000);
    assert!(own.load(Ordering::Relaxed) > 100 && other.load(Ordering::Relaxed) > 100, "both states were met: {own:?} {other:?}");
    assert_eq!(server.get("bob.test", "/secret.txt").text(), SECRET, "and Bob's own site still shows it");
    drop(bob);
}

/// Waits without a promise about time, since four visitors and a loop share the machine with everything else.
fn within_a_quarter_of_an_hour(mut condition: impl FnMut() -> bool, _running: &std::process::Child) {
    opterius_e2e::within(Duration::from_mins(15), "the load", || condition().then_some(()));
}

#[test]
fn links_that_stay_show_nothing_of_others_and_odd_files_hold_up_nobody() {
    let (server, alice, bob) = neighbours("odd");
    let other = |path: &str| server.get("alice.test", path);
    // Each as it stands, with the caches warm and cold.
    for (link, target, path) in [
        ("a1", "/etc/passwd", "/a1"),
        ("a2", "/home/bob/bob.test/public_html/secret.txt", "/a2"),
        ("a3", "/home/bob/bob.test/public_html", "/a3/secret.txt"),
        ("a4", "/var/lib/opterius/sites/bob.test", "/a4/home/bob.test/public_html/secret.txt"),
        ("a5", "/", "/a5/etc/passwd"),
        ("a6", "/proc/self/environ", "/a6"),
        ("a7", "/proc/self/root", "/a7/etc/passwd"),
        ("a8", "/var/log/opterius/access.json", "/a8"),
        ("a9.php", "/home/bob/bob.test/public_html/secret.php", "/a9.php"),
    ] {
        alice.sh(&server, &format!("ln -s {target} {link}"));
        for _ in 0..2 {
            let reply = other(path);
            assert_ne!(reply.text(), SECRET);
            for marker in [SECRET, "root:x:0:0:", "\"rid\":\"", "PATH="] {
                assert!(!reply.text().contains(marker), "{path} shows {marker}");
            }
        }
    }
    // Its own data under another name is served.
    alice.sh(&server, "mkdir ../more; echo own-more >../more/x.txt; chmod 755 ../more; chmod 644 ../more/x.txt; ln -s ../more/x.txt own; ln -s ../more dir");
    assert_eq!(other("/own").text(), "own-more\n");
    assert_eq!(other("/dir/x.txt").text(), "own-more\n");

    // Hard links to what is not its own.
    for target in ["/home/bob/bob.test/public_html/secret.txt", "/etc/passwd", "/var/lib/opterius/pages/suspended.html"] {
        let made = alice.run(&server, &format!("ln {target} {}/hard", alice.docroot()), "");
        assert_ne!(made.status, 0, "a hard link to {target}");
    }

    // A FIFO, a socket, a loop, a huge file, odd modes: nginx has few workers, so each is asked for more often than there are.
    alice.sh(
        &server,
        "mkfifo fifo fifo.php; ln -s loop loop; python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('sock')\"; \
         truncate -s 4T huge.bin; mkdir closed; echo x >closed/x.txt; chmod 000 closed; echo x >none.txt; chmod 000 none.txt; \
         mkdir f; mkfifo f/index.html; mv index.php ../",
    );
    // For two seconds each worker of nginx may believe that the script is still there, and ask PHP, which is held up below. New ones know it.
    server.ok(&["systemctl", "restart", "nginx"]);
    assert!(other("/index.php").text().contains("<center>nginx</center>"), "nginx itself says that index.php is gone");
    // A script that is a FIFO holds up its own PHP, as a script that sleeps would.
    let stuck: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = server.web();
            std::io::Write::write_all(&mut stream, b"GET /fifo.php HTTP/1.0\r\nHost: alice.test\r\n\r\n").expect("sent");
            stream
        })
        .collect();
    std::thread::scope(|scope| {
        for path in ["/fifo", "/f/", "/loop", "/sock", "/closed/x.txt", "/none.txt"] {
            for _ in 0..8 {
                let server = &server;
                scope.spawn(move || {
                    let reply = server.get("alice.test", path);
                    assert!(reply.status >= 200, "{path} is answered: {}", reply.status);
                });
            }
        }
        // Half a response of a huge file, and its length alone.
        for _ in 0..8 {
            let mut stream = server.web();
            std::io::Write::write_all(&mut stream, b"GET /huge.bin HTTP/1.0\r\nHost: alice.test\r\n\r\n").expect("sent");
            let mut some = [0; 4096];
            stream.read_exact(&mut some).expect("it begins");
            let head = server.send(b"HEAD /huge.bin HTTP/1.0\r\nHost: alice.test\r\n\r\n");
            assert_eq!((head.status, head.header("content-length")), (200, Some("4398046511104")), "{}", head.head);
        }
        for _ in 0..100 {
            assert_eq!(server.get("bob.test", "/secret.txt").text(), SECRET, "Bob's site answers meanwhile");
        }
    });

    drop(stuck);
    alice.sh(&server, "rm fifo.php; mv ../index.php .");
    // Opened by somebody, the FIFOs let go of PHP.
    server.sh(&format!("pkill -9 -u {} php-fpm", alice.uid));

    // The document root, or what is above it, in every state that its owner can bring it to.
    for (breaks, mends) in [
        ("mv ../public_html ../gone", "mv ../gone ../public_html"),
        ("chmod 000 ../public_html", "chmod 2750 ../public_html"),
        ("mv ../public_html ../gone; echo file >../public_html", "rm ../public_html; mv ../gone ../public_html"),
        ("mv ../public_html ../gone; mkfifo ../public_html", "rm ../public_html; mv ../gone ../public_html"),
        ("mv ../public_html ../gone; ln -s public_html ../public_html", "rm ../public_html; mv ../gone ../public_html"),
        ("chmod 000 ~alice", "chmod 711 ~alice"),
        ("mv ~alice/alice.test ~alice/gone", "mv ~alice/gone ~alice/alice.test"),
    ] {
        let broken = alice.run(&server, &format!("cd {} && {breaks}", alice.docroot()), "");
        assert_eq!(broken.status, 0, "{breaks}: {}", broken.stderr);
        for path in ["/", "/own", "/inside.php", "/fifo"] {
            // A look-up may be two seconds old.
            let reply = eventually("the site is broken", || Some(other(path)).filter(|reply| reply.status != 200));
            assert!((400..=502).contains(&reply.status), "{breaks}: {path} is {}: {}", reply.status, reply.text());
            assert!(!reply.text().contains("/home/") && !reply.text().contains("public_html"), "{breaks}: a path in {}", reply.text());
        }
        assert_eq!(server.get("bob.test", "/secret.txt").text(), SECRET, "{breaks}");
        let home = format!(
            "cd /home/alice/alice.test/gone 2>/dev/null || cd /home/alice/gone/public_html 2>/dev/null || cd {} 2>/dev/null; {mends}",
            alice.docroot()
        );
        // As root where the tenant shut itself out.
        let mended = server.run(&["sh", "-c", &home]);
        assert_eq!(mended.status, 0, "{mends}: {}", mended.stderr);
        eventually("the site is back", || (other("/own").status == 200).then_some(()));
    }
    drop(bob);
}
