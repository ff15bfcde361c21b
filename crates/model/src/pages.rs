//! The pages that a host puts before visitors: of a suspended site, and of a new one. People write texts; the HTML is ours, and made here for
//! Panel and Agent alike, so that what was looked at is what is served.

use std::borrow::Cow;

use askama::Template;
use serde::{Deserialize, Serialize};

use crate::DomainName;
use crate::text::{shown, text_type};

/// The longest title of a page, in characters.
const MAX_TITLE: usize = 120;

/// The longest message of a page, in characters.
const MAX_MESSAGE: usize = 5000;

/// The longest link of a page, in bytes.
const MAX_LINK: usize = 300;

/// The page of a new site where the host has none of its own. It runs PHP, so that it shows that PHP runs.
const WELCOME: &str = include_str!("welcome.php");

/// Why a text is not part of a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPage {
    /// The title.
    #[error("`{0}` cannot be a title: use 1 to {MAX_TITLE} characters on one line")]
    Title(String),
    /// The message.
    #[error("the message must have 1 to {MAX_MESSAGE} characters, and no control characters but line ends")]
    Message,
    /// The message is longer than [`MAX_MESSAGE`].
    #[error("the message is too long: use at most {MAX_MESSAGE} characters")]
    TooLong,
    /// The link.
    #[error("`{0}` cannot be a contact: use an address such as `https://hoster.example/help` or `mailto:help@hoster.example`")]
    Link(String),
}

/// The title of a page: 1 to 120 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageTitle(String);

impl PageTitle {
    /// Checks `text`; white space around it goes.
    pub fn parse(text: &str) -> Result<Self, InvalidPage> {
        let title = text.trim();
        let ok = (1..=MAX_TITLE).contains(&title.chars().count()) && !title.chars().any(char::is_control);
        if ok { Ok(Self(title.to_owned())) } else { Err(InvalidPage::Title(shown(text))) }
    }
}

text_type!(PageTitle, InvalidPage);

/// The message of a page: 1 to 5000 characters; empty lines part paragraphs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageMessage(String);

impl PageMessage {
    /// Checks `text`; line ends become `\n`, and white space around it goes.
    pub fn parse(text: &str) -> Result<Self, InvalidPage> {
        let message = text.replace("\r\n", "\n").trim().to_owned();
        match message.chars().count() {
            _ if message.is_empty() || message.chars().any(|c| c.is_control() && c != '\n') => Err(InvalidPage::Message),
            1..=MAX_MESSAGE => Ok(Self(message)),
            _ => Err(InvalidPage::TooLong),
        }
    }
}

text_type!(PageMessage, InvalidPage);

/// Where whoever has a question is sent: an `https:` or `mailto:` address of at most 300 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageLink(String);

impl PageLink {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self, InvalidPage> {
        // The characters of an address (RFC 3986, 2), but for the apostrophe.
        let known = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&()*+,;=%".contains(&b);
        let ok = if let Some(rest) = text.strip_prefix("https://") {
            rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        } else if let Some(rest) = text.strip_prefix("mailto:") {
            rest.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty())
        } else {
            false
        };
        if ok && text.len() <= MAX_LINK && text.bytes().all(known) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPage::Link(shown(text)))
        }
    }

    /// What a visitor reads.
    fn shown(&self) -> &str {
        self.0.strip_prefix("mailto:").or_else(|| self.0.strip_prefix("https://")).unwrap_or(&self.0)
    }
}

text_type!(PageLink, InvalidPage);

/// What visitors of a suspended site read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspensionPage {
    /// The title and heading.
    pub title: PageTitle,
    /// The text below it.
    pub message: PageMessage,
    /// Where its owner may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<PageLink>,
}

impl SuspensionPage {
    /// The page where the host has none of its own.
    pub fn built_in() -> Self {
        Self {
            title: PageTitle("This site is suspended".to_owned()),
            message: PageMessage("If it is yours, please contact your hosting provider.".to_owned()),
            contact: None,
        }
    }

