//! `opterius account terminate`.

use std::io::{BufRead, IsTerminal};

use clap::Args;
use opterius_protocol::Micros;

use super::change::{self, Done};
use super::name::{self, Name};
use super::plan;
use crate::api::{Account, Gone, Settings};
use crate::failure::Failure;
use crate::input;
use crate::output::{self, Format};
use crate::panel::{Order, Panel, read};
use crate::settings;

#[derive(Args)]
pub(crate) struct Options {
    /// The account
    #[arg(value_name = name::FORMS, value_parser = Name::parse)]
    account: Name,
    /// Keep what a restore needs for so many days, 0 for not at all [default: as `opterius settings show` says]
    #[arg(long, value_name = "DAYS", value_parser = settings::days())]
    keep_days: Option<u16>,
    /// Terminate it without having its username typed
    #[arg(long)]
    yes: bool,
    /// Only say what would become of it, and what is in the way
    #[arg(long)]
    plan: bool,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let ask = !options.yes && !options.plan;
    if ask && !std::io::stdin().is_terminal() {
        return Err(Failure::new("an account is terminated only with `--yes`, or with its username typed on a terminal")
            .hint("`--plan` says what would become of it"));
    }
    let path = options.account.path_even_if_terminated(panel).await?;
    if ask {
        confirm(&path, options.keep_days, panel).await?;
    }
    let mut order = Order::delete(path);
    if let Some(days) = options.keep_days {
        order.query.push(("keep_days", days.to_string()));
    }
    if options.plan {
        return plan::ask(&order, panel, format).await;
    }
    let done = change::make(&order, panel, format).await?;
    let after = done.after();
    let (data, now) = match done {
        Done::Already(answer) => (answer, false),
        // Asked again, it is answered with what is kept and until when; the account itself is gone.
        Done::By(_) => (panel.order(&order).await?.data, true),
    };
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let account: Gone = read(&data)?;
    output::line(if now {
        format!(
            "The account {} is terminated{after}: its site, PHP, Linux user and zone are gone, and its names are free.",
            account.username
        )
    } else {
        let when = account.terminated_at.map_or_else(|| "before".to_owned(), |at| format!("at {}", output::moment(at)));
        format!("The account {} was terminated {when}.", account.username)
    });
    output::line(match account.restorable_until {
        Some(until) if until <= Micros::now().0 => {
            format!("What was kept of it is gone since {}: it cannot be restored.", output::moment(until))
        }
        Some(until) => format!(
            "Its home, logs, password and zone are kept until {}; until then `opterius account restore {}` brings it back.",
            output::moment(until),
            account.id
        ),
        None => "Nothing of it is kept: it cannot be restored.".to_owned(),
    });
    Ok(())
}

/// Tells a person what ends, and has its username typed.
async fn confirm(path: &str, keep_days: Option<u16>, panel: &Panel) -> Result<(), Failure> {
    let account: Account = match panel.get(path).await {
        Ok(data) => read(&data)?,
        // To terminate what is terminated changes nothing.
        Err(failure) if failure.status == 410 => return Ok(()),
        Err(failure) => return Err(failure),
    };
    let days = match keep_days {
        Some(days) => days,
        None => read::<Settings>(&panel.get("/api/settings").await?)?.terminated_kept_days,
    };
    output::question(&question(&account, days));
    answered(&mut std::io::stdin().lock(), &account.username)
}

fn question(account: &Account, days: u16) -> String {
    let kept = match days {
        0 => "Nothing of it is kept: it cannot be restored.".to_owned(),
        days => format!(
            "Its home, logs, password and zone are kept for {}, in which it can be restored.",
            output::count(usize::from(days), "day")
        ),
    };
    format!(
        "This terminates the account {} ({}): its site, PHP, Linux user and zone are gone at once.\n{kept}\nType its username to go on: ",
        account.username, account.domain
    )
}

/// Whether the answer is the username.
fn answered(input: &mut impl BufRead, username: &str) -> Result<(), Failure> {
    let line = input::line(input).map_err(|error| Failure::because("could not read the answer", &error))?;
    if line.trim() == username { Ok(()) } else { Err(Failure::new(format!("that is not {username}: nothing was done"))) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_username_goes_on() {
        assert!(answered(&mut &b"alice\n"[..], "alice").is_ok());
        for other in ["", "\n", "yes\n", "alic\n", "bob\n"] {
            let refused = answered(&mut other.as_bytes(), "alice").expect_err(other);
            assert_eq!(refused.detail, "that is not alice: nothing was done");
        }
    }

    #[test]
    fn the_question_says_what_goes_and_what_is_kept() {
        let account: Account =
            serde_json::from_value(json!({"id": "1", "username": "alice", "domain": "example.com", "server": {"id": "1"},
            "status": "active", "created_at": 1}))
            .expect("an account");
        assert_eq!(
            question(&account, 7),
            "This terminates the account alice (example.com): its site, PHP, Linux user and zone are gone at once.\n\
             Its home, logs, password and zone are kept for 7 days, in which it can be restored.\nType its username to go on: "
        );
        assert!(question(&account, 0).contains("it cannot be restored"));
        assert!(question(&account, 1).contains("for 1 day,"));
    }
}
