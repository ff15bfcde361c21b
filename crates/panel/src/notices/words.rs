//! What a notice says. Mails are in English: nobody knows what their readers speak.

use std::fmt::Write as _;

use fluent_bundle::FluentValue;

use super::Mail;
use crate::app::TimeZone;
use crate::core::Core;
use crate::http::Texts;
use crate::store::notice::{Facts, Notice};

/// Of how many notices a mail tells in detail.
const DETAILED: usize = 50;

/// What a notice is about, in a line.
pub(crate) fn subject(texts: Texts, facts: &Facts) -> String {
    let account = |username: &str, domain: &str| format!("{username} ({domain})");
    match facts {
        Facts::Attention { operation, username, domain, .. } => {
            let what = FluentValue::from(texts.say(&format!("kind-{operation}")));
            texts.with("notice-attention", &[("what", what), ("account", FluentValue::from(account(username, domain)))])
        }
        Facts::Unreachable { server, .. } => texts.about("notice-unreachable", "server", server),
        Facts::Answers { server, .. } => texts.about("notice-answers", "server", server),
        Facts::Drift { username, domain, mended: false, .. } => texts.about("notice-drift", "account", &account(username, domain)),
        Facts::Drift { username, domain, mended: true, .. } => texts.about("notice-drift-mended", "account", &account(username, domain)),
    }
}

/// The page that shows what it is about.
pub(crate) fn path(notice: &Notice) -> String {
    match notice.facts {
        Facts::Attention { .. } => format!("/operations/{}", notice.about),
        Facts::Unreachable { .. } | Facts::Answers { .. } => "/servers".to_owned(),
        Facts::Drift { .. } => format!("/accounts/{}", notice.about),
    }
}

/// Where people find this Panel: its first name, and the address of its pages.
fn place(core: &Core) -> (String, String) {
    let hostname = core.config.hostnames.first().map(ToString::to_string).unwrap_or_default();
    let url = format!("https://{hostname}:{}", core.port());
    (hostname, url)
}

/// One mail that tells of all of these.
pub(crate) fn mail(core: &Core, zone: &TimeZone, notices: &[Notice]) -> Mail {
    let (texts, (hostname, url)) = (Texts::english(), place(core));
    let subject_of = match notices {
        [one] => subject(texts, &one.facts),
        all if all.iter().all(|notice| matches!(notice.facts, Facts::Drift { .. })) => texts.count("notice-drifts", all.len()),
        all => texts.count("notice-several", all.len()),
    };
    let mut body = String::new();
    for notice in &notices[..notices.len().min(DETAILED)] {
        let _ = write!(body, "{}\n\n{}\n{url}{}\n\n---\n\n", subject(texts, &notice.facts), details(texts, zone, notice), path(notice));
    }
    if notices.len() > DETAILED {
        let _ = write!(body, "{}\n{url}/\n\n---\n\n", texts.count("notice-more", notices.len() - DETAILED));
    }
    body.push_str(&foot(texts, &hostname, &url));
    Mail { subject: titled(&hostname, &subject_of), body }
}

/// A mail that shows that mails arrive.
pub(crate) fn test_mail(core: &Core) -> Mail {
    let (texts, (hostname, url)) = (Texts::english(), place(core));
    let body = format!("{}\n\n---\n\n{}", texts.say("notice-test-text"), foot(texts, &hostname, &url));
    Mail { subject: titled(&hostname, &texts.say("notice-test")), body }
}

fn titled(hostname: &str, subject: &str) -> String {
    format!("[Opterius {hostname}] {subject}")
}

fn foot(texts: Texts, hostname: &str, url: &str) -> String {
    let (hostname, url) = (FluentValue::from(hostname.to_owned()), FluentValue::from(format!("{url}/settings/mail")));
    format!("{}\n", texts.with("notice-foot", &[("host", hostname), ("url", url)]))
}

/// What happened and what to do, a line each.
fn details(texts: Texts, zone: &TimeZone, notice: &Notice) -> String {
    let mut lines = Vec::new();
    match &notice.facts {
        Facts::Attention { detail, hint, left, .. } => {
            lines.push(detail.clone());
            lines.extend(hint.clone());
            if !left.is_empty() {
                lines.push(texts.about("notice-left", "left", &left.join(", ")));
            }
            lines.push(texts.about("notice-operation", "id", &notice.about));
        }
        Facts::Unreachable { since, cause, .. } => {
            lines.push(texts.about("notice-unreachable-since", "since", &zone.clock(*since)));
            lines.push(cause.clone());
            lines.push(texts.say("notice-unreachable-do"));
        }
        Facts::Answers { since, .. } => lines.push(texts.about("notice-answers-since", "since", &zone.clock(*since))),
        Facts::Drift { detail, mended, .. } => {
            lines.push(detail.clone());
            lines.push(texts.say(if *mended { "notice-drift-mended-do" } else { "notice-drift-do" }));
        }
    }
    lines.push(texts.about("notice-when", "when", &zone.clock(notice.happened_at)));
    // What is quoted stays within its line.
    let line = |line: String| line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    lines.into_iter().map(line).collect::<Vec<_>>().join("\n")
}
