//! What the document says of the texts and numbers of requests. The tests compare each with what reads it, in both directions: what it forbids is
//! refused, and what it allows is taken, or refused with a code that it names.

use std::borrow::Cow;

use opterius_model::{Hold, RecordType};
use serde_json::{Value, json};
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::{ArrayBuilder, KnownFormat, ObjectBuilder, RefOr, SchemaFormat, extensions::ExtensionsBuilder};
use utoipa::{PartialSchema, ToSchema};

use crate::app::{self, ActivityDays, ActivityRows, Scope, Target};
use crate::http::read::MOST_ENTRIES;
use crate::store::account::Status;
use crate::store::activity;
use crate::store::administrator::Role;
use crate::store::mail_server::Encryption;

/// Where a schema names the codes with which something is refused that it allows: what no schema can say.
pub(crate) const ALSO_REFUSED: &str = "x-also-refused";

/// Characters that control something (Unicode's Cc).
macro_rules! control {
    () => {
        r"\u0000-\u001f\u007f-\u009f"
    };
}

/// White space that controls nothing.
macro_rules! space {
    () => {
        r"\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
    };
}

/// Characters that cannot be seen.
macro_rules! invisible {
    () => {
        concat!(control!(), r"\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff")
    };
}

/// The same, and the rest of their kind.
macro_rules! unseen {
    () => {
        concat!(control!(), r"\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff")
    };
}

/// Anything but characters of a class, and no white space at either end.
macro_rules! trimmed {
    ($not:expr) => {
        concat!("^[^", $not, space!(), "]([^", $not, "]*[^", $not, space!(), "])?$")
    };
}

/// What an e-mail address holds beside its one `@`.
macro_rules! mail_character {
    ($($but:literal)?) => {
        concat!("[^", control!(), space!(), r#"<>"',;:\\()\[\]`${}@"#, $($but,)? "]")
    };
}

macro_rules! uuid {
    () => {
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    };
}

const DAY: &str = "^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
const IPV4: &str = r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$";

/// A text with its pattern and its length in characters.
fn text(pattern: Option<&str>, length: (usize, Option<usize>), also_refused: &[&str]) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .pattern(pattern)
        .min_length(Some(length.0))
        .max_length(length.1)
        .extensions(extensions(also_refused))
}

/// A whole number.
fn number(least: i64, most: i64, also_refused: &[&str]) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(least))
        .maximum(Some(most))
        .extensions(extensions(also_refused))
}

/// One of some words.
fn word(words: impl IntoIterator<Item = &'static str>, also_refused: &[&str]) -> ObjectBuilder {
    let words: Vec<Value> = words.into_iter().map(Value::from).collect();
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(words)).extensions(extensions(also_refused))
}

/// The pattern of words whose case does not matter.
fn in_any_case(words: impl IntoIterator<Item = &'static str>) -> String {
    let letters = |word: &str| word.chars().map(|letter| format!("[{letter}{}]", letter.to_ascii_lowercase())).collect::<Vec<_>>().concat();
    let words: Vec<String> = words.into_iter().map(letters).collect();
    format!("^({})$", words.join("|"))
}

fn extensions(also_refused: &[&str]) -> Option<utoipa::openapi::extensions::Extensions> {
    (!also_refused.is_empty()).then(|| ExtensionsBuilder::new().add(ALSO_REFUSED, json!(also_refused)).build())
}

macro_rules! described {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:expr;)+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let description = [$($doc.trim()),+].join(" ");
                    $schema.description(Some(description)).into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(concat!("Given", stringify!($name)))
                }
            }
        )+

        /// Every one of them.
        #[cfg(test)]
        fn all() -> Vec<(&'static str, RefOr<Schema>)> {
            vec![$((stringify!($name), $name::schema())),+]
        }
    };
}

