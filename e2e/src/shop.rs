//! A WHMCS that sells accounts of a server: the module in the stand-in, with its database, over a connection that may go wrong.

use std::process::{Child, Command, Stdio};

use opterius_protocol::bounded;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::order::Order;
use crate::repository;
use crate::server::{Server, run};
use crate::wait::eventually;

/// What WHMCS made of a press of a button.
#[derive(Debug, Clone)]
pub struct Pressed {
    /// What the function of the module returned.
    pub result: Value,
    /// The service's status in WHMCS afterwards.
    pub status: String,
}

impl Pressed {
    /// Whether the module answered the literal `success`.
    pub fn is_success(&self) -> bool {
        self.result == "success"
    }
}

/// A WHMCS of its own, in a directory of its own.
#[derive(Debug)]
pub struct Shop<'a> {
    server: &'a Server,
    directory: TempDir,
    /// Nothing: straight to the Panel.
    proxy: Option<FaultProxy>,
    access_hash: String,
    port: u16,
    root: String,
    /// Whether the form of the server that the database holds is this installation's own.
    own_form: bool,
}

impl<'a> Shop<'a> {
    /// A WHMCS that uses the server's token over a connection that may go wrong.
    ///
    /// # Panics
    /// When its connection to the Panel does not come up.
    pub fn new(server: &'a Server) -> Self {
        let proxy = FaultProxy::start(server);
        let token = server.access_hash.split('.').nth(1).expect("an access hash holds a token");
        let access_hash = format!("o1.{token}.{}", proxy.pin);
        Self { access_hash, port: proxy.port, proxy: Some(proxy), ..Self::direct(server) }
    }

    /// A WHMCS that uses the server's token, with nothing between it and the Panel.
    ///
    /// # Panics
    /// When there is no temporary directory.
    pub fn direct(server: &'a Server) -> Self {
        Self {
            server,
            directory: tempfile::tempdir().expect("a temporary directory"),
            proxy: None,
            access_hash: server.access_hash.clone(),
            port: server.panel_port,
            root: "/srv/whmcs".to_owned(),
            own_form: true,
        }
    }

    /// A copy of this installation, as somebody makes it to try something out: the same database in another directory.
    ///
    /// # Panics
    /// When there is no database yet.
    #[must_use]
    pub fn copied(&self, root: &str) -> Self {
        let copy = Self { root: root.to_owned(), own_form: false, ..Self::new(self.server) };
        std::fs::copy(self.directory.path().join("whmcs.sqlite"), copy.directory.path().join("whmcs.sqlite"))
            .expect("the database is copied");
        copy
    }

    /// What goes wrong with the next requests, a word of `fault-proxy` each.
    ///
    /// # Panics
    /// When nothing can go wrong, since nothing is in between.
    pub fn goes_wrong(&self, faults: &str) {
        self.proxy.as_ref().expect("there is a proxy").set(faults);
    }

    /// Orders a service and presses the button "Create".
    pub fn create(&self, order: &Order) -> Pressed {
        self.press_with("CreateAccount", order, &self.parameters(order))
    }

    /// Presses a button of a service that was ordered, saying what belongs to it.
    pub fn press(&self, action: &str, order: &Order, said: &Value) -> Pressed {
        let mut parameters = self.parameters(order);
        // What WHMCS has of the service by now.
        let known = ["username", "password", "domain", "serveraccesshash", "serverport"];
        for name in &known[..if self.own_form { known.len() } else { 3 }] {
            parameters.as_object_mut().expect("an object").remove(*name);
        }
        for (name, value) in said.as_object().into_iter().flatten() {
            parameters[name] = value.clone();
        }
        self.press_with(action, order, &parameters)
    }

    fn parameters(&self, order: &Order) -> Value {
        let mut parameters = order.parameters(self.server);
        parameters["serveraccesshash"] = json!(self.access_hash);
        parameters["serverport"] = json!(self.port.to_string());
        parameters
    }

    fn press_with(&self, action: &str, order: &Order, parameters: &Value) -> Pressed {
        let mut command = Command::new("php");
        command.arg(repository::path().join("billing/whmcs/tests/order.php")).arg(action);
        command.arg("--database").arg(self.directory.path().join("whmcs.sqlite"));
        command.args(["--directory", &self.root]);
        let output = run(&mut command, parameters.to_string());
        assert_eq!(output.status, 0, "php {action} of {}: {}{}", order.username, output.stdout, output.stderr);
        let answer: Value = serde_json::from_str(&output.stdout).expect("the driver prints JSON");
        assert_eq!(answer["leaks"], json!([]), "the module leaks no secret");
        let result = if answer["exception"].is_null() { answer["result"].clone() } else { answer["exception"].clone() };
        Pressed { result, status: answer["status"].as_str().unwrap_or_default().to_owned() }
    }
}

/// The program `fault-proxy` before a Panel. It ends with this.
#[derive(Debug)]
struct FaultProxy {
    directory: TempDir,
    process: Child,
    port: u16,
    /// The pin of its key, as an access hash has it.
    pin: String,
}

impl FaultProxy {
    fn start(server: &Server) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        let certificate = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=proxy \
             -keyout key.pem -out certificate.pem 2>openssl.log && \
             openssl pkey -in key.pem -pubout -outform DER | openssl dgst -sha256 -binary | openssl base64 -A";
        let made = run(Command::new("sh").args(["-ec", certificate]).current_dir(directory.path()), "");
        assert_eq!(made.status, 0, "{}", made.stderr);
        let process = Command::new(repository::path().join("e2e/fault-proxy"))
            .arg(format!("127.0.0.1:{}", server.panel_port))
            .arg(directory.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("the proxy starts");
        let port = eventually("the proxy takes connections", || bounded::text(at("port"), 1024).ok()?.trim().parse().ok());
        Self { directory, process, port, pin: made.stdout.trim().to_owned() }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Whole, since the proxy may look at any moment.
    fn set(&self, faults: &str) {
        let new = self.file("faults.new");
        std::fs::write(&new, faults).and_then(|()| std::fs::rename(&new, self.file("faults"))).expect("the faults are written");
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
