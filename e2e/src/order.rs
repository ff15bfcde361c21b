//! Orders, placed as WHMCS places them: `php` loads the module and calls its functions with the parameters that WHMCS sends.

use std::process::Command;

use opterius_protocol::bounded::{self, MIB};
use serde_json::{Value, json};

use crate::repository;
use crate::server::{Server, run};

/// One order.
#[derive(Debug, Clone)]
pub struct Order {
    /// The service in WHMCS.
    pub service: u32,
    /// The addon of that service which was ordered; 0 for the service itself.
    pub addon: u32,
    /// The username that WHMCS made up.
    pub username: String,
    /// The domain that the client chose.
    pub domain: String,
    /// The password.
    pub password: String,
    /// The product's "Package Name": the id of a package, or its name.
    pub package: String,
    /// The access hash in WHMCS's server form.
    pub access_hash: String,
}

/// What the module answered, and what it logged.
#[derive(Debug, Clone)]
pub struct Answer {
    /// `success`, or a sentence.
    pub result: Value,
    /// The service's status in WHMCS afterwards.
    pub status: String,
    /// The module log, one JSON object a line.
    pub log: String,
}

impl Answer {
    /// Whether the module answered the literal `success`.
    pub fn is_success(&self) -> bool {
        self.result == "success"
    }

    /// The sentence, or `success`.
    pub fn text(&self) -> &str {
        self.result.as_str().unwrap_or_default()
    }

    /// The id under which the module sent its requests, as its log tells it.
    ///
    /// # Panics
    /// When the log has none.
    pub fn request_id(&self) -> String {
        let (_, rest) = self.log.split_once("X-Request-Id: ").expect("the log tells the request id");
        rest.chars().take_while(|c| c.is_ascii_hexdigit() || *c == '-').collect()
    }
}

impl Order {
    /// An order of the package "Starter".
    pub fn new(server: &Server, service: u32, username: &str, domain: &str) -> Self {
        Self {
            service,
            addon: 0,
            username: username.to_owned(),
            domain: domain.to_owned(),
            password: format!("Pass {service} & <word> \"'#%:\\$"),
            package: server.starter.clone(),
            access_hash: server.access_hash.clone(),
        }
    }

    /// What WHMCS calls `opterius_CreateAccount` with.
    pub(crate) fn parameters(&self, server: &Server) -> Value {
        json!({
            "serviceid": self.service, "userid": 1, "pid": 1, "packageid": 1, "serverid": 1, "addonId": self.addon,
            "domain": self.domain, "username": self.username, "password": self.password,
            "producttype": "hostingaccount", "moduletype": "opterius", "configoption1": self.package,
            "configoptions": {}, "customfields": {},
            "clientsdetails": { "id": 1, "firstname": "Ada", "lastname": "Example", "email": "ada@example.org" },
            "server": true, "serverip": "127.0.0.1", "serverhostname": "127.0.0.1", "serverusername": "", "serverpassword": "",
            "serveraccesshash": self.access_hash, "serversecure": true, "serverport": server.panel_port.to_string(),
            "serverhttpprefix": "https",
        })
    }

    /// Calls one function of the module: `CreateAccount`, `TestConnection` or `PackageLoader`.
    ///
    /// # Panics
    /// When the module leaks a secret into its log, or php does not run.
    pub fn call(&self, server: &Server, function: &str) -> Answer {
        self.call_as(server, function, "cli")
    }

    fn call_as(&self, server: &Server, function: &str, sapi: &str) -> Answer {
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let driver = repository::path().join("billing/whmcs/tests/order.php");
        let mut php = Command::new("php");
        php.arg(driver).arg(function).args(["--sapi", sapi, "--log"]).arg(log.path());
        let output = run(&mut php, self.parameters(server).to_string());
        assert_eq!(output.status, 0, "php {function}: {}{}", output.stdout, output.stderr);
        let answer: Value = serde_json::from_str(&output.stdout).expect("the driver prints JSON");
        assert_eq!(answer["leaks"], json!([]), "the module leaks no secret");
        Answer {
            result: answer["result"].clone(),
            status: answer["status"].as_str().unwrap_or_default().to_owned(),
            log: bounded::text(log.path(), 256 * MIB).expect("the log can be read"),
        }
    }

    /// Has WHMCS's cron create the account, which waits a minute for what does not end.
    pub fn create(&self, server: &Server) -> Answer {
        self.call(server, "CreateAccount")
    }

    /// Presses the button "Create" at a browser, where the module gives up after 24 seconds.
    pub fn create_at_a_browser(&self, server: &Server) -> Answer {
        self.call_as(server, "CreateAccount", "fpm-fcgi")
    }

    /// Presses the button "Create", and expects `success`.
    ///
    /// # Panics
    /// When it is anything else.
    pub fn succeed(&self, server: &Server) -> Answer {
        let answer = self.create(server);
        assert!(answer.is_success(), "{}: {:?}", self.username, answer.result);
        answer
    }
}
