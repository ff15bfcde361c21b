//! Stopping parts of a server at chosen points, and seeing where an account stands meanwhile.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::account::Debris;
use crate::order::Order;
use crate::repository;
use crate::server::{Output, Server};
use crate::wait::eventually;

/// How much of an account is on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// All of it is there, once, and the site and the DNS server answer.
    Whole,
    /// All of it is there, once; the site says that it is suspended, and the DNS server answers.
    Suspended,
    /// Nothing claims its names, and its home is kept in the trash.
    Kept,
    /// Nothing claims its names, and nothing is kept.
    Gone,
    /// Anything else, with what was found and what did not answer.
    Between(Vec<String>),
}

impl Standing {
    /// Looks at everything that belongs to the account, and visits it.
    pub fn of(server: &Server, username: &str, domain: &str) -> Self {
        let mut found = Debris::find(server, username, domain).0;
        if found.is_empty() {
            return Self::Gone;
        }
        if found.len() == 1 && found[0].starts_with("kept:") {
            return Self::Kept;
        }
        let of = |kind: &str| found.iter().filter(|line| line.starts_with(kind)).count();
        let each_once = ["passwd:", "shadow:", "group:", "home:", "logs:", "site:", "zone:"].iter().all(|kind| of(kind) == 1);
        let staged = found.iter().any(|line| line.contains("/staging"));
        if !each_once || of("row:") != 2 || staged {
            return Self::Between(found);
        }
        let (status, page) = server.visit(domain, "/");
        let (addresses, start) = (server.dig(domain, "A"), server.dig(domain, "SOA"));
        let names = addresses == [server.ip.clone()] && start.len() == 1;
        match status {
            200 if names && page.contains("is ready") => return Self::Whole,
            503 if names && page.contains("suspended") => return Self::Suspended,
            _ => {}
        }
        found.push(format!("answers: {status} {page} {addresses:?} {start:?}"));
        Self::Between(found)
    }
}

impl Server {
    /// Gives a unit these failpoints from its next start on. Empty for none.
    pub fn arm(&self, unit: &str, failpoints: &str) {
        self.sh(&format!(
            "dir=/run/systemd/system/{unit}.service.d\nmkdir -p $dir\n\
             printf '[Service]\\nEnvironment=\"FAILPOINTS={failpoints}\"\\n' >$dir/failpoints.conf\nsystemctl daemon-reload"
        ));
    }

    /// Gives the Panel these failpoints and starts it again.
    pub fn set_panel_failpoints(&self, failpoints: &str) {
        self.arm("opterius-panel", failpoints);
        self.sh("systemctl restart opterius-panel.service");
        self.wait_until_ready();
    }

    /// One call of the Agent as root, over its socket: the status and the answer. Status 0 if nothing answers.
    pub fn agent(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let url = format!("http://agent{path}");
        let mut command =
            vec!["curl", "-sS", "--max-time", "90", "-X", method, "--unix-socket", "/run/opterius/agent.sock", "-w", "\n%{http_code}"];
        if body.is_some() {
            command.extend(["-H", "Content-Type: application/json", "--data-binary", "@-"]);
        }
        command.push(&url);
        let output = self.feed(&command, body.map(ToString::to_string).unwrap_or_default());
        let Some((answer, status)) = output.stdout.rsplit_once('\n') else { return (0, Value::Null) };
        (status.parse().unwrap_or(0), serde_json::from_str(answer).unwrap_or(Value::Null))
    }

    /// The id of the newest operation on an account of this username, once the Panel has put one down.
    pub fn newest_operation(&self, username: &str) -> Option<String> {
        let query = format!("select id from operation where username = '{username}' order by started_at desc limit 1");
        let id = self.ok(&["sqlite3", "-readonly", "-cmd", ".timeout 5000", "/var/lib/opterius-panel/panel.db", &query]);
        Some(id.trim().to_owned()).filter(|id| !id.is_empty())
    }

    /// What the Agent says of a step of the newest operation on an account of this username: `running`, `done`, …; nothing if it has
    /// not begun.
    pub fn step(&self, username: &str, step: &str) -> Option<String> {
        let id = self.newest_operation(username)?;
        let (status, report) = self.agent("GET", &format!("/operations/{id}?seen=0&wait_ms=0"), None);
        let steps = report["steps"].as_array().filter(|_| status == 200)?;
        let last = steps.iter().rev().find(|one| one["name"] == step)?;
        last["state"].as_str().map(str::to_owned)
    }

