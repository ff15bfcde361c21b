//! Linux users and groups, through Debian's own tools, which know every rule of these files.

use std::time::Duration;

use nix::unistd::{Gid, Group, Uid as UnixUid, User};
use opterius_model::{AccountId, PasswordHash, Uid, Username};
use opterius_protocol::bounded;
use tokio::sync::Mutex;

use super::commands::{self, CommandError};
use super::{blocking, processes};
use crate::host::{HostError, NewUser, ShadowField, UserSeen};

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

/// The longest `/etc/shadow`, in bytes: that of a million users.
const LONGEST_SHADOW: u64 = 256 * bounded::MIB;

/// The tools that write passwd, shadow and group lock all of them; one after the other they need not wait for each other's locks.
#[derive(Default)]
pub(super) struct Users {
    turn: Mutex<()>,
}

/// What passwd, shadow and group say of a name. These may be asked of a server far away, so it blocks.
pub(super) fn see(username: &Username) -> Result<Option<UserSeen>, HostError> {
    let doing = || format!("look up the user {username}");
    let user = User::from_name(username.as_str()).map_err(HostError::failed(doing()))?;
    let group = Group::from_name(username.as_str()).map_err(HostError::failed(doing()))?;
    if user.is_none() && group.is_none() {
        return Ok(None);
    }
    let shadow = bounded::text("/etc/shadow", LONGEST_SHADOW).map_err(HostError::failed("read /etc/shadow"))?;
    let line = shadow.lines().find_map(|line| line.strip_prefix(username.as_str())?.strip_prefix(':'));
    let mut fields = line.into_iter().flat_map(|line| line.split(':'));
    let hash = fields.next().map(ShadowField::from);
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
    Ok(user.is_some() || group.is_some() || processes::any_of(uid)?)
}

/// The user and the group of a name.
async fn look_up(username: &Username) -> Result<(Option<User>, Option<Group>), HostError> {
    let username = username.clone();
    blocking(move || {
        let doing = || format!("look up the user {username}");
        let user = User::from_name(username.as_str()).map_err(HostError::failed(doing()))?;
        Ok((user, Group::from_name(username.as_str()).map_err(HostError::failed(doing()))?))
    })
    .await
}

impl Users {
    async fn see(username: &Username) -> Result<Option<UserSeen>, HostError> {
        let username = username.clone();
        blocking(move || see(&username)).await
    }

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
        let seen = Self::see(username).await?;
        let Some(seen) = seen.filter(|seen| seen.uid == Some(uid) && seen.account == Some(user.account)) else {
            return Err(HostError::Taken { what: format!("another user {username}") });
        };
        let (found, _) = look_up(username).await?;
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
        let (_, members) = look_up(username).await?;
        if members.is_some_and(|group| group.gid.as_raw() == uid && !group.mem.is_empty()) {
            self.run(&doing, GPASSWD, &["--members", "", username.as_str()], "", &[0]).await?;
        }
        Ok(())
    }

    /// Looks once more whose user it is: between the engine's look and this somebody may have replaced it by hand.
    pub(super) async fn remove(&self, username: &Username, uid: Uid) -> Result<(), HostError> {
        let seen = Self::see(username).await?;
        if seen.as_ref().is_some_and(|seen| seen.uid == Some(uid.get())) {
            self.run(&format!("remove the user {username}"), USERDEL, &["--", username.as_str()], "", &[0, E_NOTFOUND]).await?;
        }
        // userdel removes the group too, unless it was stopped before it came to that.
        self.remove_group(username, uid).await
    }

    async fn remove_group(&self, username: &Username, uid: Uid) -> Result<(), HostError> {
        let (_, left) = look_up(username).await?;
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