described! {
    /// 3 to 32 lower-case letters and digits, a letter first. Names that a system uses are refused (`reserved`).
    Username = text(Some("^[a-z][a-z0-9]{2,31}$"), (3, Some(32)), &["reserved"]);

    /// As in an order. Only for an account that comes back: one that is there keeps its names (`invalid`).
    RestoredUsername = text(Some("^[a-z][a-z0-9]{2,31}$"), (3, Some(32)), &["reserved", "invalid"]);

    /// A name below a public suffix, as U-label or A-label, without `www.`, at most 98 characters as an A-label (`too_long`). A public suffix is
    /// refused (`public_suffix`), and a name of the host's own where an account is to get it (`reserved`).
    Domain = text(Some(r"^([A-Za-z0-9.\-]|[^\u0000-\u007f])+$"), (2, Some(1000)), &["invalid", "too_long", "public_suffix", "reserved"]);

    /// 8 to 128 characters of at most 500 bytes (`too_long`), no control characters.
    Password = text(Some(concat!("^[^", control!(), "]*$")), (8, Some(128)), &["too_long"]).format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)));

    /// The name of a package: 1 to 64 characters that can be seen, no white space at either end.
    PackageName = text(Some(trimmed!(invisible!())), (1, Some(64)), &[]);

    /// The exact name of a package, case included. `missing` if neither this nor `package_id` is given.
    ChosenPackage = text(Some(trimmed!(invisible!())), (1, Some(64)), &["missing"]);

    /// The id of a package. `invalid` if `package` is given, too.
    ChosenPackageId = text(Some(concat!("^", uuid!(), "$")), (36, Some(36)), &["invalid"]);

    /// A UUID.
    Id = text(Some(concat!("^", uuid!(), "$")), (36, Some(36)), &[]);

    /// The account's id, or `ref:` and its external_ref.
    AccountReference = text(Some(concat!("^(ref:[A-Za-z0-9._:\\-]{1,100}|", uuid!(), ")$")), (5, Some(104)), &[]);

    /// 1 to 100 of `A-Za-z0-9._:-`.
    ExternalRef = text(Some(r"^[A-Za-z0-9._:\-]{1,100}$"), (1, Some(100)), &[]);

    /// 1 to 100 of `A-Za-z0-9._:-`. A token with a ref prefix orders nothing without one (`missing`).
    OrderRef = text(Some(r"^[A-Za-z0-9._:\-]{1,100}$"), (1, Some(100)), &["missing"]);

    /// 2 to 80 of `A-Za-z0-9._:-`, a colon last.
    RefPrefix = text(Some(r"^[A-Za-z0-9._:\-]{1,79}:$"), (2, Some(80)), &[]);

    /// An e-mail address of at most 254 characters, at most 64 before its `@` (`invalid`).
    Email = text(
        Some(concat!("^", mail_character!("."), r"+(\.", mail_character!("."), "+)*@", mail_character!("."), r"+(\.", mail_character!("."), "+)+$")),
        (5, Some(254)),
        &["invalid"]
    );

    /// An e-mail address that every mail server takes: in ASCII.
    MailAddress = text(Some(r"^[!#%&*+\-./0-9=?A-Z^_a-z|~]{1,64}@[!#%&*+\-./0-9=?A-Z^_a-z|~]*\.[!#%&*+\-./0-9=?A-Z^_a-z|~]*$"), (5, Some(254)), &["invalid"]);

    /// A day since 1970, as in 2026-12-31. One that no month has is refused (`invalid`).
    Day = text(Some(DAY), (10, Some(10)), &["invalid"]).format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)));

    /// Why: 1 to 500 characters that can be seen, on one line, no white space at either end.
    Reason = text(Some(trimmed!(unseen!())), (1, Some(500)), &[]);

    /// The id or the name of a server.
    ServerChoice = text(None, (1, Some(64)), &[]);

    /// `newest`, or a version of PHP.
    PhpChoice = text(Some(r"^(newest|[0-9]\.[0-9]{1,2})$"), (3, Some(6)), &["not_installed"]);

    /// A text that nothing else is said of.
    AnyText = text(None, (1, None), &[]);

    /// A name that is wished for.
    WishedName = text(None, (1, Some(1000)), &[]);

    /// The name of a token, for people: 1 to 64 characters, no white space at either end.
    TokenName = text(Some(trimmed!(control!())), (1, Some(64)), &[]);

    /// 3 to 32 lower-case letters and digits, a letter first.
    AdministratorName = text(Some("^[a-z][a-z0-9]{2,31}$"), (3, Some(32)), &[]);

    /// An address or a network, as `203.0.113.7` or `2001:db8::/48`.
    Network = text(Some(r"^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$"), (2, Some(49)), &["invalid"]);

    /// An IPv4 address at which somebody can be reached (`invalid`).
    Ipv4 = text(Some(IPV4), (7, Some(15)), &["invalid"]).format(Some(SchemaFormat::KnownFormat(KnownFormat::Ipv4)));

    /// An IPv6 address at which somebody can be reached (`invalid`).
    Ipv6 = text(Some(r"^[0-9A-Fa-f:.]{2,45}$"), (2, Some(45)), &["invalid"]).format(Some(SchemaFormat::KnownFormat(KnownFormat::Ipv6)));

    /// A name, `localhost`, or an address.
    MailHost = text(Some(r"^([A-Za-z0-9.:\-]|[^\u0000-\u007f])+$"), (2, Some(1000)), &["invalid"]);

    /// 1 to 320 characters, none that controls anything. It needs a password, and a password needs it (`invalid`).
    MailUsername = text(Some(concat!("^[^", control!(), "]*$")), (1, Some(320)), &["invalid"]);

    /// 1 to 512 characters, none that controls anything. One that is kept is for the server that it was set for (`invalid`).
    MailPassword = text(Some(concat!("^[^", control!(), "]*$")), (1, Some(512)), &["invalid"]);

    /// 1 to 120 characters on one line; white space around them goes.
    PageTitle = text(Some(concat!(r"^[\t-\r\u0085", space!(), "]*[^", control!(), space!(), "]([^", control!(), "]{0,118}[^", control!(), space!(), r"])?[\t-\r\u0085", space!(), "]*$")), (1, None), &[]);

    /// 1 to 5000 characters of plain text (`too_long`); empty lines part paragraphs. White space around them goes.
    PageMessage = text(Some(concat!(r"^[\t-\r\u0085", space!(), "]*[^", control!(), space!(), "](([^", control!(), r"]|\n|\r\n)*[^", control!(), space!(), r"])?[\t-\r\u0085", space!(), "]*$")), (1, None), &["too_long"]);

    /// An `https:` or `mailto:` address of at most 300 characters.
    PageLink = text(Some(r"^(https://([A-Za-z0-9]|\[)[A-Za-z0-9\-._~:/?#\[\]@!$&()*+,;=%]*|mailto:[A-Za-z0-9\-._~:/?#\[\]!$&()*+,;=%]+@[A-Za-z0-9\-._~:/?#\[\]@!$&()*+,;=%]+)$"), (9, Some(300)), &[]);

    /// `@` for the domain itself, `*`, or a name below it of at most 100 characters.
    RecordName = text(Some(r"^(@|\*|(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?)*)$"), (1, Some(100)), &[]);

    /// As in a zone: a host name of one label is below the domain, and the text of TXT stands without quotes. `{domain}`, `{ipv4}` and `{ipv6}` are
    /// filled in for each account. What is not of the record's type is refused (`invalid`).
    RecordContent = text(None, (1, None), &["invalid"]);

    /// The IANA name of a time zone, such as `Europe/Berlin`; case does not matter.
    TimeZone = text(Some(r"^[A-Za-z][A-Za-z0-9_+/\-]*$"), (2, None), &["invalid"]);

    /// The address of an installation on the web, as `https://billing.example.com`: at most 300 characters behind its scheme (`invalid`).
    InstallationUrl = text(
        Some(concat!(
            r"^[Hh][Tt][Tt][Pp][Ss]?://[^/:@?#\\", control!(), space!(), r"][^/@?#\\", control!(), space!(), "]*(/[^?#", control!(), space!(), "]*)?$"
        )),
        (8, Some(308)),
        &["invalid"]
    );

    /// The directory of an installation, from the root or a drive on.
    Directory = text(Some(concat!(r"^([/\\]|[\u0020-\u007e]:[/\\])[^", control!(), "]*$")), (1, Some(300)), &[]);

    /// `next` of the page before.
    AccountCursor = text(Some(concat!(r"^[0-9]{1,18}\.", uuid!(), "$")), (38, Some(55)), &[]);

    /// `next` of the page before.
    ActivityCursor = text(Some("^[0-9]{1,18}$"), (1, Some(18)), &[]);

    /// A whole number; 0 means unlimited.
    Limit = number(0, 1_000_000_000, &[]);

    /// How many accounts a server takes; 0 for any number.
    MaxAccounts = number(0, u32::MAX.into(), &[]);

    /// How many entries, 1 to 500.
    PageSize = number(1, 500, &[]);

    /// How many entries, 1 to 10000.
    UsagePageSize = number(1, super::usage::MOST.into(), &[]);

    /// For how many days, 0 to 365.
    KeptDays = number(0, app::KeptDays::MOST.into(), &[]);

    /// For how many days, 0 to 365. `missing` if there is no other setting to change.
    SettingKeptDays = number(0, app::KeptDays::MOST.into(), &["missing"]);

    /// For how many days, 30 to 3650.
    SettingActivityDays = number(ActivityDays::LEAST.into(), ActivityDays::MOST.into(), &["missing"]);

    /// How many rows, 100000 to 100000000.
    SettingActivityRows = number(ActivityRows::LEAST.into(), ActivityRows::MOST.into(), &["missing"]);

    /// A moment to come, in microseconds since 1970. One that is over is refused (`invalid`).
    Moment = number(0, i64::MAX, &["invalid"]);

    /// 60 to 86400 seconds.
    Ttl = number(60, 86_400, &[]);

    /// 1 to 65535.
    Port = number(1, 65_535, &[]);

    /// Who holds a suspended account.
    HoldWord = word(Hold::ALL.iter().map(|hold| hold.as_str()), &[]);

    /// What a token may do.
    ScopeWord = word(Scope::ALL.iter().filter(|scope| scope.for_tokens()).map(|scope| scope.as_str()), &[]);

    /// At least one. `missing` if there is no purpose either.
    Scopes = ArrayBuilder::new().items(ScopeWord::schema()).min_items(Some(1)).max_items(Some(MOST_ENTRIES)).extensions(extensions(&["missing"]));

    /// `whmcs` gives the scopes and a ref prefix that the WHMCS module needs.
    Purpose = word(["whmcs"], &[]);

    /// What a person may do.
    RoleWord = word(Role::ALL.iter().map(|role| role.as_str()), &[]);

    /// A part of an account's page.
    TargetWord = word(Target::ALL.iter().map(|target| target.as_str()), &[]);

    /// How the connection to the mail server is encrypted. `none` is for a server on this machine (`invalid`).
    EncryptionWord = word(Encryption::ALL.iter().map(|encryption| encryption.as_str()), &["invalid"]);

    /// `A`, `AAAA`, `CNAME`, `MX`, `TXT`, `CAA` or `SRV`, in upper or lower case.
    RecordTypeWord = text(Some(&in_any_case(RecordType::ALL.iter().map(|kind| kind.as_str()))), (1, Some(5)), &[]);

    /// What became of something.
    OutcomeWord = word(activity::Outcome::ALL.iter().map(|outcome| outcome.as_str()), &[]);

    /// A status by which accounts are listed.
    ListedStatus = word(Status::ALL.iter().filter(|status| **status != Status::Failed).map(|status| status.as_str()), &[]);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;
    use proptest::strategy::BoxedStrategy;
    use proptest::string::string_regex;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;
    use crate::app::{self, CallsFrom, Cidr, ClientRef, EmailAddress, ExternalRef, MailHost, MailUsername, Reference, TokenName};
    use crate::http::cursor::Cursor;
    use crate::http::read::{Classed, digits};
    use crate::store::mail_server::MailPassword;

    /// Reads a text as a request's is read; the code of the refusal otherwise.
    type Reader = Box<dyn Fn(&str) -> Result<(), &'static str>>;

    fn by<T, E: Classed>(parse: impl Fn(&str) -> Result<T, E> + 'static) -> Reader {
        Box::new(move |text| match parse(text) {
            _ if text.is_empty() => Err("empty"),
            Ok(_) => Ok(()),
            Err(error) => Err(error.class()),
        })
    }

    fn any_of(length: std::ops::RangeInclusive<usize>) -> Reader {
        by(move |text| if length.contains(&text.chars().count()) { Ok(()) } else { Err(String::new()) })
    }

    fn of_word<T: std::str::FromStr>() -> Reader {
        Box::new(|text| text.parse::<T>().map(|_| ()).map_err(|_| "invalid"))
    }

    fn readers() -> Vec<(&'static str, Reader)> {
        let package = || by(opterius_model::PackageName::parse);
        let id = || by(opterius_model::PackageId::parse);
        let administrator = || by(crate::app::AdministratorName::parse);
        vec![
            ("Username", by(opterius_model::Username::parse)),
            ("RestoredUsername", by(opterius_model::Username::parse)),
            ("Domain", by(opterius_model::DomainName::parse)),
            ("Password", by(|text| opterius_model::Password::parse(text.to_owned()))),
            ("PackageName", package()),
            ("ChosenPackage", package()),
            ("ChosenPackageId", id()),
            ("Id", id()),
            ("AccountReference", by(str::parse::<Reference>)),
            ("ExternalRef", by(ExternalRef::parse)),
            ("OrderRef", by(ClientRef::parse)),
            ("RefPrefix", by(crate::app::RefPrefix::parse)),
            ("Email", by(EmailAddress::parse)),
            ("MailAddress", by(app::MailAddress::parse)),
            ("Day", by(app::day)),
            ("Reason", by(crate::app::Reason::parse)),
            ("ServerChoice", by(crate::http::read::server_choice)),
            ("PhpChoice", by(opterius_model::PhpChoice::parse)),
            ("AnyText", any_of(1..=usize::MAX)),
            ("WishedName", any_of(1..=1000)),
            ("TokenName", by(TokenName::parse)),
            ("AdministratorName", administrator()),
            ("Network", by(Cidr::parse)),
            ("Ipv4", by(str::parse::<Ipv4Addr>)),
            ("Ipv6", by(str::parse::<Ipv6Addr>)),
            ("MailHost", by(MailHost::parse)),
            ("MailUsername", by(MailUsername::parse)),
            ("MailPassword", by(MailPassword::parse)),
            ("PageTitle", by(opterius_model::PageTitle::parse)),
            ("PageMessage", by(opterius_model::PageMessage::parse)),
            ("PageLink", by(opterius_model::PageLink::parse)),
            ("RecordName", by(opterius_model::RecordName::parse)),
            (
                "RecordContent",
                by(|text| opterius_model::Record::new(opterius_model::RecordName::parse("@").unwrap(), RecordType::Txt, text)),
            ),
            ("TimeZone", by(app::TimeZone::parse)),
            ("InstallationUrl", by(|text| CallsFrom::new(text, "/"))),
            ("Directory", by(|text| CallsFrom::new("https://a.example", text))),
            ("AccountCursor", by(Cursor::parse)),
            ("ActivityCursor", by(|text| digits(text).ok_or_else(String::new))),
            ("HoldWord", of_word::<Hold>()),
            ("ScopeWord", Box::new(|text| text.parse::<Scope>().ok().filter(|scope| scope.for_tokens()).map(|_| ()).ok_or("invalid"))),
            ("Purpose", Box::new(|text| (text == "whmcs").then_some(()).ok_or("invalid"))),
            ("RoleWord", of_word::<Role>()),
            ("TargetWord", of_word::<Target>()),
            ("EncryptionWord", of_word::<Encryption>()),
            ("RecordTypeWord", of_word::<RecordType>()),
            ("OutcomeWord", of_word::<activity::Outcome>()),
            (
                "ListedStatus",
                Box::new(|text| text.parse::<Status>().ok().filter(|status| *status != Status::Failed).map(|_| ()).ok_or("invalid")),
            ),
        ]
    }

    /// What a schema says of a text.
    struct Rule {
        pattern: Option<regex::Regex>,
        source: Option<String>,
        least: usize,
        most: usize,
        words: Option<Vec<String>>,
        also_refused: Vec<String>,
    }

    impl Rule {
        fn of(schema: &Value) -> Self {
            let source = schema["pattern"].as_str().map(str::to_owned);
            let length = |name: &str| schema[name].as_u64().and_then(|length| usize::try_from(length).ok());
            let texts = |value: &Value| value.as_array().map(|all| all.iter().map(|one| one.as_str().unwrap().to_owned()).collect());
            Self {
                pattern: source.as_deref().map(|source| regex::RegexBuilder::new(source).size_limit(1 << 26).build().unwrap()),
                source,
                least: length("minLength").unwrap_or(0),
                most: length("maxLength").unwrap_or(usize::MAX),
                words: texts(&schema["enum"]),
                also_refused: texts(&schema[ALSO_REFUSED]).unwrap_or_default(),
            }
        }

        fn allows(&self, text: &str) -> bool {
            (self.least..=self.most).contains(&text.chars().count())
                && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
                && self.words.as_ref().is_none_or(|words| words.iter().any(|word| word == text))
        }

        /// Texts like those that it allows, and others not far from them.
        fn texts(&self) -> BoxedStrategy<String> {
            let like = match (&self.words, &self.source) {
                (Some(words), _) => proptest::sample::select(words.clone()).boxed(),
                (None, Some(source)) => string_regex(source.trim_start_matches('^').trim_end_matches('$')).unwrap().boxed(),
                (None, None) => "\\PC{1,80}".boxed(),
            };
            let odd = prop_oneof![
                Just(""),
                Just(" "),
                Just("\n"),
                Just("\r\n"),
                Just("\u{85}"),
                Just("\u{a0}"),
                Just("\u{200b}"),
                Just("\u{3000}"),
                Just("ü"),
                Just("+"),
                Just("-"),
                Just("."),
                Just("@"),
                Just(":"),
                Just("/"),
                Just("0"),
                Just("A"),
                Just("9"),
                Just("_"),
                Just("\0"),
                Just("😀"),
                Just("*"),
            ];
            let near = (like.clone(), odd, any::<proptest::sample::Index>(), any::<bool>()).prop_map(|(text, odd, at, replace)| {
                let characters: Vec<char> = text.chars().collect();
                let at = at.index(characters.len() + 1);
                let rest = if replace { at + 1 } else { at };
                characters[..at].iter().collect::<String>() + odd + &characters.get(rest..).unwrap_or_default().iter().collect::<String>()
            });
            let long = (like.clone(), 1..9usize).prop_map(|(text, times)| text.repeat(times));
            prop_oneof![4 => like, 4 => near, 1 => long, 1 => any::<String>()].boxed()
        }
    }

    #[test]
    fn what_the_document_says_of_a_text_is_what_reads_it() {
        let described: Vec<(&str, Value)> = all().into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap())).collect();
        let texts: BTreeSet<&str> = described.iter().filter(|(_, schema)| schema["type"] == "string").map(|(name, _)| *name).collect();
        let readers = readers();
        assert_eq!(readers.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), texts, "every text has its reader here");
        for (name, read) in readers {
            let (_, schema) = described.iter().find(|(one, _)| *one == name).unwrap();
            let rule = Rule::of(schema);
            let mut runner = TestRunner::new(Config { cases: 600, failure_persistence: None, ..Config::default() });
            let outcome = runner.run(&rule.texts(), |text| {
                match (rule.allows(&text), read(&text)) {
                    (true, Err(code)) => {
                        prop_assert!(rule.also_refused.iter().any(|one| one == code), "{name}: allowed, and refused as {code}: {text:?}");
                    }
                    (false, Ok(())) => {
                        prop_assert!(false, "{name}: forbidden, and read: {text:?}");
                    }
                    _ => {}
                }
                Ok(())
            });
            outcome.unwrap();
        }
    }

    #[test]
    fn no_name_of_a_text_is_that_of_something_else() {
        let names: Vec<&str> = all().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(Username::name().starts_with("Given"), "the document has one list of names for all schemas");
    }
}
