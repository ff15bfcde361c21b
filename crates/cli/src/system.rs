//! The server that setup changes and doctor looks at: its files, its programs, its addresses. Everything is below one root directory, `/`
//! but for tests.

use std::fs::{File, Metadata, Permissions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::unistd::{Group, User};
use opterius_protocol::bounded::{self, MIB};

use crate::failure::Failure;

/// The longest file that is read, and the most that is heard of a program, in bytes: the rules of a firewall are the longest of it.
const LONGEST: u64 = 64 * MIB;

/// One server.
pub(crate) struct System {
    root: PathBuf,
    /// Where nginx serves sites.
    pub(crate) web: SocketAddr,
    /// Where PowerDNS's API listens.
    pub(crate) dns_api: SocketAddr,
    /// Where the Panel listens with TLS.
    pub(crate) panel: SocketAddr,
    /// How long a part may take until it answers.
    pub(crate) patience: Duration,
}

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user: &'static str,
    pub(crate) group: &'static str,
}

/// Root's, and nobody else's.
pub(crate) const ROOT: Owner = Owner { user: "root", group: "root" };

/// What became of a file that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It was not there.
    New,
    /// Its content was another.
    Changed,
    /// It was as it should be; owner and mode are now, if they were not.
    Kept,
}

impl Said {
    /// The first line of its complaint, which says what went wrong; the others say where.
    pub(crate) fn reason(&self) -> &str {
        self.complaint.lines().next().unwrap_or_default()
    }
}

/// What a program said.
pub(crate) struct Said {
    /// Whether it ended with 0.
    pub(crate) ok: bool,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error, or its output where that is empty, without surrounding blanks.
    pub(crate) complaint: String,
}

impl System {
    /// The machine that this runs on.
    pub(crate) fn this() -> Self {
        Self {
            root: "/".into(),
            web: SocketAddr::from(([127, 0, 0, 1], 80)),
            dns_api: SocketAddr::from(([127, 0, 0, 1], 781)),
            panel: SocketAddr::from(([127, 0, 0, 1], 8443)),
            patience: Duration::from_mins(1),
        }
    }

    /// A pretended one: its files are below `root`, nothing changes its owner, and the ports are the test's.
    #[cfg(test)]
    pub(crate) fn below(root: &Path, web: SocketAddr, dns_api: SocketAddr) -> Self {
        Self { root: root.into(), web, dns_api, panel: SocketAddr::from(([127, 0, 0, 1], 1)), patience: Duration::from_secs(2) }
    }

    /// Whether this is a machine and not a directory that stands for one.
    pub(crate) fn is_real(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where the file that is called `path` on the server is to be found.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Whether there is something at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// The content of a file; nothing if it is not there.
    pub(crate) fn read(&self, path: &str) -> Result<Option<String>, Failure> {
        match bounded::text(self.path(path), LONGEST) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::because(format!("could not read {path}"), &error)),
        }
    }

    /// A directory, with those above it.
    pub(crate) fn directory(&self, path: &str) -> Result<(), Failure> {
        std::fs::create_dir_all(self.path(path)).map_err(|error| Failure::because(format!("could not make the directory {path}"), &error))
    }

    /// Puts a file in place whole or not at all: it has its owner and mode before it has content, and content before it has its name.
    pub(crate) fn write(&self, path: &str, content: &str, owner: Owner, mode: u32) -> Result<Written, Failure> {
        let before = self.read(path)?;
        if before.as_deref() == Some(content) {
            self.restrict(path, owner, mode)?;
            return Ok(Written::Kept);
        }
        let failed = |error: std::io::Error| Failure::because(format!("could not write {path}"), &error);
        let target = self.path(path);
        let directory = target.parent().expect("a file is in a directory");
        let mut file = tempfile::Builder::new()
            .prefix(".opterius-")
            .suffix(".new")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(directory)
            .map_err(failed)?;
        self.own(file.as_file(), path, owner)?;
        file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
        file.write_all(content.as_bytes()).map_err(failed)?;
        self.publish(file, path)?;
        Ok(if before.is_some() { Written::Changed } else { Written::New })
    }

    /// Gives a finished file its name, so that it is there after a power cut as well.
    pub(crate) fn publish(&self, file: tempfile::NamedTempFile, path: &str) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::because(format!("could not put {path} in place"), &error);
        let target = self.path(path);
        let directory = target.parent().expect("a file is in a directory");
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&target).map_err(|error| failed(error.error))?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
    }

    /// Gives an open file its owner.
    pub(crate) fn own(&self, file: &File, path: &str, owner: Owner) -> Result<(), Failure> {
        if !self.is_real() {
            return Ok(());
        }
        let (uid, gid) = owner.ids()?;
        fchown(file, Some(uid), Some(gid))
            .map_err(|error| Failure::because(format!("could not give {path} to {}:{}", owner.user, owner.group), &error))
    }

    /// Owner and mode of a file that is kept, and of none that a link leads to.
    fn restrict(&self, path: &str, owner: Owner, mode: u32) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::because(format!("could not set the mode of {path}"), &error);
        let file = File::options().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(self.path(path)).map_err(failed)?;
        self.own(&file, path, owner)?;
        file.set_permissions(Permissions::from_mode(mode)).map_err(failed)
    }

    /// Runs a program to its end: an absolute path, arguments that no shell reads, no input, and an environment of its own.
    pub(crate) async fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<Said, Failure> {
        self.run_as(None, program, arguments, limit).await
    }

    /// The same as another user, in that user's own group only.
    pub(crate) async fn run_as(&self, owner: Option<Owner>, program: &str, arguments: &[&str], limit: Duration) -> Result<Said, Failure> {
        let mut command = std::process::Command::new(self.path(program));
        command.args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8").current_dir(&self.root);
        command.stdin(Stdio::null());
        if let Some(owner) = owner.filter(|_| self.is_real()) {
            let (uid, gid) = owner.ids()?;
            // Setting the uid as root drops root's other groups as well.
            command.uid(uid).gid(gid);
        }
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let (status, out, errors) = tokio::time::timeout(limit, heard(command))
            .await
            .map_err(|_| Failure::new(format!("`{program} {}` did not end within {} seconds", arguments.join(" "), limit.as_secs())))?
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Failure::new(format!("{program} is not installed")),
                _ => Failure::because(format!("could not run {program}"), &error),
            })?;
        if out.len() as u64 > LONGEST {
            return Err(Failure::new(format!("`{program} {}` said more than {} MiB", arguments.join(" "), LONGEST / MIB)));
        }
        let out = String::from_utf8_lossy(&out).into_owned();
        let errors = String::from_utf8_lossy(&errors);
        let complaint = if errors.trim().is_empty() { out.trim() } else { errors.trim() }.to_owned();
        Ok(Said { ok: status.success(), out, complaint })
    }
}

