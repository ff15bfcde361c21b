//! Cgroups of the accounts, below the one that systemd delegates to `opterius-accounts.service`: `<account id>/<pool>/<µs>`, one a sandbox.
//!
//! They are not below phpd's own unit: systemd 252 then fails phpd's restart with 219/CGROUP. Where they cannot be made, PHP runs without,
//! and the health says so.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use opterius_model::{AccountId, PoolName};
use opterius_protocol::bounded;
use opterius_protocol::phpd::CgroupLevel;

use crate::runs::Run;

const UNIT: &str = "opterius-accounts.service";

/// What limits need.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// Makes, ends and removes the accounts' cgroups.
#[derive(Debug)]
pub struct Cgroups {
    configured: Option<PathBuf>,
    state: Mutex<State>,
}

/// How it was at the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    level: CgroupLevel,
    sentence: String,
}

impl Cgroups {
    /// With the directory from the configuration, or the one that is found. Tries at once whether it works.
    pub fn new(configured: Option<PathBuf>) -> Self {
        let state = State { level: CgroupLevel::None, sentence: String::new() };
        let cgroups = Self { configured, state: Mutex::new(state) };
        cgroups.set(cgroups.probe().map_or_else(State::refused, |roots| State::of(&roots)));
        cgroups
    }

    /// What they can do here, and whether and where sandboxes get them, in a sentence.
    pub fn told(&self) -> (CgroupLevel, String) {
        let State { level, sentence } = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (level, sentence)
    }

    fn set(&self, new: State) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != new {
            tracing::info!("cgroups: {} {}", new.sentence, new.level.meaning());
            *state = new;
        }
    }

    /// The delegated directories: one with cgroup v2, the one of systemd's own hierarchy with v1, both on a system with both.
    fn roots(&self) -> Result<Vec<PathBuf>, String> {
        let (candidates, advice) = if let Some(configured) = &self.configured {
            (vec![configured.clone()], format!("{} is not there", configured.display()))
        } else {
            let own = bounded::text("/proc/self/cgroup", bounded::MIB).unwrap_or_default();
            (own.lines().filter_map(beside).collect(), format!("{UNIT} has none beside phpd's own; start it"))
        };
        let found: Vec<PathBuf> = candidates.into_iter().filter(|path| path.is_dir()).collect();
        if found.is_empty() {
            return Err(format!("Sandboxes share phpd's cgroup and its limit of memory: {advice}."));
        }
        Ok(found)
    }

    fn probe(&self) -> Result<Vec<PathBuf>, String> {
        let roots = self.roots()?;
        for root in &roots {
            let trial = root.join(format!("probe-{}", std::process::id()));
            let refused = |error: io::Error| {
                format!("Sandboxes share phpd's cgroup and its limit of memory: {} refused one: {error}.", root.display())
            };
            fs::create_dir(&trial).map_err(refused)?;
            let writable = fs::OpenOptions::new().write(true).open(trial.join("cgroup.procs"));
            drop(fs::remove_dir(&trial));
            writable.map_err(refused)?;
        }
        Ok(roots)
    }

    /// The cgroups that the processes of this run join, made if they are not there; none where there cannot be any.
    pub fn prepare(&self, run: &Run) -> Vec<PathBuf> {
        let made = self.roots().and_then(|roots| {
            let state = State::of(&roots);
            let leaves: Vec<PathBuf> = roots.iter().map(|root| root.join(run.cgroup())).collect();
            for leaf in &leaves {
                fs::create_dir_all(leaf).map_err(|error| {
                    format!("Sandboxes share phpd's cgroup and its limit of memory: could not make {}: {error}.", leaf.display())
                })?;
            }
            Ok((state, leaves))
        });
        match made {
            Ok((state, leaves)) => {
                self.set(state);
                leaves
            }
            Err(reason) => {
                self.set(State::refused(reason));
                Vec::new()
            }
        }
    }

    /// Ends every process of the run at once, also one that is being made, where there is a tree of version 2.
    pub fn kill(&self, run: &Run) {
        self.kill_in(&run.cgroup());
    }

    /// Ends every process of every run of the pool in the same way.
    pub fn kill_pool(&self, account: AccountId, pool: &PoolName) {
        self.kill_in(&Path::new(&account.to_string()).join(pool.as_str()));
    }

    fn kill_in(&self, below: &Path) {
        for root in self.roots().unwrap_or_default() {
            let cgroup = root.join(below);
            // Opened and not made: only version 2 has this file, and only what was made has any.
            let killed = fs::OpenOptions::new().write(true).open(cgroup.join("cgroup.kill")).and_then(|mut file| file.write_all(b"1"));
            match killed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!("could not end the processes in {} together: {error}", cgroup.display());
                }
                _ => {}
            }
        }
    }

    /// Removes every cgroup of the run's pool that no process is in, and the pool's with the last one. One that somebody is about to join is
    /// made again.
    ///
    /// The account's own stays: one that has the controller `memory` goes on using 30 to 160 KiB of the kernel's memory after its removal, for as
    /// long as files that were read in it are cached (6.12, measured), so one a wake-up of PHP would add up.
    pub fn forget(&self, run: &Run) {
        run.cgroup().parent().into_iter().for_each(|pool| self.sweep(pool));
    }

    /// The same for a pool that is no more, with the account's cgroup if it was the last.
    pub fn forget_pool(&self, account: AccountId, pool: &PoolName) {
        let account = PathBuf::from(account.to_string());
        self.sweep(&account.join(pool.as_str()));
        for root in self.roots().unwrap_or_default() {
            drop(fs::remove_dir(root.join(&account)));
        }
    }

    fn sweep(&self, pool: &Path) {
        for root in self.roots().unwrap_or_default() {
            let pool = root.join(pool);
            // The files of a cgroup are no directories, and stay.
            for name in bounded::names(&pool, MOST_NAMES).unwrap_or_default() {
                drop(fs::remove_dir(pool.join(name)));
            }
            drop(fs::remove_dir(&pool));
        }
    }
}

