//! A customer of the server: one who acts, rather than one who orders.

use serde_json::json;

use crate::server::{Output, Server};

/// An account, and what its owner can do with it.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The Linux user.
    pub username: String,
    /// The primary domain.
    pub domain: String,
    /// The account's id.
    pub account: String,
    /// The uid, which is the gid as well.
    pub uid: String,
}

/// Runs what is posted to it in the account's own sandbox, where its PHP runs. Beside the site's files, and reachable like them.
const INSIDE: &str = "<?php header('Content-Type: text/plain'); $f = tempnam('/tmp', 'x'); \
    file_put_contents($f, file_get_contents('php://input')); passthru('sh ' . $f . ' 2>&1', $status); unlink($f); echo \"\\n$status\";";

/// Becomes a program that has copies of the descriptors of a process, from number 100 on. Its arguments are the process and the program.
const WITH_DESCRIPTORS: &str = r"
$c = FFI::cdef('long syscall(long, long, long, long); int dup2(int, int);', 'libc.so.6');
$process = $c->syscall(434, (int) $argv[1], 0, 0);
for ($number = 0; $number < 64; $number++) {
    $copy = $c->syscall(438, $process, $number, 0);
    if ($copy >= 0) { $c->dup2($copy, 100 + $number); }
}
pcntl_exec($argv[2], array_slice($argv, 3));";

impl Tenant {
    /// An account of the package "Starter".
    pub fn new(server: &Server, username: &str, domain: &str) -> Self {
        Self::of_package(server, username, domain, &server.starter)
    }

    /// An account of the package with this id.
    ///
    /// # Panics
    /// When it is not made.
    pub fn of_package(server: &Server, username: &str, domain: &str, package: &str) -> Self {
        let order = json!({ "username": username, "domain": domain, "password": "correct horse battery", "package_id": package,
                            "external_ref": format!("test:{username}") });
        let (status, answer) = server.api("POST", "/api/accounts", Some(&order));
        assert_eq!(status, 201, "{answer}");
        let tenant = Self {
            username: username.to_owned(),
            domain: domain.to_owned(),
            account: answer["data"]["id"].as_str().expect("an account has an id").to_owned(),
            uid: server.ok(&["id", "-u", username]).trim().to_owned(),
        };
        tenant.put(server, "inside.php", INSIDE);
        tenant
    }

    /// The home on the server.
    pub fn home(&self) -> String {
        format!("/home/{}", self.username)
    }

    /// The document root on the server.
    pub fn docroot(&self) -> String {
        format!("{}/{}/public_html", self.home(), self.domain)
    }

    /// Runs a shell script as the account's user on the server itself, not in its sandbox: what a way out of the sandbox, or a shell,
    /// would give, with the usual umask.
    pub fn run(&self, server: &Server, script: &str, input: impl Into<Vec<u8>>) -> Output {
        let script = format!("umask 022\n{script}");
        let command = ["setpriv", "--reuid", &self.uid, "--regid", &self.uid, "--clear-groups", "--inh-caps=-all", "sh", "-c", &script];
        server.feed(&command, input)
    }

    /// Runs a shell script that must succeed, as [`Self::run`] does, in the document root.
    ///
    /// # Panics
    /// When it fails.
    pub fn sh(&self, server: &Server, script: &str) -> String {
        let output = self.run(server, &format!("set -e\ncd {}\n{script}", self.docroot()), "");
        assert_eq!(output.status, 0, "{}: {script}: {}{}", self.username, output.stdout, output.stderr);
        output.stdout
    }

    /// Puts a file below the document root.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn put(&self, server: &Server, path: &str, content: impl Into<Vec<u8>>) {
        let script = format!("mkdir -p \"$(dirname '{0}/{path}')\" && cat >'{0}/{path}'", self.docroot());
        let output = self.run(server, &script, content);
        assert_eq!(output.status, 0, "{path}: {}", output.stderr);
    }

    /// Runs a shell script in the account's sandbox, started by its PHP: the exit status and what it wrote.
    ///
    /// # Panics
    /// When PHP does not answer.
    pub fn inside(&self, server: &Server, script: &str) -> (i32, String) {
        let reply = server.post(&self.domain, "/inside.php", script);
        let text = reply.text();
        assert_eq!(reply.status, 200, "{text}");
        let (output, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("no status: {text}"));
        (status.parse().unwrap_or_else(|_| panic!("no status: {text}")), output.to_owned())
    }

    /// Runs a program, by its path, as root on the server itself, with the socket on which the account's PHP listens: one of its descriptors
    /// from 100 on. PHP 8.2 leaves the socket to whatever a script starts, and later ones to who breaks into PHP.
    pub fn with_its_socket(&self, server: &Server, program: &[&str]) -> Output {
        self.inside(server, "true");
        let php = server.sh(&format!("pgrep -o -u {} php-fpm", self.uid));
        server.run(&[&["php", "-r", WITH_DESCRIPTORS, "--", php.trim()], program].concat())
    }
}

impl Server {
    /// Whether PAM lets a user in whom a service has recognised: the account phase alone.
    pub fn lets_in(&self, user: &str, service: &str) -> bool {
        // PHP's own, since the base has no other program that asks PAM for that.
        let script = "$pam = FFI::cdef('struct conv { void *conv; void *data; }; int pam_start(const char *, const char *, struct conv *, void **); \
            int pam_acct_mgmt(void *, int);', 'libpam.so.0'); $conv = $pam->new('struct conv'); $handle = $pam->new('void *'); \
            if ($pam->pam_start($argv[1], $argv[2], FFI::addr($conv), FFI::addr($handle)) !== 0) { exit(1); } \
            echo $pam->pam_acct_mgmt($handle, 0);";
        self.ok(&["php", "-r", script, "--", service, user]).trim() == "0"
    }
}