/// Runs a program to its end, and keeps of what it says one byte more than [`LONGEST`].
async fn heard(mut command: tokio::process::Command) -> std::io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (out, errors) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    let most = usize::try_from(LONGEST).unwrap_or(usize::MAX - 1) + 1;
    let (out, errors, status) = tokio::join!(bounded::drain(out, most), bounded::drain(errors, most), child.wait());
    Ok((status?, out?, errors?))
}

impl Owner {
    /// The numbers of the user and of the group.
    pub(crate) fn ids(self) -> Result<(u32, u32), Failure> {
        let missing = |what: &str, name: &str| {
            Failure::new(format!("the {what} {name} does not exist"))
                .hint("the packages of Opterius and of the services that it uses make it: install them with `apt install opterius-panel opterius-agent`")
        };
        let user = User::from_name(self.user).ok().flatten().ok_or_else(|| missing("user", self.user))?;
        let group = Group::from_name(self.group).ok().flatten().ok_or_else(|| missing("group", self.group))?;
        Ok((user.uid.as_raw(), group.gid.as_raw()))
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.user, self.group)
    }
}

/// `root:opterius-web 0750`, with numbers for what has no name.
pub(crate) fn described(metadata: &Metadata) -> String {
    let user = User::from_uid(metadata.uid().into()).ok().flatten().map_or_else(|| metadata.uid().to_string(), |user| user.name);
    let group = Group::from_gid(metadata.gid().into()).ok().flatten().map_or_else(|| metadata.gid().to_string(), |group| group.name);
    format!("{user}:{group} {:04o}", metadata.mode() & 0o7777)
}

#[cfg(test)]
impl System {
    /// One in a directory of its own, whose services nobody reaches.
    pub(crate) fn for_a_test() -> (tempfile::TempDir, Self) {
        let root = tempfile::tempdir().expect("a directory");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let system = Self::below(root.path(), nowhere, nowhere);
        (root, system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_with_its_mode_and_left_alone_when_it_is_right() {
        let (root, system) = System::for_a_test();
        assert_eq!(system.write("/secret", "a\n", ROOT, 0o640).expect("written"), Written::New);
        let inode = |path: &str| system.path(path).metadata().expect("it is there").ino();
        let first = inode("/secret");
        std::fs::set_permissions(system.path("/secret"), Permissions::from_mode(0o644)).expect("a mode");
        assert_eq!(system.write("/secret", "a\n", ROOT, 0o640).expect("kept"), Written::Kept);
        assert_eq!(inode("/secret"), first);
        assert_eq!(system.path("/secret").metadata().expect("it is there").mode() & 0o7777, 0o640);
        assert_eq!(system.write("/secret", "b\n", ROOT, 0o600).expect("changed"), Written::Changed);
        assert_eq!(system.path("/secret").metadata().expect("it is there").mode() & 0o7777, 0o600);
        assert_eq!(bounded::names(root.path(), 10).expect("a directory").len(), 1, "nothing half-made is left");
        assert!(system.write("/no/such/file", "a", ROOT, 0o600).is_err());

        // What a link leads to is nobody's of ours: with our content already, it is left alone; with another, the link gives way.
        let elsewhere = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(elsewhere.path(), "a").expect("written");
        std::fs::set_permissions(elsewhere.path(), Permissions::from_mode(0o600)).expect("a mode");
        std::os::unix::fs::symlink(elsewhere.path(), system.path("/link")).expect("a link");
        assert!(system.write("/link", "a", ROOT, 0o644).is_err());
        assert_eq!(system.write("/link", "b", ROOT, 0o644).expect("written"), Written::Changed);
        assert_eq!(elsewhere.as_file().metadata().expect("there").mode() & 0o7777, 0o600);
        assert_eq!(bounded::text(elsewhere.path(), 10).expect("read"), "a");
    }

    #[tokio::test]
    async fn a_program_that_fails_hangs_or_is_missing_is_told_apart() {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let system = System::below(Path::new("/"), nowhere, nowhere);
        let said = system.run("/bin/sh", &["-c", "echo out; echo no >&2; exit 3"], Duration::from_secs(5)).await.expect("it ran");
        assert!(!said.ok && said.out == "out\n" && said.complaint == "no");
        let slow = system.run("/bin/sleep", &["60"], Duration::from_millis(50)).await.err().expect("too slow");
        assert!(slow.detail.contains("did not end"), "{slow:?}");
        let missing = system.run("/no/such/program", &[], Duration::from_secs(5)).await.err().expect("not there");
        assert_eq!(missing.detail, "/no/such/program is not installed");
    }
}
