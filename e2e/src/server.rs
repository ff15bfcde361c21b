//! A throw-away server.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::repository;
use crate::vm::Machine;
use crate::wait::eventually;

/// What a command in the server, or beside it, answered.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit status, -1 if a signal ended it.
    pub status: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// What it runs on.
    pub machine: Machine,
    /// Small file systems: mount point and size, such as `/home:64M`. Only in a container.
    pub small: Vec<&'static str>,
    /// The file system of `/home`, such as `xfs`. Only of a virtual machine.
    pub home: Option<&'static str>,
    /// The release of Debian, by its name; without one, OPTERIUS_RELEASE says which. Only in a container.
    pub release: Option<&'static str>,
}

/// A server with the packages installed, `opterius setup` run, a package "Starter" and a token for WHMCS. It ends with the test.
#[derive(Debug)]
pub struct Server {
    /// Its name in the sandbox.
    pub name: String,
    machine: Machine,
    /// Its IPv4 address, as it knows it.
    pub ip: String,
    /// The address at which this machine reaches it.
    pub at: String,
    /// The port on 127.0.0.1 of this machine that leads to the Panel.
    pub panel_port: u16,
    /// The id of the package "Starter".
    pub starter: String,
    /// The token for WHMCS.
    pub token: String,
    /// What goes into the access hash of WHMCS's server form.
    pub access_hash: String,
    /// The administrator's password.
    pub admin_password: String,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The directory of the packages.
fn debs() -> String {
    std::env::var("OPTERIUS_DEBS").expect("OPTERIUS_DEBS names the directory of the packages; ./test sets it")
}

fn sandbox() -> PathBuf {
    std::env::var_os("OPTERIUS_SANDBOX").map_or_else(|| repository::path().join("sandbox/sandbox"), PathBuf::from)
}

pub(crate) fn run(command: &mut Command, input: impl Into<Vec<u8>>) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command can be started");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let input = input.into();
    // A command that does not read its input is judged by what it answers.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    #[expect(clippy::disallowed_methods, reason = "tests read what they have printed")]
    let output = child.wait_with_output().expect("the command ends");
    writer.join().expect("the writer does not panic");
    Output {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Machine {
    /// The script that runs such servers.
    fn script(self) -> PathBuf {
        match self {
            Self::Container => sandbox(),
            Self::Virtual => sandbox().with_file_name("vm"),
        }
    }

    /// Runs the script, which must succeed, and answers what it wrote.
    fn ok(self, arguments: &[&str]) -> String {
        let output = run(Command::new(self.script()).args(arguments), "");
        assert_eq!(output.status, 0, "{} {arguments:?}: {}", self.script().display(), output.stderr);
        output.stdout.trim().to_owned()
    }
}

impl Server {
    /// A server for the test of this name, set up as `./try` would.
    pub fn new(test: &str) -> Self {
        Self::with(test, &Setup::default())
    }

    /// A server that differs from the usual one.
    ///
    /// # Panics
    /// When it cannot be booted or set up.
    pub fn with(test: &str, setup: &Setup) -> Self {
        let mut arguments = vec!["--debs".to_owned(), debs()];
        arguments.extend(setup.small.iter().flat_map(|small| ["--smallfs".to_owned(), (*small).to_owned()]));
        arguments.extend(setup.home.iter().flat_map(|home| ["--home".to_owned(), (*home).to_owned()]));
        arguments.extend(setup.release.iter().flat_map(|release| ["--release".to_owned(), (*release).to_owned()]));
        let mut server = Self::booted(test, setup.machine, &arguments);
        server.tell_release(setup.release);
        server.set_up();
        server
    }

    /// A server on which no package of ours was ever installed; they lie in `/srv/debs`.
    ///
    /// # Panics
    /// When it cannot be booted.
    pub fn bare(test: &str) -> Self {
        let server = Self::booted(test, Machine::Container, &[]);
        server.tell_release(None);
        #[expect(clippy::disallowed_methods, reason = "tests read what they have built")]
        let packed = Command::new("tar").args(["-C", &debs(), "-cf", "-", "."]).output().expect("tar runs");
        assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
        let unpack = "mkdir -p /srv/debs && tar -C /srv/debs --no-same-owner -xf - && chmod -R a+rX /srv/debs";
        let unpacked = server.feed(&["sh", "-ec", unpack], packed.stdout);
        assert_eq!(unpacked.status, 0, "{}", unpacked.stderr);
        server
    }

    fn booted(test: &str, machine: Machine, arguments: &[String]) -> Self {
        let name = format!("t{}-{}-{test}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let name: String = name.chars().take(32).collect::<String>().trim_end_matches('-').to_owned();
        // Made before the first step, so that a server that fails half-way is taken down too.
        let mut server = Self {
            name: name.clone(),
            machine,
            ip: String::new(),
            at: String::new(),
            panel_port: 0,
            starter: String::new(),
            token: String::new(),
            access_hash: String::new(),
            admin_password: String::new(),
        };
        let mut up = vec!["up", &name, "--hostname", "server1.opterius.test"];
        up.extend(arguments.iter().map(String::as_str));
        server.machine.ok(&up);
        server.at = server.machine.ok(&["ip", &name]);
        server.ip = match server.machine {
            Machine::Container => server.at.clone(),
            Machine::Virtual => "10.0.2.15".to_owned(),
        };
        server
    }

    /// Writes in the test's output which Debian this is, and holds it to what is wanted: this one, or what OPTERIUS_RELEASE says.
    #[expect(clippy::print_stderr, reason = "a test's output is where it is read")]
    fn tell_release(&self, wanted: Option<&str>) {
        let system = self.sh(". /etc/os-release; echo \"$VERSION_CODENAME $PRETTY_NAME\"");
        let (codename, name) = system.trim().split_once(' ').expect("a codename and a name");
        eprintln!("the server {} is {name}", self.name);
        let wanted = wanted.map_or_else(|| std::env::var("OPTERIUS_RELEASE").unwrap_or_else(|_| "trixie".to_owned()), str::to_owned);
        assert_eq!(codename, wanted, "the release of {}", self.name);
    }

    /// Runs `opterius setup` where the packages are installed, and makes a package "Starter" and a token for WHMCS. Again, after the Panel's
    /// database was purged.
    ///
    /// # Panics
    /// When a step of it fails.
    pub fn set_up(&mut self) {
        let setup = self.ok(&[
            "opterius",
            "setup",
            "--json",
            "--hostname",
            "server1.opterius.test",
            "--ipv4",
            &self.ip,
            "--nameserver",
            "ns1.opterius.test",
            "--nameserver",
            "ns2.opterius.test",
        ]);
        let setup: Value = serde_json::from_str(setup.lines().last().unwrap_or_default()).expect("setup ends with JSON");
        self.admin_password = text(&setup["admin_password"]);
        let package = self.ok(&["opterius", "package", "create", "Starter", "--disk-mib", "10240", "--json"]);
        self.starter = text(&json(&package)["id"]);
        let token = json(&self.ok(&["opterius", "token", "create", "--for", "whmcs", "--name", "test", "--json"]));
        self.token = text(&token["token"]);
        self.access_hash = text(&token["access_hash"]);
        if self.panel_port == 0 {
            self.panel_port = self.forward(8443);
        }
    }

    /// A free port on 127.0.0.1 of this machine that leads to `port` of the server.
    pub fn forward(&self, port: u16) -> u16 {
        let forwarded = self.machine.ok(&["forward", &self.name, "0", &port.to_string()]);
        forwarded.parse().expect("forward prints a port")
    }

    /// The pid, on this machine, of the server's systemd.
    pub fn init(&self) -> u32 {
        self.machine.ok(&["init", &self.name]).parse().expect("init prints a pid")
    }

    /// Runs a command in the server as root, with `input` on its standard input.
    pub fn feed(&self, command: &[&str], input: impl Into<Vec<u8>>) -> Output {
        run(Command::new(self.machine.script()).args(["run", &self.name]).args(command), input)
    }

    /// Runs a command in the server as root.
    pub fn run(&self, command: &[&str]) -> Output {
        self.feed(command, "")
    }

    /// Runs a command that must succeed, and answers what it wrote.
    ///
    /// # Panics
    /// When it fails.
    pub fn ok(&self, command: &[&str]) -> String {
        let output = self.run(command);
        assert_eq!(output.status, 0, "{command:?}: {}{}", output.stdout, output.stderr);
        output.stdout
    }

    /// Runs a shell script that must succeed in the server, and answers what it wrote.
    pub fn sh(&self, script: &str) -> String {
        self.ok(&["sh", "-ec", script])
    }

    /// Shuts the server down in order and boots it again.
    pub fn reboot(&self) {
        self.machine.ok(&["reboot", &self.name]);
    }

    /// Shuts the server down in order, puts the files of another release and the packages for it in place, and boots it again.
    pub fn upgrade(&self, release: &str) {
        self.machine.ok(&["upgrade", &self.name, release, "--debs", &debs()]);
        self.tell_release(Some(release));
    }

    /// Ends everything in the server at once and boots it again.
    pub fn crash(&self) {
        self.machine.ok(&["crash", &self.name]);
    }

    /// Cuts the power of a virtual machine. What it had not flushed to its disk is lost, but for `chance` in 100 blocks, which `seed`
    /// chooses. Answers what the disk lost.
    pub fn cut_power(&self, chance: u8, seed: u64) -> String {
        self.machine.ok(&["cut", &self.name, &chance.to_string(), &seed.to_string()])
    }

    /// Boots the server after its power was cut.
    pub fn boot(&self) {
        self.machine.ok(&["boot", &self.name]);
    }

    /// Begins a command in the server and goes on.
    pub fn spawn(&self, command: &[&str]) -> std::process::Child {
        Command::new(self.machine.script())
            .args(["run", &self.name])
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command can be started")
    }

    /// One call of the Panel's API with the token for WHMCS, over TLS: the status and the answer.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let token = self.token.clone();
        self.api_as(&token, method, path, body.map(ToString::to_string).as_deref(), "application/json")
    }

    /// One call of the Panel's API with any token, body and type.
    ///
    /// # Panics
    /// When the Panel does not answer, or not with JSON.
    pub fn api_as(&self, token: &str, method: &str, path: &str, body: Option<&str>, kind: &str) -> (u16, Value) {
        let output = self.curl(token, method, path, body, kind);
        answer(&output).unwrap_or_else(|| panic!("{method} {path}: {}", output.stderr))
    }

    /// One call of the Panel's API with the token for WHMCS, to a server that may be gone before it has answered: nothing then.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let output = self.curl(&self.token, method, path, body.map(ToString::to_string).as_deref(), "application/json");
        answer(&output).filter(|_| output.status == 0)
    }

    /// The token goes over standard input, not into the list of processes.
    fn curl(&self, token: &str, method: &str, path: &str, body: Option<&str>, kind: &str) -> Output {
        let mut request = tempfile::NamedTempFile::new().expect("a temporary file");
        request.write_all(body.unwrap_or_default().as_bytes()).expect("the body is written");
        let mut config = format!(
            "url = \"https://127.0.0.1:{}{path}\"\nrequest = \"{method}\"\ninsecure\nsilent\nshow-error\nmax-time = 60\nnoproxy = \"*\"\n\
             write-out = \"\\n%{{http_code}}\"\n",
            self.panel_port
        );
        if !token.is_empty() {
            let _ = writeln!(config, "header = \"Authorization: Bearer {token}\"");
        }
        if body.is_some() {
            let _ = writeln!(config, "header = \"Content-Type: {kind}\"\ndata-binary = \"@{}\"", request.path().display());
        }
        run(Command::new("curl").args(["-K", "-"]), config)
    }

    /// What the server's nginx answers to a visitor of `host`: the status and the page.
    pub fn visit(&self, host: &str, path: &str) -> (u16, String) {
        let output = run(
            Command::new("curl")
                .args(["-sS", "--max-time", "30", "--noproxy", "*", "-w", "\n%{http_code}", "-H"])
                .args([format!("Host: {host}"), format!("http://{}{path}", self.at)]),
            "",
        );
        match output.stdout.rsplit_once('\n') {
            Some((page, status)) => (status.parse().unwrap_or(0), page.to_owned()),
            None => (0, output.stderr),
        }
    }

    /// What the DNS server answers, one record a line.
    pub fn dig(&self, name: &str, kind: &str) -> Vec<String> {
        let transport = match self.machine {
            Machine::Container => "+notcp",
            // qemu passes no datagrams to a machine that it keeps apart from everything else.
            Machine::Virtual => "+tcp",
        };
        let question = ["+short", "+time=2", "+tries=2", transport, &format!("@{}", self.at), name, kind];
        let answer = run(Command::new("dig").args(question), "");
        answer.stdout.lines().map(str::to_owned).collect()
    }

    /// Gives the Agent these failpoints and starts it again. Empty for none.
    pub fn set_failpoints(&self, failpoints: &str) {
        self.sh(&format!(
            "mkdir -p /run/systemd/system/opterius-agent.service.d\n\
             printf '[Service]\\nEnvironment=\"FAILPOINTS={failpoints}\"\\n' >/run/systemd/system/opterius-agent.service.d/failpoints.conf\n\
             systemctl daemon-reload\nsystemctl restart opterius-agent.service"
        ));
    }

    /// kill -9 of a unit's main process, and of nothing else.
    pub fn kill(&self, unit: &str) {
        let pid = self.ok(&["systemctl", "show", "-P", "MainPID", unit]);
        self.ok(&["kill", "-9", pid.trim()]);
    }

    /// The lines of a unit's journal.
    pub fn journal(&self, unit: &str) -> String {
        self.ok(&["journalctl", "--no-pager", "-o", "cat", "-u", unit])
    }

    /// Waits until the Panel answers and reaches the Agent.
    pub fn wait_until_ready(&self) {
        eventually("the Panel answers and reaches its Agent", || {
            let (status, answer) = self.try_api("GET", "/api/self")?;
            (status == 200 && answer["data"]["servers"][0]["reachable"] == true).then_some(())
        });
    }

    fn try_api(&self, method: &str, path: &str) -> Option<(u16, Value)> {
        let output = self.run(&[
            "curl",
            "-sS",
            "--max-time",
            "10",
            "-X",
            method,
            "-w",
            "\n%{http_code}",
            "--unix-socket",
            "/run/opterius/panel.sock",
            &format!("http://panel{path}"),
        ]);
        let (answer, status) = output.stdout.rsplit_once('\n')?;
        Some((status.parse().ok()?, serde_json::from_str(answer).ok()?))
    }

    /// One call of the Panel's API as the administrator, over its Unix socket, without a body.
    ///
    /// # Panics
    /// When the Panel does not answer.
    pub fn admin(&self, method: &str, path: &str) -> (u16, Value) {
        self.try_api(method, path).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What a person would look at first, into the test's own output.
            for unit in ["opterius-agent", "opterius-panel", "opterius-phpd"] {
                let journal = self.run(&["journalctl", "--no-pager", "-o", "short-precise", "-u", unit, "-n", "60"]);
                eprintln_all(unit, &journal.stdout);
            }
            if std::env::var_os("OPTERIUS_KEEP").is_some() {
                eprintln_all("kept", &self.name);
                return;
            }
        }
        run(Command::new(self.machine.script()).args(["down", &self.name]), "");
    }
}

#[expect(clippy::print_stderr, reason = "a failed test tells what the server said")]
fn eprintln_all(title: &str, text: &str) {
    eprintln!("---- {title}\n{text}");
}

/// The status and the answer that curl printed.
fn answer(output: &Output) -> Option<(u16, Value)> {
    let (answer, status) = output.stdout.rsplit_once('\n')?;
    Some((status.parse().ok()?, if answer.is_empty() { Value::Null } else { json(answer) }))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn json(text: &str) -> Value {
    let last = text.trim();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}"))
}
