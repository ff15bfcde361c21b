//! `opterius server set`.

use clap::Args;
use serde_json::json;

use crate::api::Server;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::{Panel, read, read_all};

#[derive(Args)]
pub(crate) struct Options {
    /// The server's id or its name
    #[arg(value_name = "ID|NAME")]
    server: String,
    /// How many accounts it takes, those that it has included; 0 for any number
    #[arg(long, value_name = "N")]
    max_accounts: u32,
}

pub(super) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let server = find(&options.server, read_all(&panel.list("/api/servers", &[]).await?)?)?;
    let Some(hostname) = server.hostname else {
        return Err(Failure::new(format!("the server {} has no host name yet", server.name)).hint("run `opterius setup` there first"));
    };
    // The API sets all of it at once, so what is to stay is sent as it is.
    let order = json!({
        "hostname": hostname, "ipv4": server.ipv4, "ipv6": server.ipv6, "nameservers": server.nameservers,
        "max_accounts": options.max_accounts,
    });
    let data = panel.put(&format!("/api/servers/{}", server.id), &order).await?.data;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let server: Server = read(&data)?;
    let accounts = |number: u64| output::count(usize::try_from(number).unwrap_or(usize::MAX), "account");
    let has = accounts(server.accounts);
    output::line(match server.max_accounts {
        0 => format!("The server {} takes any number of accounts. It has {has}.", server.name),
        most if server.accounts < u64::from(most) => {
            format!("The server {} takes at most {}. It has {has}.", server.name, accounts(most.into()))
        }
        most => format!("The server {} takes at most {}. It has {has}, so it takes no more orders.", server.name, accounts(most.into())),
    });
    Ok(())
}

/// The one server that is meant.
fn find(text: &str, servers: Vec<Server>) -> Result<Server, Failure> {
    let known: Vec<String> = servers.iter().map(|server| server.name.clone()).collect();
    servers.into_iter().find(|server| server.id == text || server.name == text).ok_or_else(|| {
        Failure::new(format!("there is no server `{text}`")).hint(match &known[..] {
            [] => "there is none at all: `opterius setup` makes this one ready".to_owned(),
            known => format!("these are there: {}", known.join(", ")),
        })
    })
}