    /// The page as it is served.
    pub fn html(&self) -> String {
        let (title, contact) = (self.title.as_str(), self.contact.as_ref());
        written(&SuspensionHtml { built_in: *self == Self::built_in(), title, paragraphs: paragraphs(self.message.as_str()), contact })
    }
}

/// What visitors of a new site read until its owner puts a page of theirs in its place. `{domain}` stands for the account's domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WelcomePage {
    /// The title and heading.
    pub title: PageTitle,
    /// The text below it.
    pub message: PageMessage,
}

impl WelcomePage {
    /// The page of the site of `domain`. There is no PHP in it, whatever the texts are.
    pub fn html(&self, domain: &DomainName) -> String {
        let filled = |text: &str| text.replace("{domain}", domain.as_str());
        let (title, message) = (filled(self.title.as_str()), filled(self.message.as_str()));
        written(&WelcomeHtml { title: &title, paragraphs: paragraphs(&message) })
    }

    /// What the page shows where the host has none of its own, with this version of PHP at this time.
    pub fn built_in_as_shown(domain: &DomainName, php: &str, time: &str) -> String {
        let html = WELCOME.split_once("?>\n").map_or(WELCOME, |(_, html)| html);
        html.replace("<?= $name ?>", domain.as_str())
            .replace("<?= PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION ?>", php)
            .replace("<?= gmdate('Y-m-d H:i:s') ?>", time)
    }
}

/// The host's own pages; what it has none of is as it is built in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pages {
    /// Of suspended sites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<SuspensionPage>,
    /// Of new sites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub welcome: Option<WelcomePage>,
}

impl Pages {
    /// The page of every suspended site.
    pub fn suspension_html(&self) -> String {
        self.suspension.clone().unwrap_or_else(SuspensionPage::built_in).html()
    }

    /// What stands in `index.php` of a new site.
    pub fn welcome_php(&self, domain: &DomainName) -> Cow<'static, str> {
        self.welcome.as_ref().map_or(Cow::Borrowed(WELCOME), |page| page.html(domain).into())
    }
}

#[derive(Template)]
#[template(path = "suspension.html")]
struct SuspensionHtml<'a> {
    built_in: bool,
    title: &'a str,
    paragraphs: Vec<Vec<&'a str>>,
    contact: Option<&'a PageLink>,
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomeHtml<'a> {
    title: &'a str,
    paragraphs: Vec<Vec<&'a str>>,
}

/// The lines of each paragraph.
fn paragraphs(message: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = message.lines().map(str::trim).collect();
    lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty()).map(<[&str]>::to_vec).collect()
}

fn written(page: &impl Template) -> String {
    let mut html = page.render().expect("writing texts into memory cannot fail");
    html.push('\n');
    html
}

