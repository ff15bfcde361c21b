//! Nothing that a customer answers, fills or makes deep holds the Agent up, fills its memory, or keeps an account from being ended.

use opterius_e2e::{Server, Setup, Standing, Tenant, eventually};

/// Answers FastCGI on the listening socket, one of the descriptors from 100. `$ARGV[0]` says with what.
const IMPOSTOR: &str = r#"
use Socket;
my $socket;
for my $fd (100 .. 163) {
    open(my $open, '+<&=', $fd) or next;
    my $listens = getsockopt($open, SOL_SOCKET, 30) or next;
    $socket = $open if unpack('i', $listens);
    last if $socket;
}
$socket or die 'no socket listens';
sub record { my ($kind, $bytes) = @_; return pack('CCnnCC', 1, $kind, 1, length $bytes, 0, 0) . $bytes }
$SIG{PIPE} = 'IGNORE';
while (1) {
    my $ready = '';
    vec($ready, fileno($socket), 1) = 1;
    select($ready, undef, undef, undef);
    accept(my $client, $socket) or next;
    sysread($client, my $asked, 65536);
    my $head = "Content-Type: text/plain\r\n\r\n";
    if ($ARGV[0] eq 'endless') {
        syswrite($client, record(6, $head));
        1 while syswrite($client, record(6, 'x' x 32768));
    } else {
        syswrite($client, record(6, "$head\e]0;owned\a\e[31mred\n") . record(6, '') . record(3, "\0" x 8));
    }
    close $client;
}
"#;

/// Has a program of the customer's answer for the account's PHP, which stands still.
fn impersonate(server: &Server, tenant: &Tenant, how: &str) {
    tenant.put(server, "impostor.pl", IMPOSTOR);
    let script = "setpriv --reuid $1 --regid $1 --clear-groups setsid perl $2/impostor.pl $3 </dev/null >/dev/null 2>&1 &";
    tenant.with_its_socket(server, &["/bin/sh", "-c", script, "sh", &tenant.uid, &tenant.docroot(), how]);
    let fpm = |signal: &str| format!("pkill {signal} -u {} php-fpm", tenant.uid);
    server.until("the program waits", &format!("pgrep -u {} -x perl", tenant.uid));
    server.sh(&fpm("-STOP"));
}

/// The most memory that the Agent ever took, in KiB.
fn peak_of_the_agent(server: &Server) -> u64 {
    let peak = server.sh("awk '/^VmHWM:/ { print $2 }' /proc/$(systemctl show -P MainPID opterius-agent)/status");
    peak.trim().parse().expect("a number")
}

#[test]
fn a_customers_program_that_answers_the_ping_takes_no_memory_and_no_terminal() {
    let server = Server::new("impostor");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let bob = Tenant::new(&server, "bob", "bob.test");
    impersonate(&server, &alice, "endless");
    let repaired = server.run(&["opterius", "account", "repair", "alice"]);
    assert_ne!(repaired.status, 0, "{}{}", repaired.stdout, repaired.stderr);
    let said = format!("{}{}", repaired.stdout, repaired.stderr);
    assert!(said.contains("longer than 256 bytes"), "{said}");
    let peak = peak_of_the_agent(&server);
    assert!(peak < 300_000, "{peak} KiB");

    impersonate(&server, &bob, "escapes");
    let repaired = server.run(&["opterius", "account", "repair", "bob"]);
    assert_ne!(repaired.status, 0, "{}{}", repaired.stdout, repaired.stderr);
    let operation = server.newest_operation("bob").expect("the repair");
    let shown = server.run(&["opterius", "operation", "show", &operation]);
    for said in
        [repaired.stdout, repaired.stderr, shown.stdout, shown.stderr, server.journal("opterius-agent"), server.journal("opterius-panel")]
    {
        assert!(!said.contains('\x1b') && !said.contains('\x07'), "{said:?}");
    }

    // Whatever they do, they are ended.
    for tenant in [&alice, &bob] {
        server.ok(&["opterius", "account", "suspend", &tenant.username, "--reason", "abuse"]);
        assert_eq!(server.sh(&format!("pgrep -u {} || true", tenant.uid)), "");
    }
}

