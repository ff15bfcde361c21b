//! What customers do with the sockets, descriptors and logs that their PHP holds is nobody's business but their own: opterius-phpd goes on.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use opterius_e2e::{Server, Tenant, eventually, finish, within};
use serde_json::{Value, json};

const HELLO: &str = "<?php echo 'hello from ', get_current_user();";
const CRASH: &str = "<?php posix_kill(posix_getppid(), 9); sleep(5);";

/// Waits, as another customer, for descriptors that a customer passes, and takes O_NONBLOCK away from each, over and over.
const TAKER: &str = r#"
import fcntl, os, socket, threading
os.setsid()
meeting = socket.socket(socket.AF_UNIX)
meeting.bind("\0meeting")
meeting.listen()
def flip(fd):
    flags = fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_NONBLOCK
    while True:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags)
while True:
    giver, _ = meeting.accept()
    _, fds, _, _ = socket.recv_fds(giver, 1, 1)
    threading.Thread(target=flip, args=fds).start()
    giver.send(b"x")
"#;

/// Passes the listening socket, one of the descriptors from 100, to whoever waits for it.
const GIVE: &str = r#"
import os, socket
def listens(fd):
    try:
        return socket.socket(fileno=os.dup(fd)).getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        return False
fd = next(fd for fd in range(100, 164) if listens(fd))
meeting = socket.socket(socket.AF_UNIX)
meeting.connect("\0meeting")
socket.send_fds(meeting, [b"x"], [fd])
meeting.recv(1)
print("passed")
"#;

fn pid_of_phpd(server: &Server) -> String {
    server.ok(&["systemctl", "show", "-P", "MainPID", "opterius-phpd"]).trim().to_owned()
}

fn master(server: &Server, tenant: &Tenant) -> String {
    server.sh(&format!("pgrep -o -u {} php-fpm", tenant.uid)).trim().to_owned()
}

/// Whether phpd answers.
fn answers(server: &Server) -> bool {
    server.run(&["curl", "-sf", "-m", "5", "--unix-socket", "/run/opterius/phpd.sock", "http://phpd/health"]).status == 0
}

#[test]
fn customers_who_pass_their_sockets_on_and_make_them_blocking_hold_nobody_up() {
    let server = Server::new("flip");
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| Tenant::new(&server, name, &format!("{name}.test")));
    dave.put(&server, "hello.php", HELLO);
    carol.put(&server, "taker.py", TAKER);
    let (status, said) = carol.inside(&server, "python3 ~/carol.test/public_html/taker.py >/dev/null 2>&1 &");
    assert_eq!(status, 0, "{said}");
    for tenant in [&alice, &bob] {
        tenant.put(&server, "crash.php", CRASH);
    }
    let pass = |tenant: &Tenant| {
        eventually("the socket is passed", || {
            tenant.with_its_socket(&server, &["/usr/bin/python3", "-c", GIVE]).stdout.contains("passed").then_some(())
        });
    };
    let backs_off = |tenant: &Tenant| {
        eventually("its PHP backs off", || {
            server.get(&tenant.domain, "/crash.php");
            let pool = format!("http://phpd/pools/{}/main", tenant.account);
            let told = server.run(&["curl", "-s", "-m", "5", "--unix-socket", "/run/opterius/phpd.sock", &pool]);
            // No answer at all is what the rest of this test finds.
            (told.status != 0 || told.stdout.contains("backing_off")).then_some(())
        });
    };
    for tenant in [&alice, &bob] {
        pass(tenant);
        backs_off(tenant);
    }
    // Each of these is turned away at once, or starts a PHP that crashes.
    let asks = "for i in $(seq 150); do for host in alice.test bob.test; do \
                curl -s -m 20 -o /dev/null -w '%{http_code}\\n' -H \"Host: $host\" http://127.0.0.1/crash.php; done; done | sort | uniq -c";
    let told = server.run(&["sh", "-c", asks]).stdout;
    assert_eq!(told.trim(), "300 502");
    assert!(answers(&server), "phpd answers");
    assert_eq!(server.get("dave.test", "/hello.php").text(), "hello from dave");
    let order = json!({ "username": "erin", "domain": "erin.test", "password": "correct horse battery", "package_id": server.starter,
                        "external_ref": "test:erin" });
    let (status, answer) = server.api("POST", "/api/accounts", Some(&order));
    assert_eq!(status, 201, "{answer}");
    let path = format!("/api/accounts/{}/suspend", alice.account);
    let (status, answer) = server.api("POST", &path, Some(&json!({ "reason": "abuse" })));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(server.get("alice.test", "/hello.php").status, 503);

    // While it is stopped and started, and while a thread of it may be held up.
    for _ in 0..3 {
        for _ in 0..20 {
            let mut stream = server.web();
            write!(stream, "GET /crash.php HTTP/1.0\r\nHost: bob.test\r\n\r\n").expect("sent");
        }
        assert_eq!(server.run(&["timeout", "20", "systemctl", "restart", "opterius-phpd"]).status, 0);
        assert!(answers(&server), "phpd answers");
        assert_eq!(server.get("dave.test", "/hello.php").text(), "hello from dave");
    }
}

