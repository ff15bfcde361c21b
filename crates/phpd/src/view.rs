//! What an account sees of the server: the arguments of bubblewrap.
//!
//! Its own home, its own logs, the programs of the server read-only, a small `/etc`, and processes of its own only. Not the other homes,
//! not `/run` (FPM unlinks an inherited socket's path when it exits, and sockets of other services are nobody's business), not `/var`.
//!
//! The logs appear at the path they have on the server, `/var/log/opterius/accounts/<username>`, and not as `~/logs`: that mount
//! would need a directory in the real home, which root would have to make there, or follow a name there that its owner controls. For the
//! same reason `/tmp` is a small tmpfs and not the home's `tmp`: nothing below a home is ever named as the source of a mount.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use opterius_model::{PhpVersion, Uid, Username};

/// bubblewrap.
pub const BWRAP: &str = "/usr/bin/bwrap";

const SETPRIV: &str = "/usr/bin/setpriv";

/// Where FPM finds its configuration inside.
const FPM_CONF: &str = "/etc/php-fpm.conf";

/// The bytes that fit in `/tmp`. Uploads and sessions go to the home's `tmp`, which the account's quota counts.
const TMP_BYTES: &str = "67108864";

/// What is shown of the server's `/etc`, where it exists: directories, large files, and files that are edited in place on a running server.
const SHARED_ETC: &[&str] =
    &["alternatives", "ca-certificates", "fonts", "hosts", "ImageMagick-6", "mime.types", "resolv.conf", "ssl/certs"];

/// Small files of the server's `/etc` that each sandbox gets a copy of, where they exist. A mount takes a fifth of a millisecond of each start
/// (measured), and a copy nearly nothing.
const COPIED_ETC: &[&str] = &[
    "gai.conf",
    "host.conf",
    "ld.so.cache",
    "localtime",
    "magic",
    "networks",
    "protocols",
    "rpc",
    "services",
    "ssl/openssl.cnf",
    "timezone",
];

/// One account's view.
#[derive(Debug)]
pub struct View<'a> {
    /// The Linux user.
    pub username: &'a Username,
    /// Its uid and gid.
    pub uid: Uid,
    /// The PHP whose configuration is shown.
    pub php_version: &'a PhpVersion,
    /// The home on the server.
    pub home: &'a Path,
    /// The account's log directory on the server, where there is one.
    pub logs: Option<&'a Path>,
    /// Where [`files`] were written.
    pub files: &'a Path,
}

/// The home as the account sees it.
pub fn home(username: &Username) -> PathBuf {
    Path::new("/home").join(username.as_str())
}

/// The logs as the account sees them.
pub fn logs(username: &Username) -> PathBuf {
    Path::new("/var/log/opterius/accounts").join(username.as_str())
}

/// Where the account's PHP writes its log: a small file system of the sandbox's own with this one file in it, which phpd empties into
/// `php.log` ([`crate::php_log`]).
pub const PHP_LOG: &str = "/var/log/opterius/new/php.log";

/// The size of that file system: the kernel refuses what is written beyond it.
pub const PHP_LOG_BYTES: u64 = 2 * 1024 * 1024;

/// Stands before a path in the arguments of bubblewrap: in the place of both comes the descriptor of that file, opened for reading.
pub const OPENED: &str = "{opened}";

/// The program of a PHP.
pub fn php_fpm(version: &PhpVersion) -> PathBuf {
    format!("/usr/sbin/php-fpm{version}").into()
}