/// Takes every block of the file system of the homes: first a customer, then root, who has some more.
fn fill_homes(server: &Server, tenant: &Tenant) {
    let script =
        |dir: &str| format!("cat /dev/zero >{dir}/filler 2>/dev/null || true; dd if=/dev/zero of={dir}/filler2 bs=512 2>/dev/null || true");
    tenant.run(server, &script(&tenant.home()), "");
    server.sh(&script("/home"));
    assert_ne!(server.run(&["sh", "-c", "head -c 8192 /dev/zero >/home/probe"]).status, 0, "it is full");
    server.sh("rm -f /home/probe");
}

/// Takes every inode.
fn take_inodes(server: &Server, tenant: &Tenant) {
    tenant.run(server, &format!("mkdir -p {0}/many; cd {0}/many; seq 100000 | xargs touch 2>/dev/null || true", tenant.home()), "");
    server.sh("mkdir -p /home/many || true; cd /home/many && seq 100000 | xargs touch 2>/dev/null || true");
    assert_ne!(server.run(&["mkdir", "/home/probe"]).status, 0, "no inode is left");
}

#[test]
fn accounts_are_ended_on_a_full_disk_and_come_back_when_there_is_room() {
    let server = Server::with("no-room", &Setup { small: vec!["/home:64M"], ..Setup::default() });
    let tenants = ["alice", "bob", "carol", "dave", "erin", "frank"].map(|name| Tenant::new(&server, name, &format!("{name}.test")));
    let [alice, bob, carol, dave, erin, frank] = &tenants;
    for tenant in &tenants {
        assert_eq!(server.sh(&format!("ls -A /home/.opterius-trash/{}", tenant.account)), "spec.reserve\nzone.reserve\n");
    }
    // As an account was that is older than the room set aside.
    for old in [erin, frank] {
        server.sh(&format!("rm -r /home/.opterius-trash/{}", old.account));
    }
    let standing = |tenant: &Tenant| Standing::of(&server, &tenant.username, &tenant.domain);
    fill_homes(&server, alice);

    server.ok(&["opterius", "account", "suspend", "bob", "--reason", "billing"]);
    server.ok(&["opterius", "account", "unsuspend", "bob"]);
    server.ok(&["opterius", "account", "terminate", "bob", "--yes"]);
    assert_eq!(standing(bob), Standing::Kept);
    assert_eq!(server.sh(&format!("ls -A /home/.opterius-trash/{}", bob.account)), "home\nspec.json\nzone.json\n");

    fill_homes(&server, alice);
    // What cannot be kept for want of room is not thrown away, and goes where nothing is to be kept.
    let refused = server.run(&["opterius", "account", "terminate", "erin", "--yes"]);
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(refused.status != 0 && said.contains("terminate the account without keeping it"), "{said}");
    assert_ne!(standing(erin), Standing::Gone, "{said}");
    server.terminate(&frank.account);
    eventually("it is gone", || (standing(frank) == Standing::Gone).then_some(()));

    // Nor does it take an inode.
    fill_homes(&server, alice);
    take_inodes(&server, alice);
    server.ok(&["opterius", "account", "terminate", "carol", "--yes"]);
    assert_eq!(standing(carol), Standing::Kept);
    server.terminate(&dave.account);
    eventually("it is gone", || (standing(dave) == Standing::Gone).then_some(()));

    // The one who filled it is ended, and there is room.
    server.sh("rm -rf /home/many /home/filler /home/filler2");
    server.terminate(&alice.account);
    for tenant in [bob, carol] {
        server.ok(&["opterius", "account", "restore", &tenant.username]);
        eventually("it is whole", || (standing(tenant) == Standing::Whole).then_some(()));
        server.until(
            "there is room for its next termination",
            &format!("[ \"$(ls -A /home/.opterius-trash/{} | tr '\\n' ' ')\" = 'spec.reserve zone.reserve ' ]", tenant.account),
        );
    }
}

