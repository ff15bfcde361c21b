//! What the tests of several modules share.

use opterius_model::{Hold, OperationId, RequestId, Spec, State, Uid};
use opterius_protocol::Micros;
use opterius_protocol::agent::{Change, NoLimit};

use crate::resources::Target;

/// The account of the model's fixture: alice, example.com, uid 20001, generation 3.
pub(crate) fn target() -> Target {
    let spec: Spec = serde_json::from_str(include_str!("../../model/fixtures/spec-v1.json")).expect("the fixture is a Spec");
    Target { uid: Uid::try_from(20_001).expect("a uid"), spec, before: None }
}

/// The same account, suspended.
pub(crate) fn suspended() -> Target {
    let target = target();
    Target { spec: target.spec.held([Hold::Billing]), ..target }
}

/// The same account, in the trash.
pub(crate) fn kept() -> Target {
    let target = target();
    Target { spec: target.spec.kept(Micros(i64::MAX)), before: Some(target.spec), ..target }
}

/// The same account, terminated with what is kept of it to be deleted at once.
pub(crate) fn discarded() -> Target {
    let target = target();
    Target { spec: target.spec.kept(Micros(1)), before: Some(target.spec), ..target }
}

/// The same account, on its way back from the trash.
pub(crate) fn restored() -> Target {
    let kept = kept();
    Target { before: Some(kept.spec), ..target() }
}

/// The same account, not wanted.
pub(crate) fn absent() -> Target {
    let target = target();
    Target { spec: Spec { state: State::Absent, ..target.spec }, ..target }
}

/// An operation that asks for `spec`.
pub(crate) fn change(spec: &Spec) -> Change {
    Change {
        operation_id: OperationId::generate(),
        request_id: RequestId::generate(),
        not_after: NoLimit,
        wait_ms: 0,
        spec: spec.clone(),
        memo: None,
    }
}

/// A service on 127.0.0.1 that answers whatever it is asked with these bytes, and closes the connection.
pub(crate) async fn answering(answer: Vec<u8>) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            // Whoever asked may have gone before the end of the answer.
            let _ = client.read(&mut asked).await;
            let _ = client.write_all(&answer).await;
        }
    });
    address
}

/// A configuration whose nginx and PowerDNS are at these addresses.
pub(crate) fn config(nginx: std::net::SocketAddr, pdns: std::net::SocketAddr) -> crate::config::Config {
    toml::from_str(&format!(
        "pdns_api_key = \"0123456789abcdef\"\nprobe_secret = \"fedcba9876543210\"\nnginx_address = \"{nginx}\"\npdns_api_address = \"{pdns}\"\n"
    ))
    .expect("a configuration")
}
