//! The parts' configuration files, with the secrets that they share.

use super::progress::Progress;
use crate::failure::Failure;
use crate::secret;
use crate::system::{Owner, ROOT, System, Written};

const AGENT: &str = "/etc/opterius/agent.toml";
const PHPD: &str = "/etc/opterius/phpd.toml";
const PANEL: &str = "/etc/opterius/panel.toml";

/// What the Agent shares with nginx and with PowerDNS.
pub(super) struct Agent {
    pub(super) pdns_api_key: String,
    pub(super) probe_secret: String,
    /// Whether the Agent has to read its file again.
    pub(super) changed: bool,
}

/// Writes the Agent's file, with secrets of this server's own unless they are there.
pub(super) fn agent(system: &System, progress: &mut Progress) -> Result<Agent, Failure> {
    let mut file = TomlFile::read(system, AGENT, "# The Agent's configuration; see docs/operations.md for what may be added.\n")?;
    let pdns_api_key = file.secret("pdns_api_key")?;
    let probe_secret = file.secret("probe_secret")?;
    let written = system.write(AGENT, &file.content, ROOT, 0o600)?;
    progress.file(AGENT, written);
    Ok(Agent { pdns_api_key, probe_secret, changed: written != Written::Kept })
}

/// Puts `new` into the Agent's file in the place of the probe's secret.
pub(super) fn replace_probe_secret(system: &System, new: &str, progress: &mut Progress) -> Result<(), Failure> {
    #[derive(serde::Deserialize)]
    struct Secrets {
        probe_secret: toml::Spanned<String>,
    }
    let mut file = TomlFile::read(system, AGENT, "")?;
    // The error would quote the line, and with it the secret.
    let found = toml::from_str::<Secrets>(&file.content)
        .map_err(|_| Failure::new(format!("`probe_secret` in {AGENT} cannot be read")).hint("run setup again"))?;
    file.content.replace_range(found.probe_secret.span(), &format!("\"{new}\""));
    progress.file(AGENT, system.write(AGENT, &file.content, ROOT, 0o600)?);
    Ok(())
}

/// Writes phpd's file, which says nothing but that phpd may start. Returns whether it was changed.
pub(super) fn phpd(system: &System, progress: &mut Progress) -> Result<bool, Failure> {
    let file = TomlFile::read(system, PHPD, "# phpd's configuration; see docs/operations.md for what may be added.\n")?;
    let written = system.write(PHPD, &file.content, ROOT, 0o600)?;
    progress.file(PHPD, written);
    Ok(written != Written::Kept)
}

/// The host name that an earlier setup gave the Panel.
pub(super) fn panel_hostname(system: &System) -> Result<Option<String>, Failure> {
    Ok(TomlFile::read(system, PANEL, "")?.hostnames()?.and_then(|names| names.into_inner().into_iter().next()))
}

/// Writes the Panel's file. Returns whether it was changed.
pub(super) fn panel(system: &System, hostname: &str, progress: &mut Progress) -> Result<bool, Failure> {
    let mut file = TomlFile::read(system, PANEL, "# The Panel's configuration; see docs/operations.md for what may be added.\n")?;
    match file.hostnames()? {
        None => file.add("hostnames", &format!("[\"{hostname}\"]")),
        Some(names) if names.get_ref().first().is_some_and(|first| first == hostname) => {}
        // The first is ours; further ones are the operator's.
        Some(names) => {
            let further = names.get_ref().iter().skip(1).filter(|name| *name != hostname).map(String::as_str);
            let all: Vec<String> = std::iter::once(hostname).chain(further).map(|name| format!("{name:?}")).collect();
            file.content.replace_range(names.span(), &format!("[{}]", all.join(", ")));
        }
    }
    let written = system.write(PANEL, &file.content, Owner { user: "root", group: "opterius" }, 0o640)?;
    progress.file(PANEL, written);
    Ok(written != Written::Kept)
}

/// A configuration file of which one line is ours and the rest may be the operator's: comments and order stay as they are.
struct TomlFile {
    path: &'static str,
    content: String,
    values: toml::Table,
}

impl TomlFile {
    fn read(system: &System, path: &'static str, otherwise: &str) -> Result<Self, Failure> {
        let content = system.read(path)?.unwrap_or_else(|| otherwise.to_owned());
        // The error would quote the line, and with it a secret.
        let values = content.parse::<toml::Table>().map_err(|error| {
            let line = error.span().map_or(0, |span| content[..span.start.min(content.len())].lines().count().max(1));
            Failure::new(format!("{path} is not valid TOML near line {line}"))
                .hint(format!("mend it, or move it away to have setup write a new one: mv {path} {path}.old"))
        })?;
        Ok(Self { path, content, values })
    }

    /// The Panel's host names, and where they stand in the file.
    fn hostnames(&self) -> Result<Option<toml::Spanned<Vec<String>>>, Failure> {
        #[derive(serde::Deserialize)]
        struct Names {
            hostnames: Option<toml::Spanned<Vec<String>>>,
        }
        toml::from_str::<Names>(&self.content).map(|names| names.hostnames).map_err(|error| {
            Failure::new(format!("`hostnames` in {} cannot be used: {}", self.path, error.message()))
                .hint("write it as a list: hostnames = [\"panel.example.com\"]")
        })
    }

