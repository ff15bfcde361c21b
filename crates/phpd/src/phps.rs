//! The PHPs of the server: whatever `php<version>-fpm` packages are installed side by side.
//!
//! They are looked at again at each start of a pool, so an installation and a removal need no word to phpd. They are also looked at every few
//! seconds: a PHP that runs is replaced, without a gap, once a start would take another one or find it changed, such as by a security
//! update, another extension, or a version that came back. A process keeps what it has opened, so one whose program was removed goes on
//! until then, and for as long as there is nothing to put in its place.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opterius_model::{AccountId, PhpChoice, PhpVersion};
use opterius_protocol::bounded;
use opterius_protocol::phpd::MOST_PHP_VERSIONS;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::panics::Panics;

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long nothing may have changed before a PHP that runs is replaced: in the middle of an upgrade a version can lack its extensions.
const SETTLED: Duration = Duration::from_secs(15);

/// Over how many seconds the pools of a server spread that.
const SPREAD_SECONDS: u64 = 15;

/// The most names in the directory of PHP's configuration.
const MOST_NAMES: usize = 1_000;

/// One PHP that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Php {
    /// Its version.
    pub version: PhpVersion,
    /// Changes with its program, its `php.ini` and the list of its extensions. Nothing if it is not known what was started.
    pub stamp: Option<String>,
}

impl Php {
    /// Whether a PHP that was started as this is what a start would take now. What is not known is taken for the same.
    fn is_still(&self, now: &Self) -> bool {
        self.version == now.version && (self.stamp.is_none() || self.stamp == now.stamp)
    }
}

/// The one of `phps` that a pool with this choice gets.
pub fn pick<'a>(choice: &PhpChoice, phps: &'a [Php]) -> Option<&'a Php> {
    let version = choice.pick(phps.iter().map(|php| &php.version))?;
    phps.iter().find(|php| php.version == *version)
}

/// Where PHPs are installed.
#[derive(Debug, Clone)]
pub struct Installed {
    programs: PathBuf,
    configuration: PathBuf,
}

impl Default for Installed {
    fn default() -> Self {
        Self { programs: "/usr/sbin".into(), configuration: "/etc/php".into() }
    }
}

impl Installed {
    /// The PHPs that are there, the newest first, at most [`MOST_PHP_VERSIONS`]. One counts if both its program and its configuration are there;
    /// one without a `php.ini`, which its package makes last, only if no other has one. Blocks.
    pub fn look(&self) -> Vec<Php> {
        let mut found: Vec<(bool, Php)> = bounded::names(&self.configuration, MOST_NAMES)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|name| self.one(PhpVersion::parse(name.to_str()?).ok()?))
            .collect();
        if found.iter().any(|(whole, _)| *whole) {
            found.retain(|(whole, _)| *whole);
        }
        found.sort_unstable_by(|(_, one), (_, other)| other.version.cmp(&one.version));
        found.truncate(MOST_PHP_VERSIONS);
        found.into_iter().map(|(_, php)| php).collect()
    }

    fn one(&self, version: PhpVersion) -> Option<(bool, Php)> {
        let program = self.programs.join(format!("php-fpm{version}"));
        let configuration = self.configuration.join(version.as_str()).join("fpm");
        if !program.is_file() || !configuration.is_dir() {
            return None;
        }
        let ini = configuration.join("php.ini");
        let stamp = [&program, &ini, &configuration.join("conf.d")].map(|path| stamp(path)).join(" ");
        Some((ini.is_file(), Php { version, stamp: Some(stamp) }))
    }
}

fn stamp(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).map_or_else(|_| "-".to_owned(), |found| format!("{}:{}.{}", found.size(), found.mtime(), found.mtime_nsec()))
}

/// What was seen of the PHPs.
struct Seen {
    phps: Arc<[Php]>,
    /// Since when they are so.
    since: Instant,
}

/// The PHPs of the server, for all pools.
pub struct Phps {
    look: Box<dyn Fn() -> Vec<Php> + Send + Sync>,
    seen: Mutex<Option<Seen>>,
}

impl std::fmt::Debug for Phps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Phps").finish_non_exhaustive()
    }
}

impl Phps {
    /// With what looks at them.
    pub fn new(look: impl Fn() -> Vec<Php> + Send + Sync + 'static) -> Self {
        Self { look: Box::new(look), seen: Mutex::default() }
    }

    /// The PHPs that are there now, the newest first. Blocks.
    pub fn look(&self) -> Arc<[Php]> {
        let phps: Arc<[Php]> = (self.look)().into();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.replace(Seen { phps: Arc::clone(&phps), since: Instant::now() });
        match before {
            Some(before) if before.phps == phps => *seen = Some(before),
            Some(before) if told(&before.phps) != told(&phps) => {
                tracing::info!("this server has {} now, and had {} before", told(&phps), told(&before.phps));
            }
            Some(_) => {}
            None => tracing::info!("this server has {}", told(&phps)),
        }
        phps
    }

    /// What is to take the place of the PHP that runs for a pool of this account, if anything is.
    pub fn successor(&self, account: AccountId, choice: &PhpChoice, running: &Php) -> Option<Php> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { phps, since } = seen.as_ref()?;
        let now = pick(choice, phps).filter(|now| !running.is_still(now))?;
        let spread = account.to_string().bytes().map(u64::from).sum::<u64>() % SPREAD_SECONDS;
        (since.elapsed() >= SETTLED + Duration::from_secs(spread)).then(|| now.clone())
    }

    /// Looks again and again, for as long as phpd lives.
    pub async fn keep_looking(self: Arc<Self>, panics: Panics) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let this = Arc::clone(&self);
            // A disk that hangs delays the next look, and nothing else.
            let _ = panics.on_a_thread("a look at the PHPs", move || this.look()).await;
        }
    }
}