#[test]
fn a_home_of_any_shape_is_counted_and_deleted() {
    let server = Server::new("shapes");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.sh(
        &server,
        "cd ..\nmkdir -p .opterius-deep-1/home .opterius-deep-2 wide\n\
         perl -e 'for (1..2000) { mkdir q(d); chdir q(d) or die $!; } open(my $file, q(>), q(file)); print $file q(x) x 5000000; close $file'\n\
         perl -e 'for (1..50000) { open(my $file, q(>), qq(wide/$_)) or die $!; }'",
    );
    let (status, usage) = server.api("GET", &format!("/api/accounts/{}/usage", alice.account), None);
    assert_eq!(status, 200, "{usage}");
    assert!(usage["data"]["disk_bytes"].as_u64().is_some_and(|bytes| bytes > 5_000_000), "{usage}");
    assert!(usage["data"]["files"].as_u64().is_some_and(|files| files > 52_000), "{usage}");
    assert_ne!(usage["data"]["disk_at_least"], true, "{usage}");

    server.terminate(&alice.account);
    assert_eq!(Standing::of(&server, "alice", "alice.test"), Standing::Gone);
    let peak = peak_of_the_agent(&server);
    assert!(peak < 300_000, "{peak} KiB");
}

#[test]
fn a_site_is_closed_on_a_full_disk_that_has_no_inode_left() {
    let server = Server::with("full-entries", &Setup { small: vec!["/var/lib/opterius:8M"], ..Setup::default() });
    let alice = Tenant::new(&server, "alice", "alice.test");
    server.sh("mkdir /var/lib/opterius/filler; cd /var/lib/opterius/filler; seq 0 100000 | xargs touch 2>/dev/null || true
         dd if=/dev/zero of=/var/lib/opterius/filler/0 bs=1k 2>/dev/null || true");
    assert_ne!(server.run(&["touch", "/var/lib/opterius/one-more"]).status, 0, "nothing can be made any more");
    server.done("POST", &format!("/api/accounts/{}/suspend", alice.account), Some(&serde_json::json!({ "reason": "spam" })));
    assert_eq!(server.get("alice.test", "/").status, 503);
    server.done("POST", &format!("/api/accounts/{}/unsuspend", alice.account), None);
    assert_eq!(server.get("alice.test", "/inside.php").status, 200);
}

#[test]
fn an_account_that_connects_without_an_end_keeps_no_other_site_from_answering() {
    let server = Server::new("connects");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let bob = Tenant::new(&server, "bob", "bob.test");
    bob.put(&server, "page.html", "bob's");
    let connect = "$held = []; $refused = 0; for ($i = 0; $i < 2000; $i++) { \
         $one = @stream_socket_client('tcp://127.0.0.1:80', $errno, $error, 2); \
         if ($one) { fwrite($one, \"GET / HTTP/1.1\\r\\n\"); $held[] = $one; } else { $refused++; } } \
         echo count($held), ' ', $refused, ' ', @stream_socket_client('tcp://127.0.0.1:80', $errno, $error, 2, STREAM_CLIENT_CONNECT, \
         stream_context_create(['socket' => ['bindto' => '127.0.3.7:0']])) ? 'open' : 'closed';";
    let output = alice.run(&server, &format!("ulimit -n 4096; exec php -r '{}'", connect.replace('\'', "'\\''")), "");
    let mut words = output.stdout.split_whitespace();
    let mut number = || words.next().and_then(|word| word.parse::<u32>().ok()).unwrap_or_else(|| panic!("{output:?}"));
    let (held, refused) = (number(), number());
    assert!(held >= 500 && refused >= 300, "most of a burst is let in, and no flood: {output:?}");
    assert_eq!(words.next(), Some("closed"), "nor from an address that is the server's own: {output:?}");
    assert_eq!(server.get("bob.test", "/page.html").text(), "bob's");
}

#[test]
fn a_visitor_who_holds_the_dns_servers_connections_keeps_no_order_from_being_made() {
    let server = Server::new("dns-held");
    let address = format!("{}:53", server.at);
    let held: Vec<_> = (0..300).filter_map(|_| std::net::TcpStream::connect(&address).ok()).collect();
    assert!(!held.is_empty());
    Tenant::new(&server, "alice", "alice.test");
    assert_eq!(server.dig("alice.test", "A"), std::slice::from_ref(&server.ip));
}
