//! Linux users and groups, through Debian's own tools, which know every rule of these files.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Group, Pid, Uid as UnixUid, User};
use opterius_model::{AccountId, PasswordHash, Uid, Username};
use tokio::sync::Mutex;

use super::commands::{self, CommandError};
use crate::host::{HostError, NewUser, ProcessesSeen, UserSeen};

const GROUPADD: &str = "/usr/sbin/groupadd";
const USERADD: &str = "/usr/sbin/useradd";
const USERDEL: &str = "/usr/sbin/userdel";
const GROUPDEL: &str = "/usr/sbin/groupdel";
const CHPASSWD: &str = "/usr/sbin/chpasswd";
const USERMOD: &str = "/usr/sbin/usermod";
const GPASSWD: &str = "/usr/bin/gpasswd";

/// The shell of every account: it says that it is not available, and ends.
const SHELL: &str = "/usr/sbin/nologin";

/// The mark in GECOS, in front of the account's id.
const MARK: &str = "opterius-";

/// useradd(8), groupadd(8): the number or the name is in use.
const E_UID_IN_USE: i32 = 4;
const E_NAME_IN_USE: i32 = 9;
/// userdel(8), groupdel(8): there is no such user or group.
const E_NOTFOUND: i32 = 6;
/// useradd(8), userdel(8), groupdel(8): the files could not be locked, which passes.
const E_LOCK: i32 = 10;
const E_LOCK_GROUP: i32 = 1;

/// The tools that write passwd, shadow and group lock all of them; one after the other they need not wait for each other's locks.
#[derive(Default)]
pub(super) struct Users {
    turn: Mutex<()>,
}

/// What passwd, shadow and group say of a name.
pub(super) fn see(username: &Username) -> Result<Option<UserSeen>, HostError> {
    let doing = || format!("look up the user {username}");
    let user = User::from_name(username.as_str()).map_err(HostError::failed(doing()))?;
    let group = Group::from_name(username.as_str()).map_err(HostError::failed(doing()))?;
    if user.is_none() && group.is_none() {
        return Ok(None);
    }
    let shadow = std::fs::read_to_string("/etc/shadow").map_err(HostError::failed("read /etc/shadow"))?;
    let line = shadow.lines().find_map(|line| line.strip_prefix(username.as_str())?.strip_prefix(':'));
    let mut fields = line.into_iter().flat_map(|line| line.split(':'));
    let hash = fields.next().map(str::to_owned);
    // shadow(5): days since 1970; the seventh field behind the name.
    let expires: Option<i64> = fields.nth(5).and_then(|days| days.parse().ok());
    let today = jiff::Timestamp::now().as_second() / (24 * 60 * 60);
    let as_made = user.as_ref().is_none_or(|user| {
        user.gid.as_raw() == user.uid.as_raw()
            && user.dir == home_of(username)
            && user.shell == std::path::Path::new(SHELL)
            && group.as_ref().is_none_or(|group| group.mem.is_empty())
    });
    Ok(Some(UserSeen {
        uid: user.as_ref().map(|user| user.uid.as_raw()),
        account: user.and_then(|user| AccountId::parse(user.gecos.to_str().ok()?.strip_prefix(MARK)?).ok()),
        group: group.map(|group| group.gid.as_raw()),
        shadow: hash,
        expired: expires.is_some_and(|day| day <= today),
        as_made,
    }))
}

fn home_of(username: &Username) -> std::path::PathBuf {
    std::path::Path::new("/home").join(username.as_str())
}

pub(super) fn uid_in_use(uid: Uid) -> Result<bool, HostError> {
    let doing = || format!("look up the uid {uid}");
    let user = User::from_uid(UnixUid::from_raw(uid.get())).map_err(HostError::failed(doing()))?;
    let group = Group::from_gid(Gid::from_raw(uid.get())).map_err(HostError::failed(doing()))?;
    Ok(user.is_some() || group.is_some() || !processes_of(uid, |_| true)?.is_empty())
}