fn told(phps: &[Php]) -> String {
    if phps.is_empty() {
        return "no PHP".to_owned();
    }
    let versions: Vec<&str> = phps.iter().map(|php| php.version.as_str()).collect();
    format!("PHP {}", versions.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> PhpVersion {
        PhpVersion::parse(text).expect("a version")
    }

    /// A server in a directory of its own.
    struct Server(tempfile::TempDir);

    impl Server {
        fn new() -> Self {
            let root = tempfile::tempdir().expect("a directory");
            fs::create_dir(root.path().join("sbin")).expect("made");
            fs::create_dir(root.path().join("php")).expect("made");
            Self(root)
        }

        fn program(&self, version: &str) -> PathBuf {
            self.0.path().join("sbin").join(format!("php-fpm{version}"))
        }

        fn fpm(&self, version: &str) -> PathBuf {
            self.0.path().join("php").join(version).join("fpm")
        }

        fn install(&self, version: &str) {
            fs::create_dir_all(self.fpm(version).join("conf.d")).expect("made");
            fs::write(self.fpm(version).join("php.ini"), "").expect("written");
            fs::write(self.program(version), "").expect("written");
        }

        fn look(&self) -> Vec<Php> {
            Installed { programs: self.0.path().join("sbin"), configuration: self.0.path().join("php") }.look()
        }

        fn versions(&self) -> Vec<String> {
            self.look().into_iter().map(|php| php.version.to_string()).collect()
        }
    }

    #[test]
    fn a_php_counts_if_its_program_and_its_configuration_are_there() {
        let server = Server::new();
        assert!(server.look().is_empty());
        for version in ["8.2", "8.10", "7.4", "8.4"] {
            server.install(version);
        }
        for stranger in ["x", "8", "8.4.1", "-8.2"] {
            fs::create_dir_all(server.0.path().join("php").join(stranger).join("fpm")).expect("made");
        }
        assert_eq!(server.versions(), ["8.10", "8.4", "8.2", "7.4"]);
        fs::remove_file(server.program("8.10")).expect("removed");
        fs::remove_dir_all(server.fpm("7.4")).expect("purged");
        assert_eq!(server.versions(), ["8.4", "8.2"]);
        // Unpacked and not yet set up.
        fs::remove_file(server.fpm("8.4").join("php.ini")).expect("removed");
        assert_eq!(server.versions(), ["8.2"]);
        fs::remove_file(server.fpm("8.2").join("php.ini")).expect("removed");
        assert_eq!(server.versions(), ["8.4", "8.2"], "an administrator who does without any has PHP all the same");
    }

    #[test]
    fn no_more_are_told_than_fit() {
        let server = Server::new();
        for minor in 0..=MOST_PHP_VERSIONS {
            server.install(&format!("9.{minor}"));
        }
        let versions = server.versions();
        assert_eq!((versions.len(), versions[0].as_str()), (MOST_PHP_VERSIONS, "9.32"));
    }

    #[test]
    fn an_update_and_another_extension_are_noticed() {
        let server = Server::new();
        server.install("8.4");
        let before = server.look();
        assert_eq!(server.look(), before);
        fs::write(server.program("8.4"), "another build").expect("written");
        let after = server.look();
        assert!(!before[0].is_still(&after[0]), "{before:?} {after:?}");
        let unknown = Php { stamp: None, ..before[0].clone() };
        assert!(unknown.is_still(&after[0]), "what an earlier phpd started is not ended for that");
        let later = fs::File::open(server.fpm("8.4").join("conf.d")).expect("opened");
        later.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("set");
        assert!(!after[0].is_still(&server.look()[0]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_php_has_a_successor_only_once_nothing_has_changed_in_a_while() {
        let there = Arc::new(Mutex::new(vec!["8.2"]));
        let at = |versions: &[&str]| versions.iter().map(|text| Php { version: version(text), stamp: Some(String::new()) }).collect();
        let seen = Arc::clone(&there);
        let phps = Phps::new(move || at(&seen.lock().expect("not poisoned")));
        let (account, long) = (AccountId::generate(), SETTLED + Duration::from_secs(20));
        let running = Php { version: version("8.2"), stamp: Some(String::new()) };
        let successor =
            |choice: &str| phps.successor(account, &PhpChoice::parse(choice).expect("a choice"), &running).map(|php| php.version);
        phps.look();
        tokio::time::advance(long).await;
        assert_eq!((successor("newest"), successor("8.2")), (None, None));
        *there.lock().expect("not poisoned") = vec!["8.4", "8.2"];
        phps.look();
        assert_eq!(successor("newest"), None, "it may be in the middle of its installation");
        tokio::time::advance(long).await;
        phps.look();
        assert_eq!((successor("newest"), successor("8.2")), (Some(version("8.4")), None));
        *there.lock().expect("not poisoned") = vec![];
        phps.look();
        tokio::time::advance(long).await;
        assert_eq!((successor("newest"), successor("8.2")), (None, None), "there is nothing to put in its place");
        *there.lock().expect("not poisoned") = vec!["8.4"];
        phps.look();
        tokio::time::advance(long).await;
        assert_eq!(successor("8.2"), Some(version("8.4")));
    }
}
