//! More ways to ask the Panel and the DNS server than the usual ones.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::server::{Server, run};

impl Server {
    /// One call of the Panel's API as the administrator, over its Unix socket, with a body.
    ///
    /// # Panics
    /// When the Panel does not answer, or not with JSON.
    pub fn admin_send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("http://panel{path}");
        let arguments =
            ["curl", "-sS", "--max-time", "60", "-X", method, "--unix-socket", "/run/opterius/panel.sock", "-w", "\n%{http_code}"];
        let command: Vec<&str> =
            arguments.into_iter().chain(["-H", "Content-Type: application/json", "--data-binary", "@-", &url]).collect();
        let output = self.feed(&command, body.to_string());
        let (answer, status) = output.stdout.rsplit_once('\n').unwrap_or_else(|| panic!("{method} {path}: {}", output.stderr));
        let status = status.parse().unwrap_or_else(|_| panic!("{method} {path}: {}", output.stderr));
        let answer = if answer.is_empty() { Value::Null } else { serde_json::from_str(answer).expect("the Panel answers JSON") };
        (status, answer)
    }

    /// One call of the Panel's API as the administrator that must be answered with 200: the data of the answer.
    ///
    /// # Panics
    /// When the answer is another one.
    pub fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, mut answer) = self.asked(method, path, body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer["data"].take()
    }

    /// One call of the Panel's API as the administrator that must be refused: the problem.
    ///
    /// # Panics
    /// When it is not refused, or not with this status and code.
    pub fn refused(&self, method: &str, path: &str, body: Option<&Value>, status: u16, code: &str) -> Value {
        let (answered, problem) = self.asked(method, path, body);
        assert_eq!((answered, problem["code"].as_str()), (status, Some(code)), "{method} {path}: {problem}");
        problem
    }

    fn asked(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        match body {
            Some(body) => self.admin_send(method, path, body),
            // No verb of ours reads a body where it has none of its own.
            None if method == "GET" => self.admin(method, path),
            None => self.admin_send(method, path, &json!({})),
        }
    }

    /// Makes a token with `POST /api/tokens`, and answers what the Panel says of it.
    ///
    /// # Panics
    /// When the Panel refuses.
    pub fn new_token(&self, token: &Value) -> Value {
        let (status, answer) = self.admin_send("POST", "/api/tokens", token);
        assert_eq!(status, 201, "{answer}");
        answer["data"].clone()
    }

    /// Makes a token for another WHMCS, and answers what the Panel says of it.
    pub fn another_whmcs(&self, name: &str) -> Value {
        self.new_token(&json!({ "name": name, "purpose": "whmcs" }))
    }

    /// What the Panel answers over TLS, as text, to a GET with a token, or without one if it is empty: the status and the answer.
    ///
    /// # Panics
    /// When the Panel does not answer.
    pub fn get_text(&self, token: &str, path: &str) -> (u16, String) {
        // The token goes over standard input, not into the list of processes.
        let mut config = format!(
            "url = \"https://127.0.0.1:{}{path}\"\ninsecure\nsilent\nshow-error\nno-buffer\nmax-time = 60\nnoproxy = \"*\"\n\
             write-out = \"\\n%{{http_code}}\"\n",
            self.panel_port
        );
        if !token.is_empty() {
            let _ = writeln!(config, "header = \"Authorization: Bearer {token}\"");
        }
        let output = run(Command::new("curl").args(["-K", "-"]), config);
        let (answer, status) = output.stdout.rsplit_once('\n').unwrap_or_else(|| panic!("GET {path}: {}", output.stderr));
        (status.parse().unwrap_or_else(|_| panic!("GET {path}: {}", output.stderr)), answer.to_owned())
    }

    /// What the DNS server answers over TCP, one record a line.
    pub fn dig_over_tcp(&self, name: &str, kind: &str) -> Vec<String> {
        let answer = run(Command::new("dig").args(["+short", "+tcp", "+time=2", "+tries=2", &format!("@{}", self.at), name, kind]), "");
        answer.stdout.lines().map(str::to_owned).collect()
    }

    /// Whether `password` is the password of the Linux user, by crypt(3) itself. It goes over standard input, byte for byte.
    pub fn has_password(&self, username: &str, password: &str) -> bool {
        let shadow = self.ok(&["getent", "shadow", username]);
        let hash = shadow.split(':').nth(1).unwrap_or_default();
        assert!(hash.starts_with("$6$"), "{username} has a password");
        let script = r#"local $/; my ($hash, $password) = split /\n/, <STDIN>, 2; print crypt($password, $hash) eq $hash ? "yes" : "no""#;
        let answer = self.feed(&["perl", "-e", script], format!("{hash}\n{password}"));
        assert!(answer.status == 0 && !answer.stdout.is_empty(), "{}", answer.stderr);
        answer.stdout == "yes"
    }
}
