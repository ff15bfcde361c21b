//! `opterius-phpd enter-sandbox`: the step between phpd and bubblewrap. It runs in the new process, so that what must happen there before
//! exec needs no code between fork and exec, and no race: it writes down which process it is, joins the cgroup, lets go of every descriptor
//! but those that are meant to be inherited, gives up the system calls that no sandbox may make, and becomes bubblewrap.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use opterius_protocol::bounded;
use rustix::fs::Mode;
use rustix::io::FdFlags;

use crate::runs::Run;
use crate::{syscalls, view};

/// What phpd passes: the listening socket as standard input, the file for bubblewrap's report as standard output, and these.
#[derive(Debug, clap::Args)]
pub struct Enter {
    /// The directory of the run.
    #[arg(long)]
    run: PathBuf,
    /// The name under which FPM knows the inherited socket.
    #[arg(long)]
    listen: PathBuf,
    /// The cgroups to join.
    #[arg(long)]
    cgroup: Vec<PathBuf>,
    /// bubblewrap's arguments.
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

impl Enter {
    /// The arguments with which phpd starts itself for this.
    pub fn arguments(run: &Path, listen: &Path, cgroups: &[PathBuf], bwrap: Vec<OsString>) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["enter-sandbox".into(), "--run".into(), run.into(), "--listen".into(), listen.into()];
        arguments.extend(cgroups.iter().flat_map(|cgroup| ["--cgroup".into(), cgroup.into()]));
        arguments.push("--".into());
        arguments.extend(bwrap);
        arguments
    }

    /// Becomes bubblewrap. Returns only if that fails.
    pub fn exec(self) -> io::Error {
        match self.prepare() {
            Ok(mut command) => command.exec(),
            Err(error) => error,
        }
    }

    #[expect(clippy::print_stderr, reason = "standard error is where phpd looks for what went wrong here")]
    fn prepare(self) -> io::Result<Command> {
        Run::begun_by_this_process(&self.run)?;
        for cgroup in &self.cgroup {
            // A site without its cgroup is better than no site.
            if let Err(error) = join(cgroup) {
                eprintln!("could not join the cgroup {}: {error}", cgroup.display());
            }
        }
        // phpd is protected from the kernel's out-of-memory killer; a tenant is not. Raising one's own score is always allowed.
        drop(fs::write("/proc/self/oom_score_adj", "0"));
        // phpd's own may be stricter, and what PHP writes must be readable to the web server by its group.
        rustix::process::umask(Mode::from_raw_mode(0o022));
        // A terminal's or a manager's signal to phpd's group is not meant for the sandbox.
        let _ = rustix::process::setsid();

        close_the_rest()?;
        let socket = inheritable(io::stdin())?;
        let report = inheritable(io::stdout())?;
        let mut copied = Vec::new();
        let mut arguments = Vec::with_capacity(self.arguments.len());
        for argument in self.arguments {
            // Bubblewrap copies the file to where the next argument says, and closes it.
            let Some(path) = argument.as_bytes().strip_prefix(view::OPENED.as_bytes()) else {
                arguments.push(argument);
                continue;
            };
            let file = inheritable(File::open(OsStr::from_bytes(path))?)?;
            arguments.push(file.as_raw_fd().to_string().into());
            copied.push(file);
        }
        let mut command = Command::new(view::BWRAP);
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .args(["--info-fd", &report.as_raw_fd().to_string()])
            .args(["--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "FPM_SOCKETS"])
            .arg({
                let mut sockets = self.listen.into_os_string();
                sockets.push(format!("={}", socket.as_raw_fd()));
                sockets
            })
            .args(arguments);
        // They stay open across exec; of all of them only the socket gets into the sandbox.
        std::mem::forget((socket, report, copied));
        syscalls::refuse()?;
        Ok(command)
    }
}

/// The descriptor that FPM inherits.
pub const SOCKET_FD: i32 = 3;

/// Moves this process into `cgroup`. The end of another sandbox of the pool may have removed it since phpd made it.
fn join(cgroup: &Path) -> io::Result<()> {
    for _ in 0..10 {
        match fs::write(cgroup.join("cgroup.procs"), "0") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                drop(fs::create_dir_all(cgroup));
            }
            done => return done,
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Closes what this process inherited beyond the three standard descriptors. phpd opens everything close-on-exec; this is for what whoever
/// started phpd may have left open.
fn close_the_rest() -> io::Result<()> {
    let names = bounded::names("/proc/self/fd", 1_000_000)?;
    let open: Vec<i32> = names.iter().filter_map(|name| name.to_str()?.parse().ok()).filter(|fd| *fd > 2).collect();
    for fd in open {
        // The directory itself was among them and is closed by now; that error means nothing.
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

/// A copy above the standard descriptors that survives exec.
fn inheritable(fd: impl AsFd) -> io::Result<OwnedFd> {
    let copy = rustix::io::fcntl_dupfd_cloexec(&fd, SOCKET_FD)?;
    rustix::io::fcntl_setfd(&copy, FdFlags::empty())?;
    Ok(copy)
}
