//! The front door: what strangers can hold of it, and that whoever is refused hears it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};
use http::{Method, Request, StatusCode};
use opterius_panel::{Listeners, Timing};
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::sockets::connector;
use crate::support::{Behaviour, Lab, order, until};

/// Far longer than anything here takes; a test that reaches it has failed.
const LONG: Duration = Duration::from_mins(1);

/// A Panel's TLS port.
struct Door {
    address: SocketAddr,
    connector: TlsConnector,
    plain: TlsConnector,
}

/// An HTTP/2 connection, and what drives it until it ends.
struct Held {
    requests: SendRequest<Bytes>,
    driven: JoinHandle<()>,
}

/// Serves a Panel with a configured server over TLS for as long as `visit` takes.
async fn at_the_door(timing: impl FnOnce(&mut Timing), visit: impl AsyncFnOnce(&Lab, &Door)) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut lab = Lab::ended();
    timing(&mut lab.timing);
    let pins = opterius_panel::init(lab.config()).await.unwrap();
    lab.start().await;
    lab.configure().await;
    lab.post("/api/packages", &json!({ "name": "Starter", "disk_mib": 10240, "databases": 1 })).await.data(201);
    let mut listeners = Listeners::default();
    let address = listeners.add_tls("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let door = Door { address, connector: connector(&pins.tls_pin, &[b"h2"]), plain: connector(&pins.tls_pin, &[]) };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let visit = async {
        tokio::time::timeout(2 * LONG, visit(&lab, &door)).await.expect("it went on for too long");
        stop.send(()).unwrap();
    };
    let (served, ()) = tokio::join!(lab.panel().serve(listeners, async { stopped.await.unwrap() }), visit);
    served.unwrap();
}

impl Door {
    async fn tls(&self, from: Ipv4Addr, connector: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((IpAddr::V4(from), 0).into())?;
        let stream = socket.connect(self.address).await?;
        connector.connect(ServerName::try_from("panel.hoster.example").unwrap(), stream).await
    }

    /// An HTTP/2 connection from an address of this machine; nothing if it was closed at once.
    async fn open(&self, from: Ipv4Addr, builder: &client::Builder) -> Option<Held> {
        let (requests, connection) = builder.handshake(self.tls(from, &self.connector).await.ok()?).await.ok()?;
        let driven = tokio::spawn(async move {
            let _ = connection.await;
        });
        Some(Held { requests, driven })
    }

    async fn get(&self, from: Ipv4Addr, path: &str, token: &str) -> StatusCode {
        let mut held = self.open(from, &client::Builder::new()).await.expect("a connection");
        let (response, _) = held.requests.send_request(request(Method::GET, path, token), true).unwrap();
        response.await.unwrap().status()
    }
}

fn request(method: Method, path: &str, token: &str) -> Request<()> {
    let request = Request::builder().method(method).uri(format!("https://panel.hoster.example{path}"));
    if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) }.body(()).unwrap()
}

fn attacker(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 9, 9, number)
}

async fn refused(lab: &Lab) -> u64 {
    let tasks = lab.get("/api/tasks").await.data(200);
    tasks.as_array().unwrap().iter().filter_map(|task| task["refused"].as_u64()).sum()
}

