//! `opterius token create`: a token for a billing system, in the form in which it is pasted there.

use std::net::IpAddr;

use clap::{Args, ValueEnum};
use opterius_protocol::Micros;
use serde_json::json;

use crate::api::{self, Token};
use crate::failure::Failure;
use crate::output::{self, Facts, Format};
use crate::panel::{Panel, read, read_all};

#[derive(Args)]
pub(crate) struct Options {
    /// What the token is for, which decides what it may do
    #[arg(long = "for", alias = "purpose", value_name = "PURPOSE")]
    purpose: Purpose,
    /// What the token is called in lists [default: what it is for]
    #[arg(long)]
    name: Option<String>,
    /// End the token's validity after so many days
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    expires: Option<u32>,
    /// Accept the token only from this address or network; can be given several times
    #[arg(long = "address", value_name = "CIDR", value_parser = network)]
    addresses: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Purpose {
    /// Everything that the WHMCS module does: the whole life of its own accounts
    Whmcs,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Whmcs => "whmcs",
        }
    }
}

/// An address or a network in CIDR form.
fn network(text: &str) -> Result<String, String> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return Err("use an address such as 192.0.2.10, or a network such as 192.0.2.0/24 or 2001:db8::/48".into()),
    };
    match bits.map(str::parse::<u8>) {
        None => Ok(format!("{address}/{longest}")),
        Some(Ok(bits)) if bits <= longest => Ok(text.to_owned()),
        Some(_) => Err(format!("a network of this kind has /0 to /{longest}")),
    }
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let expires_at = options.expires.map(|days| Micros::now().0 + i64::from(days) * 86_400_000_000);
    let order = json!({
        "name": options.name.as_deref().unwrap_or(options.purpose.word()),
        "purpose": options.purpose.word(),
        "expires_at": expires_at,
        "addresses": (!options.addresses.is_empty()).then_some(&options.addresses),
    });
    let data = panel.post("/api/tokens", &order).await?.data;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let token: Token = read(&data)?;
    // The token exists from here on, and this is the one time that it can be shown: what else goes wrong must not hide it.
    let hostname = hostname(panel).await.unwrap_or_else(|_| "the Panel's host name".to_owned());
    output::line(format!("Created the token {} ({}).", token.name, token.id));
    output::blank();
    output::line("In WHMCS, under System Settings → Servers → Add New Server, enter:");
    output::blank();
    let mut form = Facts::new();
    form.add("Module", "Opterius")
        .add("Hostname", hostname)
        .add("Port", "8443, with Secure ticked")
        .add("Access Hash", token.access_hash.or(token.secret).unwrap_or_default());
    output::line(form);
    output::blank();
    let mut facts = Facts::new();
    facts
        .add("May", token.scopes.join(", "))
        .add_some("Sees", token.ref_prefix.map(|prefix| format!("only its own accounts ({prefix}…)")))
        .add("From", if options.addresses.is_empty() { "any address".to_owned() } else { options.addresses.join(", ") })
        .add("Until", expires_at.map_or_else(|| "it is revoked".to_owned(), output::moment));
    output::line(facts);
    output::blank();
    output::line("The access hash is shown only now. Whoever has it can order accounts: treat it as a password.");
    Ok(())
}

/// Under which name billing systems reach the Panel.
async fn hostname(panel: &Panel) -> Result<String, Failure> {
    let servers = read_all(&panel.list("/api/servers", &[]).await?)?;
    api::default_server(servers).and_then(|server| server.hostname).ok_or_else(|| Failure::new("no server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_networks_and_nonsense_is_refused() {
        assert_eq!(network("192.0.2.10").as_deref(), Ok("192.0.2.10/32"));
        assert_eq!(network("2001:db8::/48").as_deref(), Ok("2001:db8::/48"));
        for bad in ["", "example.com", "192.0.2.0/33", "192.0.2.0/", "2001:db8::/129", "10.0.0.0/8/8"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }
}