impl Users {
    /// The group first, and the user into it: `useradd -U` compares every group with every other, which with 10,000 of them takes
    /// 0.3 s of a processor where both tools take 0.1 s (measured). `-u` with `-g` and no subordinate ids, since searching for numbers
    /// takes as long; `-M`, since the home is built by us; `-K` keeps subuid and subgid as they are.
    pub(super) async fn add(&self, user: &NewUser) -> Result<(), HostError> {
        let (uid, home, gecos) = (user.uid.to_string(), format!("/home/{}", user.username), format!("{MARK}{}", user.account));
        let doing = format!("make the user {}", user.username);
        let made = |ended: commands::Ended, program| match ended.code {
            Some(E_NAME_IN_USE) => Err(HostError::Taken { what: format!("a user or group named {}", user.username) }),
            _ => ended.success(program).map_err(HostError::failed(doing.clone())),
        };
        let expected = [0, E_UID_IN_USE, E_NAME_IN_USE];
        made(self.run(&doing, GROUPADD, &["-g", &uid, "--", user.username.as_str()], "", &expected).await?, GROUPADD)?;
        #[rustfmt::skip]
        let arguments = [
            "-u", &uid, "-g", &uid, "-M", "-d", &home, "-c", &gecos, "-s", SHELL,
            "-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0", "--", user.username.as_str(),
        ];
        let ended = self.run(&doing, USERADD, &arguments, "", &expected).await?;
        if ended.code == Some(E_NAME_IN_USE) {
            // Somebody made a user of that name meanwhile, who is to find no group of ours.
            self.remove_group(&user.username, user.uid).await?;
        }
        made(ended, USERADD)
    }

    /// The hash goes over standard input: an argument would stand in the list of processes.
    pub(super) async fn set_password(&self, username: &Username, hash: &PasswordHash) -> Result<(), HostError> {
        let doing = format!("set the password of {username}");
        let _turn = self.turn.lock().await;
        commands::run_or_fail(doing, CHPASSWD, &["-e"], &format!("{username}:{}\n", hash.expose())).await
    }

    /// Changes only what is not as wanted: usermod(8) refuses some changes while the user has processes.
    pub(super) async fn mend(&self, user: &NewUser, expired: bool) -> Result<(), HostError> {
        let (username, uid) = (&user.username, user.uid.get());
        let doing = format!("correct the user {username}");
        let seen = see(username)?;
        let Some(seen) = seen.filter(|seen| seen.uid == Some(uid) && seen.account == Some(user.account)) else {
            return Err(HostError::Taken { what: format!("another user {username}") });
        };
        let found = User::from_name(username.as_str()).map_err(HostError::failed(doing.clone()))?;
        let (gid, home) = (uid.to_string(), home_of(username).display().to_string());
        let mut arguments: Vec<&str> = Vec::new();
        if let Some(found) = &found {
            if found.gid.as_raw() != uid {
                arguments.extend(["--gid", &gid]);
            }
            if found.dir != home_of(username) {
                arguments.extend(["--home", &home]);
            }
            if found.shell != std::path::Path::new(SHELL) {
                arguments.extend(["--shell", SHELL]);
            }
        }
        if seen.expired != expired {
            // The first of January 1970 would be 0, which shadow(5) calls ambiguous.
            arguments.extend(["--expiredate", if expired { "1" } else { "" }]);
        }
        if !arguments.is_empty() {
            arguments.push(username.as_str());
            self.run(&doing, USERMOD, &arguments, "", &[0]).await?;
        }
        let members = Group::from_name(username.as_str()).map_err(HostError::failed(doing.clone()))?;
        if members.is_some_and(|group| group.gid.as_raw() == uid && !group.mem.is_empty()) {
            self.run(&doing, GPASSWD, &["--members", "", username.as_str()], "", &[0]).await?;
        }
        Ok(())
    }

