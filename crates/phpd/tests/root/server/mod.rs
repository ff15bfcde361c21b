//! A server with nothing on it but phpd, in a directory of its own. Needs root, bubblewrap and PHP-FPM.

pub(crate) mod fastcgi;

use std::fs::{self, File};
use std::future::Future;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use opterius_model::{AccountId, Generation, Limit, PhpChoice, PoolName, Uid, Username};
use opterius_protocol::Call;
use opterius_protocol::client::{CallError, Client};
use opterius_protocol::phpd::{DeletePool, GetHealth, GetPool, Health, PoolSpec, PoolState, PoolStatus, PutPool};

/// The longest that any condition is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// One server.
pub(crate) struct Server {
    root: tempfile::TempDir,
    phpd: Option<Child>,
    client: Client,
    accounts: Vec<PoolSpec>,
}

impl Server {
    /// With phpd running. `settings` are lines of its configuration.
    pub(crate) async fn start(settings: &str) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "this test needs root");
        let root =
            tempfile::Builder::new().prefix("phpd").permissions(fs::Permissions::from_mode(0o755)).tempdir_in("/tmp").expect("a directory");
        for directory in ["home", "logs"] {
            fs::create_dir(root.path().join(directory)).expect("made");
        }
        let at = |name: &str| root.path().join(name).display().to_string();
        let config = format!(
            "{settings}\ncontrol_socket = {:?}\nsockets = {:?}\nweb_group = \"www-data\"\npools = {:?}\nruntime = {:?}\nhomes = {:?}\nlogs = {:?}\n",
            at("run/phpd.sock"),
            at("run/php"),
            at("state/pools"),
            at("run/phpd"),
            at("home"),
            at("logs")
        );
        fs::write(root.path().join("phpd.toml"), config).expect("written");
        let client = Client::new(root.path().join("run/phpd.sock"));
        let mut server = Self { root, phpd: None, client, accounts: Vec::new() };
        server.start_phpd().await;
        server
    }

    /// Starts phpd and waits until it answers.
    pub(crate) async fn start_phpd(&mut self) {
        self.start_phpd_with(&[]).await;
    }

    /// Starts phpd with what systemd would hand to it from its store: two descriptors at most.
    pub(crate) async fn start_phpd_with(&mut self, stored: &[&OwnedFd]) {
        let journal = File::options().create(true).append(true).open(self.path("journal")).expect("opened");
        let given = |index: usize| stored.get(index).map_or_else(Stdio::null, |fd| Stdio::from(fd.try_clone().expect("a copy")));
        assert!(stored.len() <= 2, "they are passed in the place of standard input and output");
        let script = r#"exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=$$; exec "$@""#;
        let phpd = Command::new("/bin/sh")
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_opterius-phpd"), "--config"])
            .arg(self.path("phpd.toml"))
            .env_remove("NOTIFY_SOCKET")
            .env("LISTEN_FDS", stored.len().to_string())
            .stdin(given(0))
            .stdout(given(1))
            .stderr(journal)
            .spawn()
            .expect("phpd starts");
        self.phpd = Some(phpd);
        eventually("phpd answers", async || self.call(&GetHealth {}).await.is_ok()).await;
    }

    /// kill -9.
    pub(crate) fn kill_phpd(&mut self) {
        let mut phpd = self.phpd.take().expect("it runs");
        phpd.kill().expect("it is ours");
        phpd.wait().expect("it is ours");
    }

    /// phpd's number.
    pub(crate) fn phpd_pid(&self) -> u32 {
        self.phpd.as_ref().expect("it runs").id()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What phpd has logged.
    pub(crate) fn journal(&self) -> String {
        fs::read_to_string(self.path("journal")).expect("read")
    }

    /// What an Agent makes of an account before its pool.
    pub(crate) fn account(&mut self, username: &str) -> PoolSpec {
        // Tests run side by side, each in a process of its own, and look for processes by uid.
        let uid = 20_000 + (std::process::id() * 4 + u32::try_from(self.accounts.len()).expect("few accounts")) % 40_000;
        let account_id = AccountId::generate();
        let home = self.path("home").join(username);
        for directory in [home.clone(), home.join("tmp"), home.join("www")] {
            fs::create_dir(&directory).expect("made");
            lchown(&directory, Some(uid), Some(uid)).expect("given");
        }
        fs::set_permissions(&home, fs::Permissions::from_mode(0o711)).expect("set");
        let logs = self.path("logs").join(username);
        fs::create_dir(&logs).expect("made");
        fs::write(logs.join(".opterius-account"), account_id.to_string()).expect("written");
        lchown(&logs, Some(0), Some(uid)).expect("given");
        fs::set_permissions(&logs, fs::Permissions::from_mode(0o750)).expect("set");
        let spec = PoolSpec {
            account_id,
            pool: PoolName::main(),
            username: Username::parse(username).expect("a username"),
            uid: Uid::try_from(uid).expect("a uid"),
            php_version: PhpChoice::Newest,
            workers: Limit::try_from(4).expect("a limit"),
            memory_mib: Limit::try_from(128).expect("a limit"),
            generation: Generation::FIRST,
        };
        self.accounts.push(spec.clone());
        spec
    }

    /// Puts a script in the account's home; its path as PHP sees it.
    pub(crate) fn script(&self, spec: &PoolSpec, name: &str, code: &str) -> String {
        let inside = format!("www/{name}.php");
        let path = self.path("home").join(spec.username.as_str()).join(&inside);
        fs::write(&path, format!("<?php {code}")).expect("written");
        lchown(&path, Some(spec.uid.get()), Some(spec.uid.get())).expect("given");
        format!("/home/{}/{inside}", spec.username)
    }

    /// Runs code as the account and answers what it printed.
    pub(crate) async fn php(&self, spec: &PoolSpec, code: &str) -> String {
        let script = self.script(spec, &format!("s{:x}", code.len()), code);
        let answer = self.ask(spec, &script).await.expect("PHP answers");
        assert_eq!(answer.stderr, "", "{code}");
        answer.body().to_owned()
    }

    pub(crate) async fn ask(&self, spec: &PoolSpec, script: &str) -> std::io::Result<fastcgi::Answer> {
        let (socket, script) = (self.socket(spec), script.to_owned());
        tokio::task::spawn_blocking(move || fastcgi::ask(&socket, &script)).await.expect("it does not panic")
    }

    pub(crate) async fn ping(&self, spec: &PoolSpec) -> String {
        self.ask(spec, opterius_phpd::fpm_config::PING_PATH).await.expect("PHP answers").body().to_owned()
    }

    pub(crate) fn socket(&self, spec: &PoolSpec) -> PathBuf {
        self.path("run/php").join(spec.account_id.to_string()).join(format!("{}.sock", spec.pool))
    }

    pub(crate) async fn call<C: Call>(&self, call: &C) -> Result<C::Reply, CallError> {
        self.client.call(call, PATIENCE).await
    }

    pub(crate) async fn put(&self, spec: &PoolSpec) -> PoolStatus {
        self.call(&PutPool { spec: spec.clone() }).await.expect("phpd takes the pool")
    }

    pub(crate) async fn delete(&self, spec: &PoolSpec) -> bool {
        self.call(&DeletePool { account: spec.account_id, pool: spec.pool.clone() }).await.expect("phpd deletes the pool").existed
    }

    pub(crate) async fn status(&self, spec: &PoolSpec) -> PoolStatus {
        self.call(&GetPool { account: spec.account_id, pool: spec.pool.clone() }).await.expect("phpd knows the pool")
    }

    pub(crate) async fn health(&self) -> Health {
        self.call(&GetHealth {}).await.expect("phpd is well")
    }

    /// Waits for a state of the pool; for a PHP that runs, until it has been started.
    pub(crate) async fn until(&self, spec: &PoolSpec, state: PoolState) {
        eventually(&format!("the pool is {state:?}"), async || {
            let status = self.status(spec).await;
            status.state == state && (state != PoolState::Running || status.master_pid.is_some())
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("phpd's journal:\n{}", self.journal());
        }
        if let Some(mut phpd) = self.phpd.take() {
            drop(phpd.kill());
            drop(phpd.wait());
        }
        for spec in &self.accounts {
            for pid in processes_of(spec) {
                // The first process of each sandbox is root's; ending FPM's master ends it.
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
            }
        }
    }
}

/// Waits for a condition, and fails with its name if it does not come true.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let until = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < until, "{what}: not within {} seconds", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The same for what passes quickly: it looks without a pause.
pub(crate) async fn promptly(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {} seconds", PATIENCE.as_secs());
        tokio::task::yield_now().await;
    }
}

/// Every process of an account.
pub(crate) fn processes_of(spec: &PoolSpec) -> Vec<i32> {
    use std::os::unix::fs::MetadataExt as _;
    let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
    processes
        .filter(|entry| entry.metadata().is_ok_and(|found| found.uid() == spec.uid.get()))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Whether the path is there.
pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