    /// The Agent's journal of the newest operation on an account of this username; empty if there is none.
    pub fn operation_journal(&self, username: &str) -> String {
        let Some(id) = self.newest_operation(username) else { return String::new() };
        self.run(&["cat", &format!("/var/lib/opterius-agent/operations/{id}.jsonl")]).stdout
    }

    /// Has the Agent fail or pause at these points from now on, without a restart, until this is called with others or nothing.
    pub fn fail_at(&self, points: &str) {
        let write = "if [ -n \"$1\" ]; then printf %s \"$1\" >/run/opterius/failpoints; else rm -f /run/opterius/failpoints; fi";
        self.ok(&["sh", "-ec", write, "sh", points]);
    }

    /// kill -9 of the main processes of these units at the same moment, and waits until they are gone. An Agent that pauses where [`Self::fail_at`]
    /// said goes no further, and the one that starts in its place knows no such point.
    pub fn kill_at_once(&self, units: &[&str]) {
        // Stopped first, since the Agent goes on as soon as the file no longer has it pause.
        let script = "pids=; for unit; do pid=$(systemctl show -P MainPID $unit); [ $pid -gt 1 ]; pids=\"$pids $pid\"; done; kill -STOP $pids\n\
             case \" $* \" in *' opterius-agent '*) rm -f /run/opterius/failpoints;; esac\n\
             kill -9 $pids; for pid in $pids; do while [ -e /proc/$pid ]; do sleep 0.01; done; done";
        self.ok(&[&["sh", "-ec", script, "sh"], units].concat());
    }

    /// Adds lines to the Agent's configuration, and starts it again.
    pub fn configure_agent(&self, lines: &str) {
        self.ok(&["sh", "-ec", "printf '%s\\n' \"$1\" >>/etc/opterius/agent.toml; systemctl restart opterius-agent", "sh", lines]);
        self.wait_until_ready();
    }

    /// Has systemd start a unit again 50 ms after it was killed, and not after seconds, for a test that kills it again and again.
    pub fn restart_soon(&self, unit: &str) {
        self.sh(&format!(
            "mkdir -p /run/systemd/system/{unit}.service.d\n\
             printf '[Service]\\nRestartSec=50ms\\n' >/run/systemd/system/{unit}.service.d/quick.conf\nsystemctl daemon-reload"
        ));
    }

    /// Ends an account, and waits until nothing of it is kept.
    pub fn terminate(&self, account: &str) {
        let gone = self.done("DELETE", &format!("/api/accounts/{account}?keep_days=0"), None);
        assert_eq!(gone["status"], "terminated", "{gone}");
        self.until("the trash is empty", &format!("! ls -d /home/.opterius-trash/*{account} /var/log/opterius/accounts/.kept-{account}"));
    }

    /// The account of this username, as the Panel knows it.
    ///
    /// # Panics
    /// When there is not exactly one.
    pub fn account_id(&self, username: &str) -> String {
        let (status, answer) = self.admin("GET", &format!("/api/accounts?username={username}"));
        assert!(status == 200 && answer["page"]["total"] == 1, "{answer}");
        answer["data"][0]["id"].as_str().expect("an account has an id").to_owned()
    }

    /// Waits until a shell script ends with 0 in the server.
    pub fn until(&self, what: &str, script: &str) {
        eventually(what, || (self.run(&["sh", "-c", script]).status == 0).then_some(()));
    }

    /// `apt-get` without questions, with what it says in English.
    pub fn apt(&self, arguments: &[&str]) -> Output {
        let command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0"];
        self.run(&[&command[..], arguments].concat())
    }
}

impl Order {
    /// Begins to press the button "Create" in a process of its own, which the test may end.
    ///
    /// # Panics
    /// When php does not start.
    pub fn begin(&self, server: &Server) -> Child {
        let parameters = tempfile::NamedTempFile::new().expect("a temporary file").into_temp_path();
        std::fs::write(&parameters, self.parameters(server).to_string()).expect("the parameters are written");
        let input = std::fs::File::open(&parameters).expect("the parameters can be read");
        Command::new("php")
            .arg(repository::path().join("billing/whmcs/tests/order.php"))
            .arg("CreateAccount")
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("php starts")
    }
}
