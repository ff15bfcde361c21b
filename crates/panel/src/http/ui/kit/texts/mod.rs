//! What the pages say, in the languages that there are: a language is a Fluent file beside this one.

use std::borrow::Cow;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use http::{HeaderMap, header};
use unic_langid::LanguageIdentifier;

/// One language: how it is named in `lang`, and its texts.
struct Language {
    tag: &'static str,
    bundle: FluentBundle<FluentResource>,
}

/// The first one has every text; what another one lacks is said in it.
static LANGUAGES: LazyLock<Vec<Language>> =
    LazyLock::new(|| vec![language("en", include_str!("en.ftl")), language("de", include_str!("de.ftl"))]);

fn language(tag: &'static str, source: &str) -> Language {
    // What cannot be read of a file is left out; a test reads them all.
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(readable, _)| readable);
    let identifier: LanguageIdentifier = tag.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
    // Every value stands in an element of its own or in a plain sentence; the marks would be copied with it.
    bundle.set_use_isolating(false);
    bundle.add_resource_overriding(resource);
    Language { tag, bundle }
}

/// The texts of one visitor's language.
#[derive(Clone, Copy)]
pub(crate) struct Texts(&'static Language);

impl Texts {
    /// In the language that was chosen, or else the first one that the browser asks for and is there, or else English.
    pub(crate) fn of(chosen: Option<&str>, headers: &HeaderMap) -> Self {
        let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let asked = asked.split(',').map(|one| one.split([';', '-']).next().unwrap_or_default().trim());
        let known = |tag: &str| LANGUAGES.iter().find(|language| language.tag.eq_ignore_ascii_case(tag));
        Self(chosen.into_iter().chain(asked).find_map(known).unwrap_or(&LANGUAGES[0]))
    }

    /// In English.
    pub(crate) fn english() -> Self {
        Self(&LANGUAGES[0])
    }

    /// For `lang`.
    pub(crate) fn tag(self) -> &'static str {
        self.0.tag
    }

    /// Every language, by its tag and its own name.
    pub(crate) fn languages() -> Vec<(&'static str, String)> {
        LANGUAGES.iter().map(|language| (language.tag, Texts(language).say("language-name"))).collect()
    }

    /// A text.
    pub(crate) fn say(self, id: &str) -> String {
        self.with(id, &[])
    }

    /// A text about a number, which is called `$number` in it.
    pub(crate) fn count(self, id: &str, number: impl TryInto<i64>) -> String {
        self.with(id, &[("number", FluentValue::from(number.try_into().unwrap_or(i64::MAX)))])
    }

    /// A text with something in it, which is called `$name` there.
    pub(crate) fn about(self, id: &str, name: &'static str, value: &str) -> String {
        self.with(id, &[(name, FluentValue::from(Cow::Owned::<str>(value.to_owned())))])
    }

    /// A text with several things in it.
    pub(crate) fn with(self, id: &str, values: &[(&'static str, FluentValue<'_>)]) -> String {
        let arguments: FluentArgs<'_> = values.iter().map(|(name, value)| (*name, value.clone())).collect();
        for language in [self.0, &LANGUAGES[0]] {
            if let Some(pattern) = language.bundle.get_message(id).and_then(|message| message.value()) {
                return language.bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned();
            }
        }
        id.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use opterius_protocol::bounded;

    use super::*;

    fn ids(source: &str) -> BTreeSet<String> {
        FluentResource::try_new(source.to_owned()).expect("the file can be read");
        let names = source.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        names.filter_map(|line| Some(line.split_once(" =")?.0.to_owned())).collect()
    }

    #[test]
    fn every_language_has_every_text() {
        let english = ids(include_str!("en.ftl"));
        assert_eq!(ids(include_str!("de.ftl")), english);
    }

    #[test]
    fn every_text_that_a_page_asks_for_is_there() {
        let english = ids(include_str!("en.ftl"));
        let directories = ["http/ui/kit", "http/ui/staff", "http/ui/customer", "notices"]
            .map(|room| std::path::PathBuf::from(format!("{}/src/{room}", env!("CARGO_MANIFEST_DIR"))));
        let mut asked = 0;
        let names = |directory: &std::path::PathBuf| bounded::names(directory, 1000).unwrap();
        for file in directories.iter().flat_map(|directory| names(directory).into_iter().map(move |name| directory.join(name))) {
            let Ok(source) = bounded::text(&file, bounded::MIB) else { continue };
            for call in [".say(\"", ".count(\"", ".about(\"", ".with(\""] {
                for (at, _) in source.match_indices(call) {
                    let id = source[at + call.len()..].split('"').next().unwrap();
                    // Some names end in a word that is known when the page is drawn.
                    assert!(id.ends_with('-') || english.contains(id), "{}: {id}", file.display());
                    asked += 1;
                }
            }
        }
        assert!(asked > 20, "the search finds what pages ask for");
    }

    #[test]
    fn numbers_are_said_as_the_language_says_them() {
        let texts = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, accept.parse().unwrap());
            Texts::of(None, &headers)
        };
        assert_eq!(texts("fr-FR, en;q=0.8").count("ago-hours", 1), "1 hour ago");
        assert_eq!(texts("de-AT,de;q=0.9").count("ago-hours", 3), "vor 3 Stunden");
        assert_eq!(texts("xx").tag(), "en");
    }
}
