//! Cgroups of the accounts, below the one that systemd delegates to `opterius-accounts.service`.
//!
//! They are not below phpd's own unit: systemd 252 then fails phpd's restart with 219/CGROUP. Where they cannot be made, PHP runs without,
//! and the health says so.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use opterius_model::{AccountId, PoolName};
use opterius_protocol::bounded;

const UNIT: &str = "opterius-accounts.service";

/// Makes and removes the accounts' cgroups.
#[derive(Debug)]
pub struct Cgroups {
    configured: Option<PathBuf>,
    state: Mutex<String>,
}

impl Cgroups {
    /// With the directory from the configuration, or the one that is found. Tries at once whether it works.
    pub fn new(configured: Option<PathBuf>) -> Self {
        let cgroups = Self { configured, state: Mutex::default() };
        let sentence = match cgroups.probe() {
            Ok(roots) => works(&roots),
            Err(reason) => reason,
        };
        cgroups.set(sentence);
        cgroups
    }

    /// Whether sandboxes get cgroups, in a sentence.
    pub fn sentence(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, sentence: String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != sentence {
            tracing::info!("cgroups: {sentence}");
            *state = sentence;
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

    /// The cgroups that a process of this pool joins, made if they are not there; none where there cannot be any.
    pub fn prepare(&self, account: AccountId, pool: &PoolName) -> Vec<PathBuf> {
        let made = self.roots().and_then(|roots| {
            let leaves: Vec<PathBuf> = roots.iter().map(|root| leaf(root, account, pool)).collect();
            for leaf in &leaves {
                fs::create_dir_all(leaf).map_err(|error| {
                    format!("Sandboxes share phpd's cgroup and its limit of memory: could not make {}: {error}.", leaf.display())
                })?;
            }
            Ok((works(&roots), leaves))
        });
        match made {
            Ok((sentence, leaves)) => {
                self.set(sentence);
                leaves
            }
            Err(reason) => {
                self.set(reason);
                Vec::new()
            }
        }
    }

    /// Removes the pool's cgroups, and the account's with its last one. Does nothing while a process is in them.
    pub fn forget(&self, account: AccountId, pool: &PoolName) {
        for root in self.roots().unwrap_or_default() {
            let leaf = leaf(&root, account, pool);
            drop(fs::remove_dir(&leaf));
            drop(fs::remove_dir(root.join(account.to_string())));
        }
    }
}

fn works(roots: &[PathBuf]) -> String {
    let shown: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
    format!("Each sandbox runs in a cgroup of its own below {}.", shown.join(" and "))
}

fn leaf(root: &Path, account: AccountId, pool: &PoolName) -> PathBuf {
    root.join(account.to_string()).join(pool.as_str())
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
        assert_eq!(cgroups.sentence(), "Sandboxes share phpd's cgroup and its limit of memory: /nowhere is not there.");
        assert!(cgroups.prepare(AccountId::generate(), &PoolName::main()).is_empty() && !Path::new("/nowhere").exists());
    }
}
