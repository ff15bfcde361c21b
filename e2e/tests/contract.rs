//! The Agent's fake host is held to the real one: the same contract, run on a real server.

use std::process::Command;

use opterius_e2e::{Server, repository};
use opterius_protocol::bounded::{self, MIB};

/// The unit tests of the Agent as a program, built as `./test` builds all unit tests, so that it is there already.
fn agent_tests() -> Vec<u8> {
    #[expect(clippy::disallowed_methods, reason = "the program is cargo")]
    let output = Command::new(env!("CARGO"))
        .args(["test", "--locked", "--workspace", "--all-features", "--lib", "--no-run", "--message-format", "json"])
        .current_dir(repository::path())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).expect("cargo writes text");
    let program = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "opterius_agent" && message["profile"]["test"] == true)
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
        .expect("cargo names the program");
    bounded::file(program, 1024 * MIB).expect("the program can be read")
}

#[test]
fn the_real_host_keeps_the_contract_that_the_fake_one_keeps() {
    let server = Server::new("contract");
    server.feed(&["sh", "-ec", "cat >/root/agent-tests && chmod 700 /root/agent-tests"], agent_tests());
    let output = server.run(&["/root/agent-tests", "--ignored", "--exact", "host::contract::the_real_host_keeps_the_contract"]);
    assert!(output.status == 0 && output.stdout.contains("1 passed"), "{}{}", output.stdout, output.stderr);
}