/// The style of a page that was made here, for a policy that lets in nothing else.
pub fn style_of(html: &str) -> &str {
    let inside = html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    inside.map_or("", |(style, _)| style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn domain() -> DomainName {
        DomainName::parse("example.com").expect("a domain")
    }

    fn page(title: &str, message: &str, contact: Option<&str>) -> SuspensionPage {
        SuspensionPage {
            title: PageTitle::parse(title).expect(title),
            message: PageMessage::parse(message).expect(message),
            contact: contact.map(|link| PageLink::parse(link).expect(link)),
        }
    }

    #[test]
    fn what_the_package_brings_is_the_built_in_page() {
        let packaged = include_str!("../../../packaging/nginx/suspended.html");
        assert_eq!(Pages::default().suspension_html(), packaged);
        assert!(packaged.contains("<html lang=\"en\">") && packaged.contains("<h1>This site is suspended</h1>"));
    }

    #[test]
    fn texts_are_paragraphs_and_never_markup() {
        let html = page("<b>Closed</b>", "One\r\ntwo\n\n\n<?php evil(); ?>\n<script>x</script>", Some("mailto:help@hoster.example")).html();
        assert!(html.contains("<title>&#60;b&#62;Closed&#60;/b&#62;</title>"), "{html}");
        assert!(html.contains("<p>One<br>two</p>\n  <p>&#60;?php evil(); ?&#62;<br>&#60;script&#62;x&#60;/script&#62;</p>"), "{html}");
        assert!(html.contains("<p><a href=\"mailto:help@hoster.example\">help@hoster.example</a></p>"), "{html}");
        assert!(html.starts_with("<!doctype html>\n<html>\n") && html.ends_with("</main>\n</html>\n"), "{html}");
        let own = page("Closed", "x", Some("https://hoster.example/help?a=1&b=2")).html();
        assert!(own.contains("<a href=\"https://hoster.example/help?a=1&#38;b=2\">hoster.example/help?a=1&#38;b=2</a>"), "{own}");
    }

    #[test]
    fn a_welcome_names_its_domain() {
        let SuspensionPage { title, message, .. } = page("{domain} is ready", "Welcome to {domain}.", None);
        let pages = Pages { welcome: Some(WelcomePage { title, message }), suspension: None };
        let php = pages.welcome_php(&domain());
        assert!(php.contains("<h1>example.com is ready</h1>") && php.contains("<p>Welcome to example.com.</p>"), "{php}");
        assert!(!php.contains("<?"));
        assert!(Pages::default().welcome_php(&domain()).starts_with("<?php"));
        let shown = WelcomePage::built_in_as_shown(&domain(), "8.2", "2026-01-01 00:00:00");
        assert!(!shown.contains("<?") && !shown.contains("?>") && shown.contains("<h1>example.com is ready</h1>"), "{shown}");
        assert!(shown.contains("PHP 8.2 runs") && shown.contains("Served 2026-01-01 00:00:00 UTC"), "{shown}");
        assert!(style_of(&shown).contains("color-scheme") && style_of(&php).contains("color-scheme"));
    }

    #[test]
    fn what_is_no_text_or_no_link_is_refused() {
        for bad in ["", "  ", "a\nb", "a\u{7}b"] {
            assert!(PageTitle::parse(bad).is_err(), "{bad:?}");
        }
        assert!(PageTitle::parse(&"ä".repeat(120)).is_ok() && PageTitle::parse(&"ä".repeat(121)).is_err());
        assert!(
            PageMessage::parse(" \n ").is_err() && PageMessage::parse("a\u{0}").is_err() && PageMessage::parse(&"x".repeat(5001)).is_err()
        );
        for bad in [
            "",
            "http://hoster.example",
            "javascript:alert(1)",
            "https://",
            "https:// hoster.example",
            "https://hoster.example/\"x",
            "https://hoster.example/<x>",
            "mailto:",
            "mailto:help",
            "mailto:@hoster.example",
            "HTTPS://hoster.example",
            "https://h\u{f6}ster.example",
        ] {
            assert!(PageLink::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_form_on_the_disk_is_the_one_that_is_read() {
        let text =
            r#"{"suspension":{"title":"Closed","message":"a\n\nb","contact":"mailto:a@b.example"},"welcome":{"title":"t","message":"m"}}"#;
        let pages: Pages = serde_json::from_str(text).expect("pages");
        assert_eq!(serde_json::to_string(&pages).expect("JSON"), text);
        assert_eq!(serde_json::to_string(&Pages::default()).expect("JSON"), "{}");
        assert!(serde_json::from_str::<Pages>(r#"{"welcome":{"title":"","message":"m"}}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_text_becomes_markup_or_php(title in "\\PC{1,60}", message in "(\\PC|\n){1,200}") {
            if let (Ok(title), Ok(message)) = (PageTitle::parse(&title), PageMessage::parse(&message)) {
                let suspension = SuspensionPage { title: title.clone(), message: message.clone(), contact: None };
                let (own, plain) = (suspension.html(), page("x", "y", None).html());
                let breaks = own.matches("<p>").count() * 2 + own.matches("<br>").count();
                prop_assert_eq!(own.matches('<').count() - breaks, plain.matches('<').count() - 2);
                prop_assert_eq!(style_of(&own), style_of(&plain));
                let welcome = WelcomePage { title, message }.html(&domain());
                prop_assert!(!welcome.contains("<?") && welcome.matches("<style>").count() == 1);
            }
        }
    }
}
