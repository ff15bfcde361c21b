//! nginx: the probe's secret, and running with our configuration.

use std::time::Duration;

use super::progress::Progress;
use super::services::{self, News};
use crate::failure::Failure;
use crate::system::{ROOT, System, Written};

const PROBE: &str = "/etc/nginx/opterius/probe.conf";
const TEMPLATE: &str = "/usr/share/opterius-agent/nginx/probe.conf.in";
/// The whole configuration of nginx on our servers.
pub(crate) const CONFIGURATION: &str = "/etc/nginx/opterius/nginx.conf";

/// Has nginx serve the accounts' sites, and waits until it answers.
pub(super) async fn set_up(system: &System, secret: &str, progress: &mut Progress) -> Result<(), Failure> {
    let template = system
        .read(TEMPLATE)?
        .ok_or_else(|| Failure::new(format!("{TEMPLATE} is not there")).hint("install the package: `apt install opterius-agent`"))?;
    let written = system.write(PROBE, &template.replace("@SECRET@", secret), ROOT, 0o600)?;
    progress.file(PROBE, written);

    let said = system.run("/usr/sbin/nginx", &["-t", "-q", "-c", CONFIGURATION], Duration::from_mins(1)).await?;
    if !said.ok {
        return Err(Failure::new(format!("nginx refuses its configuration: {}", said.complaint))
            .hint(format!("mend what it names, and check with `nginx -t -c {CONFIGURATION}`; what runs now goes on running")));
    }
    progress.done("nginx accepts its configuration");

    // A master that was started from the stock configuration keeps it through a reload; only a restart brings it to ours.
    let news = match (running_configuration(system).as_deref(), written) {
        (Some(CONFIGURATION), Written::Kept) => News::None,
        (Some(CONFIGURATION), _) => News::Reload,
        _ => News::Restart,
    };
    services::start(system, "nginx.service", news, progress).await?;
    services::until(system, "nginx on port 80", "see `journalctl -u nginx` and /var/log/opterius/nginx-error.log", async || {
        answers(system).await
    })
    .await?;
    progress.done("nginx answers");
    Ok(())
}

/// The configuration file of the nginx that runs now: its master shows its arguments as its title.
pub(crate) fn running_configuration(system: &System) -> Option<String> {
    let pid: u32 = system.read("/run/nginx.pid").ok()??.trim().parse().ok()?;
    let title = system.read(&format!("/proc/{pid}/cmdline")).ok()??.replace('\0', " ");
    let mut words = title.split_whitespace();
    words.find(|word| *word == "-c")?;
    words.next().map(str::to_owned)
}

/// Whether our catch-all answers: a name that nobody has is 404 there, and 200 (a welcome page) in the stock configuration.
async fn answers(system: &System) -> Result<(), Failure> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().expect("a client without TLS");
    let answer = http
        .get(format!("http://{}/", system.web))
        .header("host", "nobody-has-this-name.example")
        .send()
        .await
        .map_err(|error| Failure::network("it could not be asked", &error))?;
    match answer.status().as_u16() {
        404 => Ok(()),
        other => Err(Failure::new(format!("it answered {other} for a host that nobody has, so it does not run with {CONFIGURATION}"))
            .hint("see which server listens on port 80: `ss -ltnp 'sport = :80'`")),
    }
}
