//! nginx, as a visitor meets it.

use std::time::Duration;

use opterius_model::{DomainName, clean};
use opterius_protocol::bounded;
use reqwest::header::HOST;

use crate::config::Config;
use crate::host::HostError;

/// Starting a PHP takes some tens of milliseconds; on a loaded machine, seconds. This is for the whole answer, its last byte included.
const PATIENCE: Duration = Duration::from_secs(10);

/// A ping is answered with the account's id and a number. Who answers is the customer's program, with whatever it pleases.
const LONGEST_ANSWER: u64 = 256;

/// The header without which the probe's path does not exist.
const PROBE_HEADER: &str = "X-Opterius-Probe";

pub(super) struct Nginx {
    http: reqwest::Client,
    address: std::net::SocketAddr,
    probe_secret: String,
}

impl Nginx {
    pub(super) fn new(config: &Config) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            // A connection kept from before would answer with the configuration from before.
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client without TLS needs nothing that could fail");
        Self { http, address: config.nginx_address, probe_secret: config.probe_secret.expose().to_owned() }
    }

    pub(super) async fn accepts(&self) -> Result<(), HostError> {
        match tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(self.address)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(unavailable(error)),
            Err(error) => Err(unavailable(error)),
        }
    }

    pub(super) async fn ping(&self, site: &DomainName) -> Result<String, HostError> {
        let doing = || format!("see {site} answered through nginx");
        let response = self
            .http
            .get(format!("http://{}/.opterius-probe", self.address))
            .header(HOST, site.as_str())
            .header(PROBE_HEADER, &self.probe_secret)
            .send()
            .await
            // Without the address asked for, which holds the secret.
            .map_err(
                |error| if error.is_connect() { unavailable(error.without_url()) } else { HostError::failed(doing())(error.without_url()) },
            )?;
        let status = response.status();
        if !status.is_success() {
            return Err(HostError::failed(doing())(format!("nginx answered {status}")));
        }
        let body = bounded::body(response, LONGEST_ANSWER).await.map_err(HostError::failed(doing()))?;
        Ok(clean(&body, body.len()))
    }
}

impl Nginx {
    /// The status of a visitor's request for the front page. The page itself is not read.
    pub(super) async fn visit(&self, site: &DomainName) -> Result<u16, HostError> {
        let request = self.http.get(format!("http://{}/", self.address)).header(HOST, site.as_str());
        let failed = |error: reqwest::Error| {
            if error.is_connect() { unavailable(error) } else { HostError::failed(format!("see what {site} answers through nginx"))(error) }
        };
        Ok(request.send().await.map_err(failed)?.status().as_u16())
    }
}

fn unavailable(source: impl std::error::Error + Send + Sync + 'static) -> HostError {
    HostError::Unavailable {
        part: "nginx",
        hint: "Start it with `systemctl start nginx`, and see `nginx -t` and `journalctl -u nginx -n 50`.".to_owned(),
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    async fn nginx(answer: impl Into<Vec<u8>>) -> Nginx {
        let address = testing::answering(answer.into()).await;
        Nginx::new(&testing::config(address, address))
    }

    fn site() -> DomainName {
        DomainName::parse("example.com").expect("a domain")
    }

    #[tokio::test]
    async fn a_ping_is_answered_in_few_bytes_or_not_at_all() {
        let long = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 2 << 20]].concat();
        let error = nginx(long).await.ping(&site()).await.expect_err("two megabytes are no answer");
        assert!(opterius_protocol::client::chain(&error).contains("longer than"), "{error:?}");
        let failed = [b"HTTP/1.1 502 Bad Gateway\r\n\r\n".to_vec(), vec![b'x'; 2 << 20]].concat();
        let error = nginx(failed).await.ping(&site()).await.expect_err("it is not answered");
        assert!(opterius_protocol::client::chain(&error).contains("502"), "{error:?}");
        let visited = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 2 << 20]].concat();
        assert_eq!(nginx(visited).await.visit(&site()).await.expect("a status"), 200);
    }

    #[tokio::test]
    async fn heads_without_an_end_are_no_answer() {
        for (first, line) in [("HTTP/1.1 200 OK\r\n", "X-More: and more\r\n"), ("", "HTTP/1.1 103 Early Hints\r\n\r\n")] {
            let endless = format!("{first}{}", line.repeat(100_000));
            assert!(nginx(endless.clone()).await.ping(&site()).await.is_err());
            assert!(nginx(endless).await.visit(&site()).await.is_err());
        }
        let elsewhere = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(nginx(elsewhere).await.visit(&site()).await.expect("a status"), 302, "it is not followed");
    }

    #[tokio::test]
    async fn what_a_terminal_obeys_does_not_come_in_by_a_ping() {
        let answer = nginx(*b"HTTP/1.1 200 OK\r\n\r\n\x1b]0;owned\x07\x1b[31mred\xff\n").await.ping(&site()).await.expect("an answer");
        assert!(answer.ends_with("[31mred\u{fffd}") && !answer.contains(char::is_control), "{answer:?}");
    }
}
