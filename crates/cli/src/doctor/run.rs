//! Every check, in the order in which they are read.

use std::process::ExitCode;

use opterius_protocol::Micros;
use serde_json::json;

use super::report::{Level, Report};
use super::{answers, door, drift, host, operations, overrides, php, ports, services, tasks};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::Panel;
use crate::system::System;

pub(crate) async fn run(panel: &Panel, format: Format) -> Result<ExitCode, Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure::new("doctor looks at what only root may see").hint("run `sudo opterius doctor`"));
    }
    let report = examine(&System::this(), panel).await;
    let well = report.number(Level::Problem) == 0;
    match format {
        Format::Json => output::json(&json!({ "ok": well, "findings": report.0 })),
        Format::Human => report.show(),
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) async fn examine(system: &System, panel: &Panel) -> Report {
    let answers = answers::ask(system, panel).await;
    let mut report = Report::default();
    let r = &mut report;
    host::names(system, r);
    host::units(system, r).await;
    overrides::overrides(system, r).await;
    overrides::configuration(system, r);
    host::sockets(system, r);
    host::directories(system, r);
    host::files(system, r);
    host::secrets(system, r);
    services::panel(&answers, r);
    door::door(system, &answers, r).await;
    services::agent(&answers, r);
    services::traffic(&answers, Micros::now(), r);
    services::phpd(&answers, r);
    php::php(&answers, r);
    services::nginx(system, r).await;
    services::versions(&answers, r);
    ports::ports(system, r);
    host::stock_php(system, r).await;
    host::pam(system, r);
    host::firewall(system, r).await;
    host::hard_links(system, r);
    host::certificate(system, r);
    host::clock(system, r).await;
    tasks::tasks(panel, &answers, r).await;
    operations::operations(panel, &answers, r).await;
    operations::accounts(panel, &answers, r).await;
    drift::drift(&answers, r);
    drift::trash(panel, &answers, r).await;
    operations::limits(panel, &answers, r).await;
    report
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[tokio::test]
    async fn a_server_on_which_nothing_is_right_is_a_list_of_problems_each_with_what_to_do() {
        let root = tempfile::tempdir().expect("a directory");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let report = examine(&System::below(root.path(), nowhere, nowhere), &Panel::new(root.path().join("panel.sock"))).await;
        let checks: Vec<&str> = report.0.iter().filter(|finding| finding.level == Level::Problem).map(|finding| finding.check).collect();
        for check in [
            "names",
            "units",
            "configuration",
            "sockets",
            "directories",
            "files",
            "secrets",
            "Panel",
            "Agent",
            "phpd",
            "nginx",
            "ports",
            "PAM",
            "firewall",
            "hard links",
            "certificate",
        ] {
            assert!(checks.contains(&check), "{check}: {checks:?}");
        }
        assert!(report.0.iter().all(|finding| finding.level == Level::Ok || finding.hint.is_some()));
    }
}