/// Has a process make a socket, bind it to a name, listen on it, and put it in the place of its descriptor 3: what somebody does who has the
/// master of FPM in hand. Its arguments are the process and the name.
const REPLACE: &str = r#"
$c = FFI::cdef('long ptrace(long, long, void *, void *); int waitpid(int, int *, int);
    struct regs { unsigned long r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags, rsp, ss,
    fs_base, gs_base, ds, es, fs, gs; };', 'libc.so.6');
[, $pid, $name] = $argv;
$pid = (int) $pid;
$number = fn ($value) => $c->cast('void *', $value);
$old = $c->new('struct regs');
$wait = function () use ($c, $pid) { $status = $c->new('int'); $c->waitpid($pid, FFI::addr($status), 0); };
if ($c->ptrace(16, $pid, null, null) !== 0) { exit(1); }
$wait();
$c->ptrace(12, $pid, null, FFI::addr($old));
$call = function (int $call, int ...$arguments) use ($c, $pid, $old, $wait): int {
    $regs = clone $old;
    $regs->rip = $old->rip - 2;
    $regs->rax = $call;
    $regs->orig_rax = -1;
    [$regs->rdi, $regs->rsi, $regs->rdx] = $arguments + [0, 0, 0];
    $c->ptrace(13, $pid, null, FFI::addr($regs));
    $c->ptrace(9, $pid, null, null);
    $wait();
    $c->ptrace(12, $pid, null, FFI::addr($regs));
    return $regs->rax;
};
$at = $old->rsp - 1024;
$address = str_pad(pack('v', 1) . $name . "\0", 112, "\0");
foreach (unpack('P*', $address) as $index => $word) {
    $c->ptrace(5, $pid, $number($at + 8 * ($index - 1)), $number($word));
}
$fd = $call(41, 1, 1, 0);
$told = [$fd > 3, $call(49, $fd, $at, 3 + strlen($name)), $call(50, $fd, 16), $call(33, $fd, 3)];
$c->ptrace(13, $pid, null, FFI::addr($old));
$c->ptrace(17, $pid, null, null);
echo json_encode($told);
"#;

/// Asks a tenant's PHP for something that lasts until it is told to end.
fn hold(server: &Server, tenant: &Tenant) -> TcpStream {
    tenant.put(
        server,
        "hold.php",
        "<?php $t = getenv('HOME') . '/tmp/'; touch($t . 'begun'); while (!file_exists($t . 'end')) { usleep(20000); clearstatcache(); } echo 'held';",
    );
    let mut stream = server.web();
    write!(stream, "GET /hold.php HTTP/1.0\r\nHost: {}\r\n\r\n", tenant.domain).expect("sent");
    eventually("the request runs", || (server.run(&["test", "-e", &format!("{}/tmp/begun", tenant.home())]).status == 0).then_some(()));
    stream
}

#[test]
fn after_a_stop_and_a_start_what_runs_is_known_again_and_a_neighbours_name_gets_nobody_anything() {
    let server = Server::new("taken-back");
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| {
        let tenant = Tenant::new(&server, name, &format!("{name}.test"));
        tenant.put(&server, "hello.php", HELLO);
        assert_eq!(server.get(&tenant.domain, "/hello.php").text(), format!("hello from {name}"));
        tenant
    });
    let held = hold(&server, &carol);
    let directory = format!("/run/opterius/php/{}", bob.account);
    let files = || server.sh(&format!("stat -c '%n %i' {directory}/* {directory}/.main.*"));
    let before = files();
    let name = server.sh(&format!("echo {directory}/.main.*")).trim().to_owned();

    // Alice binds a socket to the name of Bob's, in a view of her own, and puts it where her FPM has its own.
    let hers = master(&server, &alice);
    server.sh(&format!(
        "nsenter -t {hers} -m sh -c 'mount -t tmpfs tmpfs /run && mkdir -p {directory} && chmod -R 777 /run'; readlink /proc/{hers}/fd/3"
    ));
    let replaced = server.ok(&["php", "-r", REPLACE, "--", &hers, &name]);
    assert_eq!(replaced, "[true,0,0,3]", "Alice has the socket that she wanted");

    let masters = [&bob, &carol].map(|tenant| master(&server, tenant));
    server.ok(&["systemctl", "stop", "opterius-phpd"]);
    server.ok(&["systemctl", "start", "opterius-phpd"]);
    for (tenant, before) in [&bob, &carol].into_iter().zip(&masters) {
        let pool: Value = serde_json::from_str(&server.ok(&[
            "curl",
            "-sf",
            "--unix-socket",
            "/run/opterius/phpd.sock",
            &format!("http://phpd/pools/{}/main", tenant.account),
        ]))
        .expect("JSON");
        assert_eq!((&pool["state"], &pool["listening"]), (&Value::from("running"), &Value::from(true)), "{pool}");
        assert_eq!(&pool["master_pid"].to_string(), before, "it is the same PHP: {pool}");
    }
    assert_eq!(files(), before, "Bob's socket is as it was");
    for tenant in [&alice, &bob, &carol] {
        assert_eq!(server.get(&tenant.domain, "/hello.php").text(), format!("hello from {}", tenant.username));
    }
    carol.sh(&server, "touch ~carol/tmp/end");
    assert_eq!(finish(held).text(), "held", "no request is lost");

    let path = format!("/api/accounts/{}/suspend", alice.account);
    let (status, answer) = server.api("POST", &path, Some(&json!({ "reason": "abuse" })));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(files(), before, "and still is when Alice is suspended");
    assert_eq!(server.get("bob.test", "/hello.php").text(), "hello from bob");
    // systemd has the sockets again: another restart finds them there.
    let pid = pid_of_phpd(&server);
    server.ok(&["systemctl", "restart", "opterius-phpd"]);
    assert_ne!(pid_of_phpd(&server), pid);
    assert_eq!(files(), before);
    assert_eq!(master(&server, &bob), masters[0]);
    assert_eq!(server.get("bob.test", "/hello.php").text(), "hello from bob");
}

