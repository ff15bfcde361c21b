//! What phpd costs. Asked for by hand, in a release build; it asserts nothing about time.
use std::time::Instant;

use crate::server::{Server, fastcgi};
use opterius_protocol::phpd::{GetHealth, PoolState};

/// 10,000 pools that sleep, and what they cost phpd; then the first and the next request of one.
#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM, and measures"]
async fn ten_thousand_pools() {
    const POOLS: u32 = 10_000;
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    server.kill_phpd();
    let before = server.path("state/pools").join(spec.account_id.to_string()).join("main.json");
    let text = std::fs::read_to_string(before).expect("read");
    for _ in 1..POOLS {
        let account = opterius_model::AccountId::generate().to_string();
        let directory = server.path("state/pools").join(&account);
        std::fs::create_dir(&directory).expect("made");
        std::fs::write(directory.join("main.json"), text.replace(&spec.account_id.to_string(), &account)).expect("written");
    }
    let begun = Instant::now();
    server.start_phpd().await;
    eprintln!("{POOLS} pools listen after {:?}", begun.elapsed());
    let status = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", server.phpd_pid())).expect("read");
    let kib: u32 = status.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok()).expect("a number");
    eprintln!("phpd has {kib} KiB, {} bytes a pool", u64::from(kib) * 1024 / u64::from(POOLS));
    server.kill_phpd();
    let begun = Instant::now();
    server.start_phpd().await;
    eprintln!("and again, after a kill, after {:?}", begun.elapsed());

    let script = server.script(&spec, "hello", "echo 'hello';");
    let socket = server.socket(&spec);
    let (mut first, mut next) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let ask = || {
            let begun = Instant::now();
            assert_eq!(fastcgi::ask(&socket, &script).expect("PHP answers").body(), "hello");
            begun.elapsed()
        };
        first.push(ask());
        next.extend([ask(), ask(), ask()]);
        server.until(&spec, PoolState::Running).await;
        let mut changed = spec.clone();
        changed.generation = server.status(&spec).await.spec.generation.next();
        server.put(&changed).await;
        server.until(&spec, PoolState::Asleep).await;
    }
    first.sort();
    next.sort();
    eprintln!("first request: {:?} at best, {:?} in the middle; next: {:?}, {:?}", first[0], first[5], next[0], next[15]);
    let begun = Instant::now();
    for _ in 0..1000 {
        server.call(&GetHealth {}).await.expect("it answers");
    }
    eprintln!("a look at the health: {:?}", begun.elapsed() / 1000);
}
