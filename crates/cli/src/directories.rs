//! The directories in which Opterius keeps what it trusts. None of them may be a link, or have been filled by somebody else.

use std::os::unix::fs::MetadataExt;

use crate::failure::Failure;
use crate::names::Complaint;
use crate::system::{Owner, ROOT, System, described};

const fn owner(user: &'static str, group: &'static str) -> Owner {
    Owner { user, group }
}

const WEB: Owner = owner("root", "opterius-web");
const PANEL: Owner = owner("opterius", "opterius");

/// A directory of ours.
pub(crate) struct Directory {
    pub(crate) path: &'static str,
    pub(crate) owner: Owner,
    pub(crate) mode: u32,
}

const fn directory(path: &'static str, owner: Owner, mode: u32) -> Directory {
    Directory { path, owner, mode }
}

/// Every one, as the packages and the daemons make it (`docs/ARCHITECTURE.md`, On the server).
pub(crate) const DIRECTORIES: [Directory; 22] = [
    directory("/etc/opterius", ROOT, 0o755),
    directory("/etc/nginx/opterius", ROOT, 0o755),
    directory("/run/opterius", ROOT, 0o755),
    directory("/run/opterius/php", WEB, 0o750),
    directory("/run/opterius-phpd", ROOT, 0o700),
    directory("/run/opterius-phpd/runs", ROOT, 0o700),
    directory("/var/lib/opterius", ROOT, 0o755),
    directory("/var/lib/opterius/sites", WEB, 0o710),
    directory("/var/lib/opterius/entries", WEB, 0o750),
    directory("/var/lib/opterius/staging", ROOT, 0o700),
    directory("/var/lib/opterius/acme", ROOT, 0o755),
    directory("/var/lib/opterius/pages", ROOT, 0o755),
    directory("/var/lib/opterius-agent", ROOT, 0o700),
    directory("/var/lib/opterius-agent/operations", ROOT, 0o700),
    directory("/var/lib/opterius-phpd", ROOT, 0o700),
    directory("/var/lib/opterius-phpd/pools", ROOT, 0o700),
    directory("/var/lib/opterius-panel", PANEL, 0o700),
    directory("/var/lib/opterius-panel/tls", PANEL, 0o700),
    directory("/home/.opterius-staging", ROOT, 0o700),
    directory("/home/.opterius-trash", ROOT, 0o700),
    directory("/var/log/opterius", WEB, 0o750),
    directory("/var/log/opterius/accounts", ROOT, 0o711),
];

/// Made when they are first needed.
const LATER: [Directory; 2] =
    [directory("/var/lib/opterius-agent/accounts", ROOT, 0o700), directory("/etc/systemd/system/nginx.service.d", ROOT, 0o755)];

/// What is in the place of a directory, or has it, and cannot be put right by owner and mode: before anything is written there.
///
/// # Errors
/// When one cannot be looked at.
pub(crate) fn complaints(system: &System) -> Result<Vec<Complaint>, Failure> {
    let mut found = Vec::new();
    for Directory { path, owner, .. } in DIRECTORIES.iter().chain(&LATER) {
        let metadata = match system.path(path).symlink_metadata() {
            Ok(metadata) => metadata,
            // Where something else is in the place of the directory above, that is told.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(Failure::because(format!("could not look at {path}"), &error)),
        };
        if let Some(complaint) = not_a_directory(system, path, &metadata) {
            found.push(complaint);
        } else if system.is_real() && metadata.uid() != 0 && owner.ids().is_ok_and(|(uid, _)| uid != metadata.uid()) {
            found.push(Complaint {
                detail: format!("{path} is {}: somebody else could have put anything there", described(&metadata)),
                hint: format!("move it away (`mv {path} {path}.before`), then run `systemd-tmpfiles --create`"),
            });
        }
    }
    Ok(found)
}

/// Why this cannot hold what is to be in the directory `path`.
pub(crate) fn not_a_directory(system: &System, path: &str, found: &std::fs::Metadata) -> Option<Complaint> {
    if found.is_symlink() {
        let target = std::fs::read_link(system.path(path)).unwrap_or_default();
        let target = opterius_model::clean(target.as_os_str().as_encoded_bytes(), 200);
        return Some(Complaint {
            detail: format!("{path} is a link to {target}, and must be a directory: whoever has what it leads to has what is kept there"),
            hint: format!(
                "stop what uses it, remove the link, and move the directory to {path}; to keep it on another disk, use a bind mount in /etc/fstab"
            ),
        });
    }
    (!found.is_dir()).then(|| Complaint {
        detail: format!("{path} is not a directory"),
        hint: format!("see what made it, move it away, and run `systemd-tmpfiles --create`; then look at `ls -ld {path}`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_packages_look_at_the_same_ones() {
        let script = include_str!("../../../packaging/scripts/names-and-places");
        let (_, check) = script.split_once("\ncheck_before() {").expect("the function");
        let (check, _) = check.split_once("agent_was_never_here").expect("what comes after the directories");
        let theirs: BTreeSet<&str> = check.split([' ', '\n', ';']).filter(|word| word.starts_with('/')).collect();
        assert_eq!(theirs, DIRECTORIES.iter().chain(&LATER).map(|one| one.path).collect());
    }

    #[test]
    fn a_link_or_a_file_in_the_place_of_any_directory_is_told() {
        for Directory { path, .. } in DIRECTORIES.iter().chain(&LATER) {
            for link in [true, false] {
                let (_root, system) = System::for_a_test();
                system.directory(path.rsplit_once('/').expect("it has a parent").0).expect("a directory");
                assert_eq!(complaints(&system).expect("looked at"), [], "{path}");
                if link {
                    system.directory("/elsewhere").expect("a directory");
                    std::os::unix::fs::symlink(system.path("/elsewhere"), system.path(path)).expect("a link");
                } else {
                    std::fs::write(system.path(path), "").expect("written");
                }
                let found = complaints(&system).expect("looked at");
                assert!(found.len() == 1 && found[0].detail.contains(path) && !found[0].hint.is_empty(), "{found:?}");
                assert_eq!(found[0].detail.contains("is a link"), link, "{found:?}");
            }
        }
    }
}