#[test]
fn a_customer_who_writes_to_the_log_without_an_end_fills_no_disk() {
    let server = Server::new("log-flood");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "where.php", "<?php echo ini_get('error_log');");
    alice.put(&server, "says.php", "<?php error_log('the last words'); echo 'said';");
    let log = server.get("alice.test", "/where.php").text();
    // The largest that it ever was, looked at all the time.
    let largest = "largest=0; while [ ! -e /tmp/over ]; do now=$(du -sk /var/log/opterius/accounts/alice | cut -f1); \
                   [ \"$now\" -le \"$largest\" ] || largest=$now; done; echo $largest";
    let watch = server.spawn(&["sh", "-c", largest]);
    let flood = format!(
        "for i in 1 2 3 4; do timeout 10 sh -c 'while :; do head -c 50000000 /dev/zero | tr \"\\\\0\" \"x\" | fold -w 1000 >>{log}; done' 2>/dev/null & done; wait"
    );
    alice.inside(&server, &flood);
    assert_eq!(server.get("alice.test", "/says.php").text(), "said", "nobody waits for the log");
    server.sh("touch /tmp/over");
    #[expect(clippy::disallowed_methods, reason = "it prints one number")]
    let largest = watch.wait_with_output().expect("it ends");
    let kib: u64 = String::from_utf8_lossy(&largest.stdout).trim().parse().expect("a number");
    assert!(kib <= 16 * 1024, "{kib} KiB");
    eventually("the log says that it left something out", || {
        server.run(&["sh", "-c", "cat /var/log/opterius/accounts/alice/php.log*"]).stdout.contains("[opterius] left out ").then_some(())
    });
    within(Duration::from_mins(2), "what is written after it is there", || {
        server.get("alice.test", "/says.php");
        server.run(&["cat", "/var/log/opterius/accounts/alice/php.log"]).stdout.contains("the last words").then_some(())
    });
}

#[test]
fn php_reaches_into_no_other_process() {
    let server = Server::new("refused");
    let alice = Tenant::new(&server, "alice", "alice.test");
    // ptrace, pidfd_getfd, process_vm_readv, process_vm_writev, kcmp, userfaultfd, perf_event_open, bpf, keyctl, add_key, request_key and
    // io_uring's, by their numbers on x86-64.
    let script = "perl -e 'for my $number (101, 438, 310, 311, 312, 323, 298, 321, 250, 248, 249, 425, 426, 427) \
                  { $! = 0; syscall($number, 0, 0, 0, 0, 0); print $!{EPERM} ? q(refused ) : qq($number gave $! ); }'";
    let (status, said) = alice.inside(&server, script);
    assert_eq!((status, said.trim().replace("refused ", "").trim()), (0, "refused"), "{said}");
    // What sites use goes on.
    alice.put(
        &server,
        "uses.php",
        "<?php $p = proc_open(['/bin/cat'], [['pipe', 'r'], ['pipe', 'w']], $io); fwrite($io[0], 'piped '); fclose($io[0]); \
         echo stream_get_contents($io[1]), proc_close($p), ' ', (int) opcache_get_status(false)['opcache_enabled'], ' '; \
         $sum = 0; for ($i = 0; $i < 1000000; $i++) { $sum += $i; } echo $sum;",
    );
    assert_eq!(server.get("alice.test", "/uses.php").text(), "piped 0 1 499999500000");
}
