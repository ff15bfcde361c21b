//! phpd with real sandboxes: PHP-FPM 8.2 in bubblewrap. Needs root; ask for it with `--run-ignored all`.
#![expect(clippy::disallowed_methods, reason = "tests read what they wrote")]
#![expect(clippy::print_stderr, reason = "a failed test shows phpd's journal")]

mod cgroups;
mod measure;
mod older;
mod server;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use opterius_model::{Generation, Limit};
use opterius_protocol::phpd::PoolState;
use server::{Server, eventually, exists, fastcgi, processes_of, promptly};

/// Sleeps until the file is there, so that a test decides how long a request takes.
const UNTIL_GO: &str =
    "touch(getenv('HOME').'/tmp/begun'); while (!file_exists(getenv('HOME').'/tmp/go')) { usleep(10000); clearstatcache(); } echo 'whole';";

macro_rules! begun {
    ($server:expr, $spec:expr) => {
        eventually("the request runs", async || exists(&$server.path("home").join($spec.username.as_str()).join("tmp/begun"))).await
    };
}

macro_rules! go {
    ($server:expr, $spec:expr) => {
        fs::write($server.path("home").join($spec.username.as_str()).join("tmp/go"), "").expect("written")
    };
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn the_first_request_starts_php_and_the_ping_answers_account_and_generation() {
    let mut server = Server::start("").await;
    let mut spec = server.account("alice");
    spec.generation = Generation::FIRST.next();
    let status = server.put(&spec).await;
    assert!(status.listening && status.state == PoolState::Asleep && status.master_pid.is_none());
    assert_eq!(server.ping(&spec).await, format!("{} 2", spec.account_id));
    server.until(&spec, PoolState::Running).await;
    let status = server.status(&spec).await;
    assert!(processes_of(&spec).contains(&i32::try_from(status.master_pid.expect("it runs")).expect("a pid")));
    assert!(server.journal().contains("started PHP 8.2 of alice"));
    assert_eq!(server.put(&spec).await.master_pid, status.master_pid, "the same Spec again changes nothing");
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn php_sees_its_own_account_and_nothing_else() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    let other = server.account("bobby");
    server.put(&spec).await;
    server.put(&other).await;
    server.ping(&other).await;
    fs::write(server.path("home/bobby/www/secret"), "secret").expect("written");

    assert_eq!(server.php(&spec, "echo implode(' ', scandir('/home'));").await, ". .. alice");
    let top = server.php(&spec, "echo implode(' ', array_diff(scandir('/'), ['.', '..', 'lib32', 'libx32', 'lib64']));").await;
    assert_eq!(top, "bin dev etc home lib proc run sbin tmp usr var");
    assert_eq!(server.php(&spec, "echo implode(' ', scandir('/run'));").await, ". ..");
    assert_eq!(server.php(&spec, "echo implode(' ', scandir('/var/log/opterius/accounts'));").await, ". .. alice");
    let users = server.php(&spec, "foreach (file('/etc/passwd') as $line) echo strtok($line, ':'), ' ';").await;
    assert_eq!(users, "root alice nobody ");
    assert_eq!(server.php(&spec, "echo exec('/usr/bin/id -u'), ' ', exec('/usr/bin/id -G');").await, format!("{0} {0}", spec.uid.get()));
    let status = server.php(&spec, "echo file_get_contents('/proc/self/status');").await;
    for line in ["NoNewPrivs:\t1", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"] {
        assert!(status.contains(line), "{line} in {status}");
    }
    let foreign = server.path("home/bobby/www/secret");
    let foreign = foreign.display();
    assert_eq!(
        server.php(&spec, &format!("var_dump(@file_get_contents('{foreign}'), @file_get_contents('/home/bobby/www/secret'));")).await,
        "bool(false)\nbool(false)\n"
    );
    // Its own processes: bubblewrap as the first, FPM's master, the workers.
    let processes =
        server.php(&spec, "foreach (glob('/proc/[0-9]*/cmdline') as $f) echo strtok(@file_get_contents($f), \"\\0 \"), ' ';").await;
    assert!(processes.split_whitespace().all(|name| ["/usr/bin/bwrap", "php-fpm:"].contains(&name)), "{processes}");
    // The descriptors of a worker are FPM's own: none leads to a file of phpd.
    let open = server.php(&spec, "foreach (glob('/proc/self/fd/*') as $f) echo @readlink($f), '|';").await;
    let ours = ["socket:", "pipe:", "/dev/null", "/tmp/.ZendSem", "/home/alice/", "/var/log/opterius/new/php.log"];
    assert!(open.split('|').all(|target| target.is_empty() || ours.iter().any(|ours| target.starts_with(ours))), "{open}");
    for path in ["/", "/etc", "/usr", "/home", "/var/log/opterius/accounts/alice", "/var/log/opterius/new", "/dev/shm", "/run"] {
        assert_eq!(server.php(&spec, &format!("var_dump(@file_put_contents('{path}/x', 'x'));")).await, "bool(false)\n", "{path}");
    }
    for path in ["/tmp", "/home/alice", "/home/alice/tmp", "/var/tmp"] {
        assert_eq!(server.php(&spec, &format!("var_dump(@file_put_contents('{path}/x', 'x'));")).await, "int(1)\n", "{path}");
    }
    assert!(!exists(&server.path("home/alice/logs")));
    assert_eq!(server.php(&spec, "printf('%03o', umask());").await, "022", "the web server must read what PHP writes");
    assert_eq!(
        server.php(&spec, "echo ini_get('memory_limit'), ini_get('session.save_path'), getenv('HOME');").await,
        "128M/home/alice/tmp/home/alice"
    );
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn another_tenant_cannot_connect_to_a_socket() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    for uid in [spec.uid.get(), server.account("bobby").uid.get()] {
        let output = std::process::Command::new("/usr/bin/setpriv")
            .args(["--reuid", &uid.to_string(), "--regid", &uid.to_string(), "--clear-groups", "/usr/bin/perl", "-MIO::Socket::UNIX", "-e"])
            .arg("exit(IO::Socket::UNIX->new(Peer => $ARGV[0]) ? 0 : $!{EACCES} ? 13 : 1)")
            .arg(server.socket(&spec))
            .status()
            .expect("it runs");
        assert_eq!(output.code(), Some(13), "uid {uid}");
    }
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn what_goes_wrong_is_in_php_log() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    server.php(&spec, "error_log('from error_log'); file_put_contents('php://stderr', \"from stderr\\n\");").await;
    let log = server.path("logs/alice/php.log");
    eventually("both lines are there", async || {
        let text = fs::read_to_string(&log).expect("read");
        text.contains("from error_log") && text.contains("from stderr")
    })
    .await;
    assert!(server.php(&spec, "echo file_get_contents('/var/log/opterius/accounts/alice/php.log');").await.contains("from error_log"));
    let found = fs::metadata(&log).expect("there");
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (0, spec.uid.get(), 0o640), "its owner reads it, and root writes it");
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_flood_of_errors_fills_nothing_and_its_last_words_are_in_the_log() {
    let mut server = Server::start("php_log_mib = 1\nidle_seconds = 2").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    let flood = "$f = fopen('/var/log/opterius/new/php.log', 'a'); $l = str_repeat('x', 1023) . \"\n\"; \
                 for ($i = 0; $i < 100000; $i++) @fwrite($f, $l); echo disk_free_space('/var/log/opterius/new');";
    for _ in 0..3 {
        server.php(&spec, flood).await;
        let used: u64 =
            fs::read_dir(server.path("logs/alice")).expect("read").flatten().map(|file| file.metadata().expect("there").len()).sum();
        assert!(used <= 3 << 20, "{used} bytes are used");
    }
    assert_eq!(server.php(&spec, "var_dump(@file_get_contents('/var/log/opterius/new/php.log'));").await, "bool(false)\n");
    let log = server.path("logs/alice/php.log");
    let told = || [log.clone(), log.with_extension("log.1")].map(|path| fs::read_to_string(path).unwrap_or_default()).concat();
    eventually("the log says that it left something out", async || told().contains("[opterius] left out ")).await;
    // While it is full, what is written is lost, and said to be.
    eventually("there is room again", async || {
        server.php(&spec, "error_log('after the flood');").await;
        told().contains("after the flood")
    })
    .await;
    server.php(&spec, "error_log('the last words');").await;
    eventually("PHP stops", async || server.status(&spec).await.state == PoolState::Asleep && processes_of(&spec).is_empty()).await;
    eventually("the last words are there", async || told().contains("the last words")).await;
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn no_sandbox_reaches_into_other_processes() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    // ptrace(PTRACE_TRACEME), pidfd_getfd, process_vm_readv, keyctl, io_uring_setup, and pidfd_getfd of the x32 ABI, by their numbers on x86-64.
    let code = r"$perl = <<<'P'
        for my $n (101, 438, 310, 250, 425, 0x40000000 + 438) { $! = 0; syscall($n, 0, 0, 0, 0, 0); print $! + 0, q{ }; }
        P;
        echo shell_exec('/usr/bin/perl -e ' . escapeshellarg($perl));";
    assert_eq!(server.php(&spec, code).await, "1 1 1 1 1 1 ");
    // What sites do goes on: other programs, and opcache.
    let code = "$p = proc_open(['/bin/cat'], [['pipe', 'r'], ['pipe', 'w']], $io); fwrite($io[0], 'piped'); fclose($io[0]); \
                echo stream_get_contents($io[1]), proc_close($p);";
    assert_eq!(server.php(&spec, code).await, "piped0");
}

/// What a tenant does with the descriptor that FPM inherited. In the master it is number 3, and every worker has it too.
#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn without_systemds_store_a_php_is_known_by_the_socket_that_it_got() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    let other = server.account("bobby");
    for spec in [&spec, &other] {
        server.put(spec).await;
        server.ping(spec).await;
        server.until(spec, PoolState::Running).await;
    }
    let masters = [server.status(&spec).await.master_pid, server.status(&other).await.master_pid];
    let directory = server.socket(&other).parent().expect("a directory").to_owned();
    let bound =
        || fs::read_dir(&directory).expect("it is there").flatten().map(|file| file.file_name()).collect::<std::collections::BTreeSet<_>>();
    let before = bound();
    server.kill_phpd();
    server.start_phpd().await;
    for (spec, master) in [(&spec, masters[0]), (&other, masters[1])] {
        let status = server.status(spec).await;
        assert!(status.state == PoolState::Running && status.master_pid == master && status.listening, "{status:?}");
        assert_eq!(server.ping(spec).await, spec.ping_response());
    }
    assert_eq!(bound(), before);
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_start_that_phpd_did_not_survive_leaves_nothing() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    let runs = server.path("run/phpd/runs");
    let run = || fs::read_dir(&runs).expect("it is there").flatten().next().map(|run| run.path());
    let text = |name: &str| run().and_then(|run| fs::read_to_string(run.join(name)).ok()).unwrap_or_default();
    // What a start leaves on disk as it goes on.
    let stages: [(&str, &dyn Fn() -> bool); 7] = [
        ("its directory is there", &|| run().is_some()),
        ("its record is there", &|| !text("record.json").is_empty()),
        ("its files are there", &|| !text("nsswitch.conf").is_empty()),
        ("the starter wrote down its name", &|| !text("starter.json").is_empty()),
        ("bubblewrap began its report", &|| !text("report.json").is_empty()),
        ("bubblewrap has reported", &|| text("report.json").contains('}')),
        ("its processes are recorded", &|| text("record.json").contains("\"master\"")),
    ];
    // Killed in the middle of starts: whatever there is then is ended by the next one, or taken up.
    for (what, reached) in stages {
        let request = fastcgi::send(&server.socket(&spec), "/x.php").expect("connected");
        promptly(what, reached).await;
        server.kill_phpd();
        drop(request);
        server.start_phpd().await;
        assert_eq!(server.ping(&spec).await, spec.ping_response());
        assert!(server.delete(&spec).await);
        assert!(processes_of(&spec).is_empty());
        assert_eq!(fs::read_dir(server.path("run/phpd/runs")).expect("it is there").count(), 0);
        server.put(&spec).await;
    }
    server.kill_phpd();
    let needle = server.path("").display().to_string();
    let left = fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let left: Vec<String> = left.map(|line| String::from_utf8_lossy(&line).into_owned()).filter(|line| line.contains(&needle)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn an_idle_php_is_stopped_and_the_next_request_wakes_it() {
    let mut server = Server::start("idle_seconds = 1").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    // Longer than the idle time: a request that runs keeps PHP up.
    assert_eq!(server.php(&spec, "sleep(4); echo 'whole';").await, "whole");
    eventually("PHP stops", async || server.status(&spec).await.state == PoolState::Asleep && processes_of(&spec).is_empty()).await;
    assert_eq!(server.ping(&spec).await, spec.ping_response());
    assert!(server.journal().contains("after 1 seconds without a request"));
    assert_eq!(server.health().await.backing_off, []);
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn no_request_is_lost_while_php_stops_and_starts() {
    let mut server = Server::start("idle_seconds = 1").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    // FPM ends a worker after a second or two, phpd ends FPM after one more: requests all over these moments.
    for ms in (1000..3600).step_by(200) {
        assert_eq!(server.ping(&spec).await, spec.ping_response());
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    assert!(server.journal().matches("started PHP").count() > 1, "it was stopped in between, or this tests nothing");
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_running_request_survives_the_death_of_phpd() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    let script = server.script(&spec, "slow", UNTIL_GO);
    let slow = fastcgi::send(&server.socket(&spec), &script).expect("connected");
    begun!(server, spec);
    server.until(&spec, PoolState::Running).await;
    let master = server.status(&spec).await.master_pid;

    server.kill_phpd();
    assert_eq!(server.ping(&spec).await, spec.ping_response(), "PHP answers also while phpd is away");
    server.start_phpd().await;

    let status = server.status(&spec).await;
    assert!(status.state == PoolState::Running && status.master_pid == master && status.listening, "{status:?}");
    go!(server, spec);
    let answer = tokio::task::spawn_blocking(|| slow.answer()).await.expect("no panic").expect("the request is whole");
    assert_eq!(answer.body(), "whole");
    assert_eq!(server.ping(&spec).await, spec.ping_response());
    assert!(server.delete(&spec).await);
    assert!(processes_of(&spec).is_empty());
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_php_that_died_while_phpd_was_away_is_noticed() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    server.ping(&spec).await;
    server.until(&spec, PoolState::Running).await;
    server.kill_phpd();
    for pid in processes_of(&spec) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).expect("killed");
    }
    eventually("PHP is gone", async || processes_of(&spec).is_empty()).await;
    server.start_phpd().await;
    assert_eq!(server.status(&spec).await.state, PoolState::Asleep);
    assert_eq!(server.ping(&spec).await, spec.ping_response());
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn after_a_reboot_every_pool_listens_and_a_bad_file_stops_no_other() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    let other = server.account("bobby");
    server.put(&spec).await;
    server.put(&other).await;
    server.kill_phpd();
    fs::remove_dir_all(server.path("run")).expect("what a reboot does");
    let bad = server.path("state/pools").join(other.account_id.to_string()).join("main.json");
    fs::write(&bad, "{").expect("written");
    server.start_phpd().await;
    assert_eq!(server.ping(&spec).await, spec.ping_response());
    let health = server.health().await;
    assert!(health.pools == 1 && health.unreadable.len() == 1 && health.unreadable[0].contains("main.json"), "{health:?}");
    assert!(server.journal().contains("a pool does not listen"));
    server.put(&other).await;
    assert_eq!(server.ping(&other).await, other.ping_response());
    assert!(server.health().await.unreadable.is_empty());
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_changed_spec_holds_from_the_next_request_on_and_ends_none() {
    let mut server = Server::start("").await;
    let mut spec = server.account("alice");
    server.put(&spec).await;
    let script = server.script(&spec, "slow", UNTIL_GO);
    let slow = fastcgi::send(&server.socket(&spec), &script).expect("connected");
    begun!(server, spec);
    for memory in [64, 96, 128, 160] {
        spec.memory_mib = Limit::try_from(memory).expect("a limit");
        spec.generation = spec.generation.next();
        server.put(&spec).await;
        assert_eq!(server.ping(&spec).await, spec.ping_response(), "at once, and always");
        assert_eq!(server.php(&spec, "echo ini_get('memory_limit');").await, format!("{memory}M"));
    }
    go!(server, spec);
    let answer = tokio::task::spawn_blocking(|| slow.answer()).await.expect("no panic").expect("the request is whole");
    assert_eq!(answer.body(), "whole");
    eventually("only the last PHP is left", async || {
        fs::read_dir(server.path("run/phpd/runs")).expect("it is there").count() == 1
            && fs::read_dir(server.socket(&spec).parent().expect("a directory")).expect("it is there").count() == 2
    })
    .await;
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn requests_that_wait_while_the_spec_changes_are_answered() {
    let mut server = Server::start("").await;
    let mut spec = server.account("alice");
    spec.workers = Limit::try_from(1).expect("a limit");
    server.put(&spec).await;
    let script = server.script(&spec, "slow", UNTIL_GO);
    let slow = fastcgi::send(&server.socket(&spec), &script).expect("connected");
    begun!(server, spec);
    // The one worker is busy, so these wait in the socket that is about to be replaced.
    let quick = server.script(&spec, "quick", "echo 'quick';");
    let waiting: Vec<_> = (0..5).map(|_| fastcgi::send(&server.socket(&spec), &quick).expect("connected")).collect();
    spec.generation = spec.generation.next();
    server.put(&spec).await;
    for sent in waiting {
        assert_eq!(tokio::task::spawn_blocking(|| sent.answer()).await.expect("no panic").expect("it is answered").body(), "quick");
    }
    go!(server, spec);
    assert_eq!(tokio::task::spawn_blocking(|| slow.answer()).await.expect("no panic").expect("it is answered").body(), "whole");
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn deleting_a_pool_leaves_nothing() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    // A request that never ends, and a process that it left behind.
    let script = server.script(
        &spec,
        "stuck",
        "exec('/usr/bin/setsid /bin/sleep 1000 > /dev/null 2>&1 &'); touch(getenv('HOME').'/tmp/begun'); while (true) sleep(1);",
    );
    let stuck = fastcgi::send(&server.socket(&spec), &script).expect("connected");
    begun!(server, spec);
    assert!(server.delete(&spec).await);
    assert!(processes_of(&spec).is_empty());
    assert!(!exists(server.socket(&spec).parent().expect("a directory")));
    assert_eq!(fs::read_dir(server.path("state/pools")).expect("it is there").count(), 0);
    assert_eq!(fs::read_dir(server.path("run/phpd/runs")).expect("it is there").count(), 0);
    assert!(stuck.answer().is_err());
    assert!(!server.delete(&spec).await, "again is no error");
    assert_eq!(server.health().await.pools, 0);
    server.put(&spec).await;
    assert_eq!(server.ping(&spec).await, spec.ping_response(), "it can be made again");
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_pool_deleted_while_phpd_was_away_is_cleared_when_it_starts() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    server.ping(&spec).await;
    server.until(&spec, PoolState::Running).await;
    server.kill_phpd();
    // As if it had been killed in the middle of deleting: the file goes first.
    fs::remove_dir_all(server.path("state/pools").join(spec.account_id.to_string())).expect("removed");
    server.start_phpd().await;
    assert!(processes_of(&spec).is_empty());
    assert!(!exists(server.socket(&spec).parent().expect("a directory")));
    assert_eq!(server.health().await.pools, 0);
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_crash_loop_backs_off_closes_at_once_and_recovers_by_itself() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    let suicide = server.script(&spec, "suicide", "posix_kill(posix_getppid(), 9); sleep(10);");
    eventually("phpd backs off", async || {
        let answer = server.ask(&spec, &suicide).await;
        assert!(answer.is_err(), "{answer:?}");
        server.status(&spec).await.state == PoolState::BackingOff
    })
    .await;
    let health = server.health().await;
    assert_eq!(health.backing_off.len(), 1);
    let failure = health.backing_off[0].last_failure.clone().expect("it failed");
    assert!(failure.count >= 3 && failure.retry_at > failure.at && failure.detail.contains("signal 9"), "{failure:?}");
    // A healthy script now: turned away until the time is over, then answered.
    eventually("PHP answers again", async || server.ask(&spec, opterius_phpd::fpm_config::PING_PATH).await.is_ok()).await;
    server.until(&spec, PoolState::Running).await;
    assert_eq!(server.status(&spec).await.last_failure, None);
    let sentences =
        server.journal().lines().filter(|line| line.contains("alice") && (line.contains("WARN") || line.contains("ERROR"))).count();
    assert_eq!(sentences, 2, "one when it began to fail and one when it backed off:\n{}", server.journal());
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_start_that_cannot_work_says_why() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    fs::rename(server.path("home/alice"), server.path("home/gone")).expect("renamed");
    eventually("phpd backs off", async || {
        drop(server.ask(&spec, "/x.php").await);
        server.status(&spec).await.state == PoolState::BackingOff
    })
    .await;
    let failure = server.status(&spec).await.last_failure.expect("it failed");
    assert!(failure.detail.contains("home/alice: No such file"), "{failure:?}");
    // A link in the home's place is not followed.
    std::os::unix::fs::symlink("gone", server.path("home/alice")).expect("linked");
    let mut again = spec.clone();
    again.generation = spec.generation.next();
    server.put(&again).await;
    assert!(server.ask(&spec, "/x.php").await.is_err());
    assert!(server.status(&spec).await.last_failure.expect("it failed").detail.contains("is not a directory of uid"));
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_tenant_that_shuts_its_socket_down_gets_a_new_one() {
    let mut server = Server::start("idle_seconds = 2").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    let deaf = server.script(
        &spec,
        "deaf",
        "exec(\"/usr/bin/perl -e 'for (0..30) { open(my \\$f, qq{+<&=}, \\$_); shutdown(\\$f, 2) }'\"); echo 'deaf';",
    );
    // It shuts down the connection of this very request too, so the answer may be lost.
    drop(server.ask(&spec, &deaf).await);
    eventually("phpd notices", async || server.journal().contains("shut down from inside")).await;
    eventually("PHP answers again", async || server.ask(&spec, opterius_phpd::fpm_config::PING_PATH).await.is_ok()).await;
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_version_that_is_not_installed_is_replaced_and_that_is_told() {
    let mut server = Server::start("").await;
    let mut spec = server.account("alice");
    let there = server.health().await.php_versions.expect("it tells them");
    for choice in ["9.9", "newest"] {
        spec.php_version = opterius_model::PhpChoice::parse(choice).expect("a choice");
        spec.generation = spec.generation.next();
        assert_eq!(server.put(&spec).await.runs.as_ref(), there.first(), "before it runs");
        let runs = server.php(&spec, "echo PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION;").await;
        assert_eq!((runs.as_str(), server.status(&spec).await.runs.as_ref()), (there[0].as_str(), there.first()));
    }
    assert!(server.journal().contains("is to have PHP 9.9, which is not installed"), "{}", server.journal());
}
