//! Staff hear by mail of what they must not miss, from the Panel as it is installed.

use std::time::Duration;

use opterius_e2e::{Order, Server, Standing, eventually, within};
use serde_json::json;

/// A mail server that takes everything, and adds it to `/root/mails`.
const SINK: &str = r#"<?php
$server = stream_socket_server('tcp://127.0.0.1:25');
while ($c = stream_socket_accept($server, -1)) {
    fwrite($c, "220 sink\r\n");
    while (($line = fgets($c)) !== false) {
        $verb = strtoupper(substr($line, 0, 4));
        if ($verb === 'DATA') {
            fwrite($c, "354 go on\r\n");
            $mail = '';
            while (($line = fgets($c)) !== false && rtrim($line, "\r\n") !== '.') $mail .= $line;
            file_put_contents('/root/mails', quoted_printable_decode($mail), FILE_APPEND);
        }
        fwrite($c, $verb === 'QUIT' ? "221 bye\r\n" : "250 ok\r\n");
        if ($verb === 'QUIT') break;
    }
    fclose($c);
}
"#;

#[test]
fn an_operation_that_needs_attention_is_told_by_mail() {
    let server = Server::new("notices");
    assert_eq!(server.feed(&["tee", "/root/sink.php"], SINK).status, 0);
    server.ok(&["systemd-run", "--unit=sink", "php", "/root/sink.php"]);
    let mail = json!({
        "host": "127.0.0.1", "port": 25, "encryption": "none", "sender": "panel@opterius.test", "recipients": ["staff@opterius.test"],
    });
    let (status, answer) = server.admin_send("PUT", "/api/settings/mail", &mail);
    assert_eq!(status, 200, "{answer}");

    // What was to be undone in the DNS server cannot be looked at while it is stopped.
    server.fail_at("add_zone.before=pause");
    let order = Order::new(&server, 1, "alice", "alice.example");
    let answer = std::thread::scope(|scope| {
        let pressed = scope.spawn(|| order.create_at_a_browser(&server));
        eventually("the step has begun", || (server.step(&order.username, "dns zone")? == "running").then_some(()));
        server.sh("systemctl stop pdns.service");
        server.fail_at("");
        pressed.join().expect("the order is answered")
    });
    assert!(!answer.is_success(), "{}", answer.text());
    let mails = within(Duration::from_mins(2), "staff are told", || {
        // Long headers are folded.
        let mails = server.run(&["cat", "/root/mails"]).stdout.replace("\r\n ", " ");
        mails.contains("alice.example").then_some(mails)
    });
    let (_, operations) = server.admin("GET", "/api/operations");
    let operation = operations["data"][0]["id"].as_str().expect("an operation").to_owned();
    for text in ["From: Opterius <panel@opterius.test>", "To: staff@opterius.test", "alice (alice.example) needs attention", &operation] {
        assert!(mails.contains(text), "{text}: {mails}");
    }
    server.sh("systemctl start pdns.service");
    eventually("everything is undone", || (Standing::of(&server, &order.username, &order.domain) == Standing::Gone).then_some(()));
    assert_eq!(server.run(&["cat", "/root/mails"]).stdout.matches("Auto-Submitted").count(), 1, "it is told once");
}