/// The small files of the view: name and content.
pub fn files(username: &Username, uid: Uid) -> [(&'static str, String); 3] {
    let home = home(username);
    let (uid, home) = (uid.get(), home.display());
    [
        (
            "passwd",
            format!(
                "root:x:0:0:root:/:/usr/sbin/nologin\n{username}:x:{uid}:{uid}::{home}:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"
            ),
        ),
        ("group", format!("root:x:0:\n{username}:x:{uid}:\nnogroup:x:65534:\n")),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n".to_owned()),
    ]
}

/// The name of FPM's configuration among the files.
pub const FPM_CONF_FILE: &str = "php-fpm.conf";

impl View<'_> {
    /// The arguments of bubblewrap up to the program.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut view = Arguments::default();
        // Capabilities are needed for one thing, to become the user; setpriv drops the rest of them.
        view.add(["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--new-session"]);
        view.add(["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]);
        view.add(["--ro-bind", "/usr", "/usr"]);
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            let path = Path::new("/").join(name);
            match std::fs::read_link(&path) {
                Ok(target) => view.mount("--symlink", &target, &path),
                Err(_) if path.is_dir() => view.mount("--ro-bind", &path, &path),
                Err(_) => {}
            }
        }
        view.add(["--proc", "/proc", "--dev", "/dev"]);
        view.add(["--perms", "1777", "--size", TMP_BYTES, "--tmpfs", "/tmp"]);
        self.etc(&mut view);
        for directory in ["/run", "/var", "/var/log", "/var/log/opterius", "/var/log/opterius/accounts", "/home"] {
            view.directory(directory);
        }
        view.mount("--symlink", Path::new("../run"), Path::new("/var/run"));
        view.mount("--symlink", Path::new("../tmp"), Path::new("/var/tmp"));
        if let Some(source) = self.logs {
            view.mount("--ro-bind", source, &logs(self.username));
            view.add(["--perms", "0755", "--size", &PHP_LOG_BYTES.to_string(), "--tmpfs", "/var/log/opterius/new"]);
            // Root's, so that its owner cannot change its mode, move it, or take a lease on it. Nobody reads what phpd has taken away.
            view.copy("0222", Path::new("/dev/null"), Path::new(PHP_LOG));
        }
        let home = home(self.username);
        view.mount("--bind", self.home, &home);
        view.add(["--remount-ro", "/", "--chdir"]);
        view.0.push(home.into());
        view.0
    }

    fn etc(&self, view: &mut Arguments) {
        view.directory("/etc");
        view.directory("/etc/ssl");
        for name in SHARED_ETC {
            let path = Path::new("/etc").join(name);
            view.mount("--ro-bind-try", &path, &path);
        }
        for name in COPIED_ETC {
            let path = Path::new("/etc").join(name);
            if path.is_file() {
                view.copy("0644", &path, &path);
            }
        }
        for (name, _) in files(self.username, self.uid) {
            view.copy("0644", &self.files.join(name), &Path::new("/etc").join(name));
        }
        view.copy("0644", &self.files.join(FPM_CONF_FILE), Path::new(FPM_CONF));
        // The pools that an operator may have in pool.d are not shown: they can hold secrets of others in their environment.
        let php = Path::new("/etc/php").join(self.php_version.as_str());
        for directory in [Path::new("/etc/php"), &php, &php.join("fpm")] {
            view.add(["--perms", "0755", "--dir"]);
            view.0.push(directory.into());
        }
        for name in ["mods-available", "cli", "fpm/php.ini", "fpm/conf.d"] {
            let path = php.join(name);
            view.mount("--ro-bind-try", &path, &path);
        }
    }

    /// The arguments that follow: become the user for good, and run FPM.
    pub fn fpm(&self, definitions: &[(&str, String)]) -> Vec<OsString> {
        let uid = self.uid.get().to_string();
        let mut command = Arguments::default();
        command.add([SETPRIV, "--reuid", &uid, "--regid", &uid, "--clear-groups", "--no-new-privs"]);
        command.add(["--inh-caps=-all", "--bounding-set=-all", "--"]);
        command.0.push(php_fpm(self.php_version).into());
        command.add(["--nodaemonize", "--fpm-config", FPM_CONF]);
        for (key, value) in definitions {
            command.add(["-d", &format!("{key}={value}")]);
        }
        command.0
    }
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn add<const N: usize>(&mut self, arguments: [&str; N]) {
        self.0.extend(arguments.map(OsString::from));
    }

    /// A directory that root makes on bubblewrap's own tmpfs. Its mode must be said, or the user cannot look into it.
    fn directory(&mut self, path: &str) {
        self.add(["--perms", "0755", "--dir", path]);
    }

    fn mount(&mut self, option: &str, source: &Path, target: &Path) {
        self.0.extend([option.into(), source.into(), target.into()]);
    }

    /// A file on bubblewrap's own tmpfs, or on one in it, with the content that `source` has now.
    fn copy(&mut self, mode: &str, source: &Path, target: &Path) {
        let mut opened = OsString::from(OPENED);
        opened.push(source);
        self.add(["--perms", mode, "--file"]);
        self.0.extend([opened, target.into()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fpm_config::tests::spec;

    fn shown(logs: Option<&Path>) -> Vec<String> {
        let spec = spec();
        let view = View {
            username: &spec.username,
            uid: spec.uid,
            php_version: spec.php_version.version().expect("the fixture names one"),
            home: Path::new("/home/alice"),
            logs,
            files: Path::new("/run/opterius-phpd/runs/x"),
        };
        view.arguments()
            .into_iter()
            .chain(view.fpm(&[("a", "1".to_owned())]))
            .map(|argument| argument.into_string().expect("UTF-8"))
            .collect()
    }

    /// The sources of all mounts that can be written to.
    fn writable(arguments: &[String]) -> Vec<&str> {
        arguments.windows(2).filter(|pair| pair[0] == "--bind").map(|pair| pair[1].as_str()).collect()
    }

    #[test]
    fn of_the_server_only_the_home_can_be_written() {
        assert_eq!(writable(&shown(None)), ["/home/alice"]);
        assert_eq!(writable(&shown(Some(Path::new("/logs/alice")))), ["/home/alice"]);
    }

    #[test]
    fn only_files_of_the_servers_and_of_the_run_are_copied() {
        let arguments = shown(Some(Path::new("/logs/alice")));
        let copied: Vec<&str> = arguments.iter().filter_map(|argument| argument.strip_prefix(OPENED)).collect();
        assert!(
            ["passwd", "group", "nsswitch.conf", "php-fpm.conf"]
                .iter()
                .all(|name| { copied.contains(&format!("/run/opterius-phpd/runs/x/{name}").as_str()) })
        );
        assert!(copied.iter().all(|path| {
            let etc = path.strip_prefix("/etc/").is_some_and(|name| COPIED_ETC.contains(&name));
            etc || *path == "/dev/null" || path.starts_with("/run/opterius-phpd/runs/x/")
        }));
        // Nobody but root may write what was copied, and root is not in there; the log of PHP is the one exception.
        let modes = arguments.windows(5).filter(|five| five[2] == "--file").map(|five| (five[1].as_str(), five[4].as_str()));
        assert!(
            modes.clone().count() == copied.len() && modes.clone().all(|(mode, to)| mode == "0644" || (mode == "0222" && to == PHP_LOG))
        );
    }

    #[test]
    fn every_file_system_in_memory_has_a_size() {
        let arguments = shown(Some(Path::new("/logs/alice")));
        let unbounded = arguments.windows(3).filter(|three| three[2] == "--tmpfs" && three[0] != "--size").count();
        assert_eq!(unbounded, 0, "{arguments:?}");
    }

    #[test]
    fn nothing_below_a_home_is_the_source_of_a_mount() {
        assert!(!shown(None).iter().any(|argument| argument.starts_with("/home/alice/")));
    }

    #[test]
    fn the_servers_run_and_var_are_not_shown() {
        let arguments = shown(Some(Path::new("/logs/alice")));
        let sources: Vec<&str> = arguments.windows(2).filter(|pair| pair[0].contains("bind")).map(|pair| pair[1].as_str()).collect();
        assert!(!sources.iter().any(|source| source.starts_with("/var") || *source == "/run" || source.starts_with("/run/opterius/")));
    }

    #[test]
    fn the_program_runs_as_the_user_without_groups_and_capabilities() {
        let arguments = shown(None);
        let from = arguments.iter().position(|argument| argument == SETPRIV).expect("it is there");
        assert_eq!(
            arguments[from..].join(" "),
            "/usr/bin/setpriv --reuid 20001 --regid 20001 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all -- \
             /usr/sbin/php-fpm8.2 --nodaemonize --fpm-config /etc/php-fpm.conf -d a=1"
        );
    }

    #[test]
    fn a_php_does_not_die_with_phpd() {
        assert!(!shown(None).iter().any(|argument| argument == "--die-with-parent"));
    }
}
