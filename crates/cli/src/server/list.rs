//! `opterius server list`.

use crate::api::Server;
use crate::failure::Failure;
use crate::output::{self, Align, Format, Table};
use crate::panel::{Panel, read_all};

pub(super) async fn run(panel: &Panel, format: Format) -> Result<(), Failure> {
    let data = panel.list("/api/servers", &[]).await?;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let servers: Vec<Server> = read_all(&data)?;
    if servers.is_empty() {
        output::line("There are no servers. `opterius setup` makes this one ready.");
        return Ok(());
    }
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("HOST NAME", Align::Left),
        ("ADDRESSES", Align::Left),
        ("ACCOUNTS", Align::Right),
        ("TAKES", Align::Right),
        ("ANSWERS", Align::Left),
        ("PHP", Align::Left),
        ("ID", Align::Left),
    ]);
    for server in servers {
        table.row([
            if server.default { format!("{} (default)", server.name) } else { server.name },
            server.hostname.unwrap_or_default(),
            [server.ipv4, server.ipv6].concat().join(", "),
            server.accounts.to_string(),
            takes(server.max_accounts),
            if server.reachable { "yes" } else { "no" }.to_owned(),
            server.php_versions.unwrap_or_default().join(", "),
            server.id,
        ]);
    }
    output::line(table);
    Ok(())
}

/// How many accounts a server takes.
fn takes(max_accounts: u32) -> String {
    if max_accounts == 0 { "any number".to_owned() } else { max_accounts.to_string() }
}
