//! What happens to other accounts on a server is nobody's business: not one request of a neighbour fails for it.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use opterius_e2e::{Page, Server, Tenant, eventually};
use serde_json::{Value, json};

/// How many accounts come and go.
const ACCOUNTS: usize = 100;

/// How many of them are being changed at a time.
const AT_A_TIME: usize = 4;

/// Makes a change, and waits until it is made.
fn change(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = server.api(method, path, Some(body));
    match status {
        200 | 201 => answer["data"].clone(),
        202 => {
            let operation = format!("/api/operations/{}", answer["data"]["id"].as_str().expect("an operation has an id"));
            let outcome = eventually("the operation is over", || {
                let (_, answer) = server.api("GET", &operation, None);
                answer["data"]["outcome"].as_str().filter(|outcome| *outcome != "running").map(str::to_owned)
            });
            assert_eq!(outcome, "committed", "{method} {path}");
            answer["data"].clone()
        }
        _ => panic!("{method} {path}: {status} {answer}"),
    }
}

/// One account's whole life.
fn come_and_go(server: &Server, number: usize) {
    let order = json!({ "username": format!("brief{number:03}"), "domain": format!("brief{number:03}.test"), "package": "Starter",
                        "password": "correct horse battery", "external_ref": format!("brief{number}") });
    let account = format!("/api/accounts/ref:brief{number}");
    change(server, "POST", "/api/accounts", &order);
    change(server, "POST", &format!("{account}/suspend"), &json!({ "reason": "not paid" }));
    // Every other one leaves nothing behind.
    let days = if number.is_multiple_of(2) { 0 } else { 7 };
    change(server, "DELETE", &format!("{account}?keep_days={days}"), &json!({}));
}

#[test]
fn a_hundred_accounts_come_and_go_beside_a_sleeper_and_a_flooded_crash_loop_and_no_request_of_a_neighbour_fails() {
    let server = Server::new("neighbours");
    let [bob, sleeper, crasher] = ["bob", "sleeper", "crasher"].map(|name| Tenant::new(&server, name, &format!("{name}.test")));
    bob.put(&server, "hello.php", "<?php echo 'hello from ', get_current_user();");
    sleeper.put(&server, "sleep.php", "<?php sleep(600);");
    crasher.put(&server, "crash.php", "<?php posix_kill(posix_getppid(), 9); sleep(1);");
    let hello = Page { host: &bob.domain, target: "/hello.php", body: "hello from bob" };
    assert_eq!(server.get(hello.host, hello.target).text(), hello.body);
    let master = || server.sh(&format!("pgrep -o -u {} php-fpm", bob.uid));
    let before = master();

    // All workers of the sleeper, and everybody who waits for one.
    let held: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = server.web();
            stream.write_all(b"GET /sleep.php HTTP/1.0\r\nHost: sleeper.test\r\n\r\n").expect("sent");
            stream
        })
        .collect();
    let (next, over, crashes) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicUsize::new(0));
    let visits = server.visited(3, &[hello], |visits| {
        std::thread::scope(|scope| {
            let flood = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let reply = server.get("crasher.test", "/crash.php");
                    assert!([502, 504].contains(&reply.status), "a crash is a crash: {}", reply.head);
                    crashes.fetch_add(1, Ordering::Relaxed);
                }
            });
            let changers: Vec<_> = (0..AT_A_TIME)
                .map(|_| {
                    scope.spawn(|| {
                        while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < ACCOUNTS) {
                            come_and_go(&server, number);
                        }
                    })
                })
                .collect();
            let changed: Vec<_> = changers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            over.store(true, Ordering::Relaxed);
            flood.join().expect("every crash was answered");
            for changed in changed {
                changed.expect("every change was made");
            }
        });
        visits.so_far()
    });
    drop(held);
    assert!(visits > 500, "there were visitors: {visits}");
    assert!(crashes.into_inner() > 100, "it was a flood");
    assert_eq!(master(), before, "the neighbour's PHP was never started again");
    let (_, gone) = server.admin("GET", "/api/accounts?status=terminated&limit=1");
    assert_eq!(gone["page"]["total"], ACCOUNTS, "{gone}");
    assert_eq!(server.admin("GET", "/api/accounts?limit=1").1["page"]["total"], 3);
}
