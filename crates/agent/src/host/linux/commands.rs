//! Running other programs: by absolute path, with an argument vector and an empty environment, never through a shell.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use opterius_model::clean;
use opterius_protocol::bounded;
use tokio::process::Command;

/// No program that the Agent runs may take longer.
const DEADLINE: Duration = Duration::from_mins(1);

/// The most of a program's output that is kept for an error.
const KEPT: usize = 2000;

/// How a program ended.
pub(super) struct Ended {
    /// Its exit status; `None` if a signal ended it.
    pub(super) code: Option<i32>,
    /// What it wrote to standard error, cut to a bounded length, in one line.
    pub(super) said: String,
}

/// Why a program did not do what it was run for.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("{program} could not be started")]
    Start {
        program: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("{program} did not end within {} s and was killed", DEADLINE.as_secs())]
    Deadline { program: &'static str },
}

/// Runs `program` to its end, with nothing on its standard input. No secret goes into `arguments`.
///
/// The program is in a process group of its own. Past the deadline the whole group is killed, and waited for, before this answers: a
/// child that goes on working after we said that it failed would race whatever comes next. For the same reason this must not be dropped
/// before it answers.
pub(super) async fn run(program: &'static str, arguments: &[&str]) -> Result<Ended, CommandError> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|source| CommandError::Start { program, source })?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let mut stderr = child.stderr.take();
    let talk = async {
        let said = match stderr.take() {
            Some(stderr) => bounded::drain(stderr, KEPT).await.unwrap_or_default(),
            None => Vec::new(),
        };
        child.wait().await.map(|status| (status, said))
    };
    match tokio::time::timeout(DEADLINE, talk).await {
        Ok(Ok((status, said))) => {
            let said = clean(&said, KEPT).split_whitespace().collect::<Vec<_>>().join(" ");
            Ok(Ended { code: status.code(), said })
        }
        Ok(Err(source)) => Err(CommandError::Start { program, source }),
        Err(_) => {
            if let Some(group) = group {
                let _ = killpg(group, Signal::SIGKILL);
            }
            // What does not even end of that hangs in the kernel, and must not hang the Agent.
            let _ = tokio::time::timeout(DEADLINE, child.wait()).await;
            Err(CommandError::Deadline { program })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_says_much_is_heard_out_and_little_of_it_is_kept() {
        let script = "head -c 300000 /dev/zero | tr '\\0' x >&2; exit 3";
        let ended = run("/bin/sh", &["-c", script]).await.expect("it ends by itself");
        assert_eq!((ended.code, ended.said.len()), (Some(3), KEPT));
    }

    #[tokio::test]
    async fn what_a_terminal_obeys_does_not_come_in_by_a_programs_words() {
        let ended = run("/bin/sh", &["-c", "printf '\\033[31mred\\n  and more' >&2"]).await.expect("it ends");
        assert_eq!(ended.said, "\u{fffd}[31mred and more");
    }
}