/// More files and runs than the cgroup of one pool has.
const MOST_NAMES: usize = 100_000;

impl State {
    fn of(roots: &[PathBuf]) -> Self {
        let shown: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
        Self { level: level(roots), sentence: format!("Each sandbox runs in a cgroup of its own below {}.", shown.join(" and ")) }
    }

    fn refused(sentence: String) -> Self {
        Self { level: CgroupLevel::None, sentence }
    }
}

/// What these directories can do, after what controllers they have was handed on to the accounts' cgroups.
fn level(roots: &[PathBuf]) -> CgroupLevel {
    // Every directory of version 2 has this file, and none of version 1.
    match roots.iter().find(|root| root.join("cgroup.controllers").is_file()) {
        None => CgroupLevel::None,
        Some(root) if hands_on_controllers(root) => CgroupLevel::Full,
        Some(_) => CgroupLevel::Tree,
    }
}

/// Whether the cgroups below have all controllers that limits need. Switches on what is off.
fn hands_on_controllers(root: &Path) -> bool {
    let file = root.join("cgroup.subtree_control");
    let missing = || {
        let on = bounded::text(&file, bounded::MIB).unwrap_or_default();
        CONTROLLERS.into_iter().filter(|controller| !on.split_ascii_whitespace().any(|on| on == *controller)).collect::<Vec<_>>()
    };
    // One at a time, since the kernel takes all of a write or nothing. What it refuses is seen at the next look: a controller that is not
    // there, or, until the unit's own process has moved to its leaf, any.
    for controller in missing() {
        let on = fs::OpenOptions::new().write(true).open(&file).and_then(|mut file| file.write_all(format!("+{controller}").as_bytes()));
        if let Err(error) = on {
            tracing::debug!("{} does not hand on the controller {controller}: {error}", root.display());
        }
    }
    missing().is_empty()
}

/// The delegated cgroup beside the one that a line of `/proc/self/cgroup` names, in the hierarchies that systemd manages.
fn beside(line: &str) -> Option<PathBuf> {
    let mut fields = line.splitn(3, ':');
    let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let mounts: &[&str] = match (id, controllers) {
        ("0", "") if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() => &["/sys/fs/cgroup"],
        ("0", "") => &["/sys/fs/cgroup/unified"],
        (_, "name=systemd") => &["/sys/fs/cgroup/systemd"],
        _ => return None,
    };
    let slice = Path::new(path).parent()?.strip_prefix("/").ok()?;
    mounts.first().map(|mount| Path::new(mount).join(slice).join(UNIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fpm_config::tests::spec;
    use crate::phps::Php;
    use crate::runs::{Record, Runs};

    fn php() -> Php {
        Php { version: opterius_model::PhpVersion::parse("8.2").expect("a version"), stamp: Some("1".to_owned()) }
    }

    #[test]
    fn the_delegated_unit_is_looked_for_beside_phpds_own() {
        assert_eq!(
            beside("1:name=systemd:/machine/system.slice/opterius-phpd.service"),
            Some("/sys/fs/cgroup/systemd/machine/system.slice/opterius-accounts.service".into())
        );
        assert_eq!(beside("8:pids:/system.slice/opterius-phpd.service"), None);
        assert_eq!(beside("1:name=systemd:/"), None);
    }

    #[test]
    fn where_there_is_none_the_health_says_so() {
        let cgroups = Cgroups::new(Some("/nowhere".into()));
        let (level, sentence) = cgroups.told();
        assert_eq!(level, CgroupLevel::None);
        assert_eq!(sentence, "Sandboxes share phpd's cgroup and its limit of memory: /nowhere is not there.");
        let runs = tempfile::tempdir().expect("a directory");
        let run = Runs::open(runs.path()).and_then(|runs| runs.begin(&Record::new(spec(), php(), "/run/x".into(), 7))).expect("it begins");
        assert!(cgroups.prepare(&run).is_empty() && !Path::new("/nowhere").exists());
    }

    #[test]
    fn the_level_is_what_the_tree_hands_on_and_not_what_it_was_asked_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let roots = [dir.path().to_owned()];
        assert_eq!(level(&roots), CgroupLevel::None, "as version 1 has it");
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        put("cgroup.controllers", "");
        assert_eq!(level(&roots), CgroupLevel::Tree, "nothing can be switched on");
        for on in ["", "cpu memory", "cpuset io pids"] {
            put("cgroup.controllers", "cpuset cpu io memory pids");
            put("cgroup.subtree_control", on);
            assert_eq!(level(&roots), CgroupLevel::Tree, "a kernel that refuses has `{on}`");
        }
        put("cgroup.subtree_control", "cpuset cpu io memory pids\n");
        assert_eq!(level(&roots), CgroupLevel::Full);
        assert_eq!(level(&["/nowhere".into(), roots[0].clone()]), CgroupLevel::Full, "beside one of version 1");
    }
}