#[tokio::test]
async fn one_address_that_holds_connections_and_answers_pings_keeps_nobody_out() {
    at_the_door(
        |_| {},
        async |lab, door| {
            let token = lab.whmcs("WHMCS").await;
            assert_eq!(refused(lab).await, 0);
            let ended = Arc::new(AtomicUsize::new(0));
            let mut held = Vec::new();
            for _ in 0..300 {
                let Some(Held { requests, driven }) = door.open(attacker(1), &client::Builder::new()).await else { continue };
                let ended = ended.clone();
                held.push(requests);
                tokio::spawn(async move {
                    let _ = driven.await;
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
            until("all but its share are ended", async || held.len() - ended.load(Ordering::SeqCst) <= 128).await;
            assert_eq!(door.get(Ipv4Addr::LOCALHOST, "/api/self", &token).await, 200);
            assert!(refused(lab).await >= 172, "an attack is seen");
        },
    )
    .await;
}

#[tokio::test]
async fn whoever_showed_a_token_gets_in_while_strangers_hold_all_they_can() {
    at_the_door(
        |_| {},
        async |lab, door| {
            let token = lab.whmcs("WHMCS").await;
            let mut held = Vec::new();
            // Eight ranges of addresses, so that their limits are those of the strangers in total.
            for number in 0..160_u8 {
                for _ in 0..4 {
                    held.extend(door.open(Ipv4Addr::new(127, number % 8, number, 9), &client::Builder::new()).await);
                }
            }
            for _ in 0..20 {
                assert_eq!(door.get(Ipv4Addr::new(127, 200, 0, 1), "/api/self", &token).await, 200);
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_connection_without_a_request_ends_whether_it_answers_pings_or_not() {
    at_the_door(
        |timing| timing.idle = Duration::from_millis(200),
        async |lab, door| {
            let token = lab.whmcs("WHMCS").await;
            let idle = door.open(attacker(1), &client::Builder::new()).await.unwrap();
            let mut used = door.open(attacker(2), &client::Builder::new()).await.unwrap();
            let (response, _) = used.requests.send_request(request(Method::GET, "/api/self", &token), true).unwrap();
            assert_eq!(response.await.unwrap().status(), 200);
            tokio::time::timeout(LONG, idle.driven).await.expect("it is ended").unwrap();
            tokio::time::timeout(LONG, used.driven).await.expect("it is ended, too").unwrap();
        },
    )
    .await;
}

#[tokio::test]
async fn a_stranger_s_connection_ends_however_busy_it_is() {
    at_the_door(
        |timing| timing.stranger_age = Duration::from_millis(300),
        async |lab, door| {
            let token = lab.whmcs("WHMCS").await;
            let mut good = door.open(attacker(2), &client::Builder::new()).await.unwrap();
            let (response, _) = good.requests.send_request(request(Method::GET, "/api/self", &token), true).unwrap();
            assert_eq!(response.await.unwrap().status(), 200);
            let mut busy = door.open(attacker(1), &client::Builder::new()).await.unwrap();
            until("it is ended", async || match busy.requests.send_request(request(Method::GET, "/api/health", ""), true) {
                Ok((response, _)) => response.await.is_err(),
                Err(_) => true,
            })
            .await;
            let (response, _) = good.requests.send_request(request(Method::GET, "/api/self", &token), true).unwrap();
            assert_eq!(response.await.unwrap().status(), 200, "it showed a good token");
        },
    )
    .await;
}

/// Sends one byte after the other until there is an answer.
async fn trickle(mut body: h2::SendStream<Bytes>, response: ResponseFuture) -> StatusCode {
    let dripping = tokio::spawn(async move {
        while body.send_data(Bytes::from_static(b"a"), false).is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let answered = tokio::time::timeout(LONG, response).await.expect("an answer").unwrap().status();
    dripping.abort();
    answered
}

#[tokio::test]
async fn no_route_waits_for_a_body_that_never_ends() {
    at_the_door(
        |timing| timing.body_within = Duration::from_millis(300),
        async |lab, door| {
            let token = lab.whmcs("WHMCS").await;
            let mut held = door.open(Ipv4Addr::LOCALHOST, &client::Builder::new()).await.unwrap();
            for (method, path, token, status) in [
                (Method::POST, "/enter", "", 408),
                (Method::POST, "/enter/code", "", 408),
                (Method::POST, "/nothing", "", 404),
                (Method::POST, "/sign-in/x", "", 405),
                (Method::POST, "/style.css", "", 405),
                (Method::GET, "/enter", "", 200),
                (Method::POST, "/api/accounts", "", 401),
                (Method::POST, "/api/accounts", token.as_str(), 408),
                (Method::POST, "/api/health", "", 405),
                (Method::GET, "/api/health", "", 200),
            ] {
                let mut request = request(method.clone(), path, token);
                let kind = if path.starts_with("/api") { "application/json" } else { "application/x-www-form-urlencoded" };
                request.headers_mut().insert("content-type", kind.parse().unwrap());
                request.headers_mut().insert("sec-fetch-site", "same-origin".parse().unwrap());
                let (response, body) = held.requests.send_request(request, false).unwrap();
                assert_eq!(trickle(body, response).await, status, "{method} {path}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_is_not_read_ends_the_connection_and_a_stream_of_events_goes_on() {
    at_the_door(
        |timing| (timing.unread, timing.farewell) = (Duration::from_millis(300), Duration::from_millis(100)),
        async |lab, door| {
            lab.agent.script("alice", Behaviour::Hold);
            let ordered = lab.call(Method::POST, "/api/accounts").header("prefer", "respond-async").json(&order("alice")).send().await;
            let id = ordered.data(202)["id"].as_str().unwrap().to_owned();
            let token = lab.token(&json!({ "name": "reader", "scopes": ["operations.read"] })).await;
            until("the operation runs", async || lab.agent.begun("alice") == 1).await;
            let mut follower = door.open(Ipv4Addr::LOCALHOST, &client::Builder::new()).await.unwrap();
            let path = format!("/api/operations/{id}/events");
            let (response, _) = follower.requests.send_request(request(Method::GET, &path, &token), true).unwrap();
            let mut events = response.await.unwrap().into_body();
            let first = events.data().await.unwrap().unwrap();
            events.flow_control().release_capacity(first.len()).unwrap();

            for path in ["/enter", "/style.css", "/nothing"] {
                let mut deaf = door.open(attacker(1), client::Builder::new().initial_window_size(0)).await.unwrap();
                let (response, _) = deaf.requests.send_request(request(Method::GET, path, ""), true).unwrap();
                let response = response.await.unwrap();
                tokio::time::timeout(LONG, deaf.driven).await.unwrap_or_else(|_| panic!("{path} held its connection")).unwrap();
                drop(response);
            }
            lab.agent.decide("alice", opterius_protocol::agent::Outcome::Committed);
            let mut told = first.to_vec();
            while let Some(data) = events.data().await {
                let data = data.unwrap();
                events.flow_control().release_capacity(data.len()).unwrap();
                told.extend_from_slice(&data);
            }
            assert!(String::from_utf8(told).unwrap().contains("event: done"));
        },
    )
    .await;
}

#[tokio::test]
async fn streams_of_events_are_bounded_by_address() {
    at_the_door(
        |_| {},
        async |lab, door| {
            lab.agent.script("alice", Behaviour::Hold);
            let ordered = lab.call(Method::POST, "/api/accounts").header("prefer", "respond-async").json(&order("alice")).send().await;
            let path = format!("/api/operations/{}/events", ordered.data(202)["id"].as_str().unwrap());
            let token = lab.token(&json!({ "name": "reader", "scopes": ["operations.read"] })).await;
            let mut held = door.open(Ipv4Addr::LOCALHOST, &client::Builder::new()).await.unwrap();
            let mut streams = Vec::new();
            for _ in 0..64 {
                held.requests = held.requests.ready().await.unwrap();
                let response = held.requests.send_request(request(Method::GET, &path, &token), true).unwrap().0.await.unwrap();
                assert_eq!(response.status(), 200);
                streams.push(response);
            }
            let response = held.requests.send_request(request(Method::GET, &path, &token), true).unwrap().0.await.unwrap();
            assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (429, "1"));
            assert_eq!(door.get(Ipv4Addr::LOCALHOST, "/api/operations", &token).await, 200);
            drop(streams);
        },
    )
    .await;
}

#[tokio::test]
async fn frames_that_belong_to_no_request_end_the_connection() {
    at_the_door(
        |_| {},
        async |_, door| {
            let (mut read, mut write) = tokio::io::split(door.tls(attacker(1), &door.connector).await.unwrap());
            write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
            let reading = tokio::spawn(async move {
                let mut thrown_away = [0; 16 * 1024];
                while read.read(&mut thrown_away).await.is_ok_and(|read| read > 0) {}
            });
            // Pings, 17 bytes each; a quarter of what is answered may be sent again.
            let pings = b"\0\0\x08\x06\0\0\0\0\0pingping".repeat(1000);
            let mut sent = 0;
            while sent < 500 && write.write_all(&pings).await.is_ok() {
                sent += 1;
            }
            assert!(sent < 500, "{} MiB of pings were taken", (sent * pings.len()) >> 20);
            tokio::time::timeout(LONG, reading).await.expect("it is closed").unwrap();
        },
    )
    .await;
}

/// What a caller is told who sends a body piece by piece, and takes a reset for an error, as curl does.
async fn told(mut requests: SendRequest<Bytes>, request: Request<()>, length: usize) -> Result<StatusCode, String> {
    let why = |error: h2::Error| error.to_string();
    requests = requests.ready().await.map_err(why)?;
    let (response, mut body) = requests.send_request(request, false).map_err(why)?;
    let mut left = length;
    while left > 0 {
        body.reserve_capacity(left.min(4096));
        let room = match std::future::poll_fn(|cx| body.poll_capacity(cx)).await {
            Some(Ok(room)) => room.min(left),
            Some(Err(error)) => return Err(format!("{error} with {left} of {length} bytes to send")),
            None => return Err(format!("refused with {left} of {length} bytes to send")),
        };
        left -= room;
        body.send_data(Bytes::from(vec![b'x'; room]), left == 0).map_err(why)?;
        tokio::task::yield_now().await;
    }
    let response = response.await.map_err(why)?;
    let status = response.status();
    let mut rest = response.into_body();
    while let Some(data) = rest.data().await {
        let _ = rest.flow_control().release_capacity(data.map_err(why)?.len());
    }
    Ok(status)
}

#[tokio::test]
async fn every_refusal_is_heard_by_a_caller_who_still_sends() {
    at_the_door(
        |_| {},
        async |lab, door| {
            let token = lab.whmcs("WHMCS").await;
            let reader = lab.token(&json!({ "name": "reader", "scopes": ["operations.read"] })).await;
            assert_eq!(door.get(Ipv4Addr::LOCALHOST, "/api/self", &token).await, 200);
            let refusals = [
                (Method::POST, "/api/nothing", "", "application/json", 404),
                (Method::POST, "/nothing", "", "application/x-www-form-urlencoded", 404),
                (Method::POST, "/api/health", "", "application/json", 405),
                (Method::DELETE, "/api/accounts", token.as_str(), "application/json", 405),
                (Method::POST, "/style.css", "", "application/x-www-form-urlencoded", 405),
                (Method::PUT, "/enter", "", "application/x-www-form-urlencoded", 405),
                (Method::POST, "/api/accounts", "", "application/json", 401),
                (Method::POST, "/api/accounts", "wrong", "application/json", 401),
                (Method::POST, "/api/accounts", reader.as_str(), "application/json", 403),
                (Method::POST, "/enter", "", "application/x-www-form-urlencoded", 403),
                (Method::POST, "/api/accounts", token.as_str(), "text/plain", 415),
                (Method::POST, "/api/accounts", token.as_str(), "application/json", 422),
            ];
            let mut asked = Vec::new();
            for connection in 0..4 {
                let held = door.open(Ipv4Addr::LOCALHOST, &client::Builder::new()).await.unwrap();
                for number in 0..96 {
                    let (method, path, token, kind, status) = &refusals[number % refusals.len()];
                    let mut request = request(method.clone(), path, token);
                    request.headers_mut().insert("content-type", kind.parse().unwrap());
                    // The last ones are too large to be read, and not too large to be thrown away.
                    let length = if number < 84 { 20_000 + 400 * number } else { 300_000 };
                    let status = if *status == 422 && length > 64 * 1024 { 413 } else { *status };
                    let what = format!("{method} {path} on connection {connection}");
                    asked.push((what, status, tokio::spawn(told(held.requests.clone(), request, length))));
                }
            }
            let mut wrong = Vec::new();
            for (what, status, answer) in asked {
                match answer.await.unwrap() {
                    Ok(answered) if answered == status => {}
                    other => wrong.push(format!("{what}: {other:?} instead of {status}")),
                }
            }
            assert!(wrong.is_empty(), "{} of 384: {wrong:#?}", wrong.len());
        },
    )
    .await;
}

#[tokio::test]
async fn who_has_too_many_requests_under_way_hears_of_it() {
    at_the_door(
        |_| {},
        async |lab, door| {
            let mut asked = Vec::new();
            for _ in 0..2 {
                let held = door.open(attacker(1), &client::Builder::new()).await.unwrap();
                // Bodies that are not whole hold their requests under way.
                for _ in 0..100 {
                    let mut requests = held.requests.clone().ready().await.unwrap();
                    let mut post = request(Method::POST, "/enter", "");
                    post.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
                    post.headers_mut().insert("sec-fetch-site", "same-origin".parse().unwrap());
                    asked.push(requests.send_request(post, false).unwrap());
                }
            }
            until("there are too many", async || door.get(attacker(1), "/enter", "").await == 429).await;
            assert_eq!(door.get(Ipv4Addr::LOCALHOST, "/api/self", &lab.whmcs("WHMCS").await).await, 200, "another address");
            let mut told = Vec::new();
            for (response, mut body) in asked {
                body.send_data(Bytes::from_static(b"name=a"), true).unwrap();
                told.push(response.await.unwrap().status().as_u16());
            }
            assert!(told.iter().all(|status| matches!(status, 422 | 429)), "{told:?}");
            assert!(told.iter().filter(|status| **status == 422).count() >= 128, "{told:?}");
            assert_eq!(door.get(attacker(1), "/enter", "").await, 200);
        },
    )
    .await;
}

#[tokio::test]
async fn over_http_1_a_refusal_is_heard_and_the_connection_goes_on() {
    at_the_door(
        |_| {},
        async |_, door| {
            let mut stream = door.tls(Ipv4Addr::LOCALHOST, &door.plain).await.unwrap();
            for (line, status) in [("POST /nothing", "404"), ("POST /api/health", "405"), ("POST /enter", "403")] {
                let head = format!("{line} HTTP/1.1\r\nhost: panel.hoster.example\r\ncontent-length: 40000\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(&vec![b'x'; 40_000]).await.unwrap();
                stream.flush().await.unwrap();
                let mut reply = vec![0; 64 * 1024];
                let mut read = 0;
                // Whole once its last byte is there: that of a document or of a page.
                while !reply[..read].ends_with(b"}") && !reply[..read].trim_ascii_end().ends_with(b"</html>") {
                    let more = stream.read(&mut reply[read..]).await.unwrap();
                    assert!(more > 0, "{line}: {}", String::from_utf8_lossy(&reply[..read]));
                    read += more;
                }
                assert!(reply.starts_with(format!("HTTP/1.1 {status}").as_bytes()), "{line}: {}", String::from_utf8_lossy(&reply[..read]));
            }
        },
    )
    .await;
}