    /// Looks once more whose user it is: between the engine's look and this somebody may have replaced it by hand.
    pub(super) async fn remove(&self, username: &Username, uid: Uid) -> Result<(), HostError> {
        let seen = see(username)?;
        if seen.as_ref().is_some_and(|seen| seen.uid == Some(uid.get())) {
            self.run(&format!("remove the user {username}"), USERDEL, &["--", username.as_str()], "", &[0, E_NOTFOUND]).await?;
        }
        // userdel removes the group too, unless it was stopped before it came to that.
        self.remove_group(username, uid).await
    }

    async fn remove_group(&self, username: &Username, uid: Uid) -> Result<(), HostError> {
        let left = Group::from_name(username.as_str()).map_err(HostError::failed(format!("look up the group {username}")))?;
        if left.is_some_and(|group| group.gid.as_raw() == uid.get()) {
            self.run(&format!("remove the group {username}"), GROUPDEL, &["--", username.as_str()], "", &[0, E_NOTFOUND]).await?;
        }
        Ok(())
    }

    /// Runs one of the tools in its turn, again while somebody else's tool holds the lock. Answers if the status is one of `expected`.
    async fn run(
        &self,
        doing: &str,
        program: &'static str,
        arguments: &[&str],
        input: &str,
        expected: &[i32],
    ) -> Result<commands::Ended, HostError> {
        let _turn = self.turn.lock().await;
        for attempt in 1.. {
            let ended = commands::run(program, arguments, input).await.map_err(HostError::failed(doing))?;
            let locked = matches!(ended.code, Some(E_LOCK | E_LOCK_GROUP)) && ended.said.contains("lock");
            if ended.code.is_some_and(|code| expected.contains(&code)) {
                return Ok(ended);
            }
            if !locked || attempt == 20 {
                let error = CommandError::Status { program, code: ended.code, said: ended.said };
                return Err(HostError::failed(doing)(error));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        unreachable!("the attempts are counted to their end")
    }
}

/// Every process whose real, effective, saved or file-system uid this is, and that is `wanted`.
fn processes_of(uid: Uid, wanted: impl Fn(i32) -> bool) -> Result<Vec<Pid>, HostError> {
    let number = uid.to_string();
    let entries = std::fs::read_dir("/proc").map_err(HostError::failed("read /proc"))?;
    let of_uid = |pid: &i32| {
        // A process that ended meanwhile has no file any more.
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let ended = status.lines().any(|line| line.starts_with("State:\tZ") || line.starts_with("State:\tX"));
        let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
        !ended && uids.split_whitespace().any(|uid| uid == number)
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    Ok(pids.filter(of_uid).filter(|pid| wanted(*pid)).map(Pid::from_raw).collect())
}

/// Whether a process is in a sandbox: these have PID namespaces of their own, which nobody gets into later.
fn is_sandboxed(pid: i32) -> bool {
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    namespace(&pid.to_string()).is_some_and(|theirs| Some(theirs) != namespace("self"))
}

pub(super) fn processes(uid: Uid) -> Result<ProcessesSeen, HostError> {
    let (sandboxed, sessions): (Vec<_>, Vec<_>) = processes_of(uid, |_| true)?.into_iter().partition(|pid| is_sandboxed(pid.as_raw()));
    Ok(ProcessesSeen { sandboxed: sandboxed.len() as u64, sessions: sessions.len() as u64 })
}

/// Kills until nothing is left: what forks while it is being killed is met in the next round.
pub(super) async fn end_processes(uid: Uid) -> Result<(), HostError> {
    end(uid, |_| true).await
}

/// The same, but for what is in the sandbox.
pub(super) async fn end_sessions(uid: Uid) -> Result<(), HostError> {
    end(uid, |pid| !is_sandboxed(pid)).await
}

async fn end(uid: Uid, wanted: fn(i32) -> bool) -> Result<(), HostError> {
    for _ in 0..200 {
        let processes = super::blocking(move || processes_of(uid, wanted)).await?;
        if processes.is_empty() {
            return Ok(());
        }
        for pid in processes {
            let _ = kill(pid, Signal::SIGKILL);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(HostError::failed(format!("end the processes of uid {uid}"))("some were still there after 200 rounds of SIGKILL"))
}