    /// The secret under `key`, made now if there is none.
    fn secret(&mut self, key: &str) -> Result<String, Failure> {
        let Some(kept) = self.values.get(key) else {
            let new = secret::key();
            self.add(key, &format!("\"{new}\""));
            return Ok(new);
        };
        // It goes into configuration of other programs, where a quote or a line break would be more than a secret.
        let usable = |text: &&str| text.len() >= 16 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        kept.as_str().filter(usable).map(str::to_owned).ok_or_else(|| {
            Failure::new(format!("`{key}` in {} cannot be used: it must be a text of at least 16 letters, digits, - and _", self.path))
                .hint("remove the line, and run setup again to have a new one made")
        })
    }

    /// Adds a key that is not there yet, behind the others and before the first table, where the same line would be another key.
    fn add(&mut self, key: &str, value: &str) {
        let top: usize = self.content.split_inclusive('\n').take_while(|line| !line.trim_start().starts_with('[')).map(str::len).sum();
        let (before, after) = self.content.split_at(top);
        let gap = if after.is_empty() { "" } else { "\n" };
        self.content = format!("{}\n{key} = {value}\n{gap}{after}", before.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn server() -> (tempfile::TempDir, System) {
        let (root, system) = System::for_a_test();
        system.directory("/etc/opterius").expect("a directory");
        (root, system)
    }

    fn mode(system: &System, path: &str) -> u32 {
        system.path(path).metadata().expect(path).mode() & 0o7777
    }

    #[test]
    fn a_second_run_keeps_the_secrets_and_writes_nothing() {
        let (_root, system) = server();
        let first = agent(&system, &mut Progress::default()).expect("written");
        assert!(first.changed && first.pdns_api_key != first.probe_secret && first.probe_secret.len() == 43);
        let content = system.read(AGENT).expect("read");
        let again = agent(&system, &mut Progress::default()).expect("kept");
        assert!(!again.changed);
        assert_eq!((again.pdns_api_key, again.probe_secret), (first.pdns_api_key, first.probe_secret));
        assert_eq!(system.read(AGENT).expect("read"), content);
        assert_eq!(mode(&system, AGENT), 0o600);
    }

    #[test]
    fn what_the_operator_wrote_stays() {
        let (_root, system) = server();
        let secret = "s".repeat(43);
        let old = format!("# ours\nprobe_secret = \"{secret}\"\n\n[limits] # theirs\npdns_api_key = \"not this one\"\n");
        system.write(AGENT, &old, ROOT, 0o644).expect("written");
        let kept = agent(&system, &mut Progress::default()).expect("written");
        assert_eq!(kept.probe_secret, secret);
        assert_eq!(
            system.read(AGENT).expect("read").expect("there"),
            format!(
                "# ours\nprobe_secret = \"{secret}\"\npdns_api_key = \"{}\"\n\n[limits] # theirs\npdns_api_key = \"not this one\"\n",
                kept.pdns_api_key
            )
        );
        assert_eq!(mode(&system, AGENT), 0o600, "a mode that was too wide is narrowed");
    }

    #[test]
    fn the_panels_host_name_changes_in_its_place() {
        let (_root, system) = server();
        assert_eq!(panel_hostname(&system).expect("read"), None);
        assert!(panel(&system, "panel.example.com", &mut Progress::default()).expect("written"));
        assert_eq!(mode(&system, PANEL), 0o640);
        assert_eq!(panel_hostname(&system).expect("read").as_deref(), Some("panel.example.com"));
        assert!(!panel(&system, "panel.example.com", &mut Progress::default()).expect("kept"));

        let theirs = "# both\nhostnames = [\n  \"panel.example.com\",\n  \"panel.example.net\",\n]\nphp_version = \"8.2\"\n";
        system.write(PANEL, theirs, ROOT, 0o640).expect("written");
        assert!(!panel(&system, "panel.example.com", &mut Progress::default()).expect("kept"));
        assert!(panel(&system, "new.example.com", &mut Progress::default()).expect("changed"));
        assert_eq!(
            system.read(PANEL).expect("read").expect("there"),
            "# both\nhostnames = [\"new.example.com\", \"panel.example.net\"]\nphp_version = \"8.2\"\n"
        );
        system.write(PANEL, "hostnames = \"panel.example.com\"\n", ROOT, 0o640).expect("written");
        assert!(panel_hostname(&system).expect_err("refused").hint.expect("a hint").contains("list"));
    }

    #[test]
    fn a_broken_file_or_secret_is_refused_and_not_repeated() {
        let (_root, system) = server();
        system.write(AGENT, "probe_secret = \"abc\npdns_api_key = 1\n", ROOT, 0o600).expect("written");
        let broken = agent(&system, &mut Progress::default()).err().expect("refused");
        assert!(broken.detail.contains("not valid TOML near line 1") && !broken.detail.contains("abc"), "{}", broken.detail);
        system.write(AGENT, "pdns_api_key = \"x\\\"; y\"\n", ROOT, 0o600).expect("written");
        let unusable = agent(&system, &mut Progress::default()).err().expect("refused");
        assert!(unusable.detail.contains("`pdns_api_key`"), "{}", unusable.detail);
    }

    #[test]
    fn phpds_file_is_there_so_that_its_unit_starts() {
        let (_root, system) = server();
        assert!(phpd(&system, &mut Progress::default()).expect("written"));
        assert!(!phpd(&system, &mut Progress::default()).expect("kept"));
        assert_eq!(mode(&system, PHPD), 0o600);
    }
}
