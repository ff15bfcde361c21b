//! What systemd holds the daemons to, and what it does not: their memory has a limit, they are spared when memory runs out, and no memory of
//! theirs is written to the disk. PHP inherits none of that.

use opterius_e2e::{Server, Tenant};

/// A property of a unit, as systemd has it.
fn property(server: &Server, unit: &str, name: &str) -> String {
    server.sh(&format!("systemctl show -P {name} {unit}")).trim().to_owned()
}

#[test]
fn daemons_have_a_limit_of_memory_are_spared_and_leave_no_core_and_php_is_not_spared() {
    let server = Server::new("units");
    for (unit, spared) in [("opterius-agent", "-800"), ("opterius-panel", "-500"), ("opterius-phpd", "-900")] {
        assert_eq!(property(&server, unit, "MemoryMax"), (1_u64 << 30).to_string(), "{unit}");
        let pid = property(&server, unit, "MainPID");
        assert_ne!(pid, "0", "{unit} runs");
        assert_eq!(property(&server, unit, "OOMScoreAdjust"), spared, "{unit}");
        // A container may not lower a score; on a machine the process that runs has it.
        let has = server.sh(&format!("cat /proc/{pid}/oom_score_adj"));
        assert!([spared, "0"].contains(&has.trim()), "{unit}: {has}");
        let core = server.sh(&format!("awk '/^Max core file size/ {{ print $5, $6 }}' /proc/{pid}/limits"));
        assert_eq!(core.trim(), "0 0", "{unit}");
    }
    // All customers are in it: a limit there would end some for what others use.
    assert_eq!(property(&server, "opterius-accounts", "MemoryMax"), "infinity");
    let slice = property(&server, "opterius-accounts", "ControlGroup");
    let limit = server.sh(&format!("cat /sys/fs/cgroup{slice}/memory.max 2>/dev/null || echo max"));
    assert_eq!(limit.trim(), "max");

    // A score that any system lets phpd have, and that shows whether PHP inherits it.
    server.sh("mkdir -p /run/systemd/system/opterius-phpd.service.d
         printf '[Service]\\nOOMScoreAdjust=300\\n' >/run/systemd/system/opterius-phpd.service.d/score.conf
         systemctl daemon-reload
         systemctl restart opterius-phpd");
    let phpd = server.sh("cat /proc/$(systemctl show -P MainPID opterius-phpd)/oom_score_adj");
    assert_eq!(phpd.trim(), "300");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "awake.php", "<?php echo 'awake';");
    assert_eq!(server.get("alice.test", "/awake.php").text(), "awake");
    let scores = server.sh(&format!("for pid in $(pgrep -u {}); do cat /proc/$pid/oom_score_adj; done", alice.uid));
    assert!(scores.lines().count() > 0, "its PHP runs");
    assert!(scores.lines().all(|score| score.trim() == "0"), "{scores}");
    let cores =
        server.sh(&format!("for pid in $(pgrep -u {}); do awk '/^Max core file size/ {{ print $5 }}' /proc/$pid/limits; done", alice.uid));
    assert!(cores.lines().all(|core| core.trim() == "0"), "{cores}");
}
