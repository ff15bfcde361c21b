//! Linux users and groups: lines of passwd, shadow, group and gshadow, written by one writer.
//!
//! [`lines`] and [`changes`] say what becomes of the bytes and do no I/O, [`writer`] makes waiting changes together, under the [`lock`] that
//! every tool takes. useradd and groupadd took 150 ms of a create with 10,000 users, chpasswd 80 ms, and each waited for the other (measured).

mod caches;
mod changes;
mod lines;
mod lock;
mod names;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;

use opterius_model::{AccountId, PasswordHash, Uid, Username};

use self::changes::{Change, Refusal};
use self::writer::{Snapshot, Writer};
use super::{blocking, blocking_in_turn, processes};
use crate::host::{HostError, UserPlan, UserSeen};

/// The users of the server.
pub(super) struct Users {
    etc: PathBuf,
    writer: Writer,
}

impl Users {
    /// Whose files are in `etc`.
    pub(super) fn new(etc: PathBuf) -> Self {
        Self { writer: Writer::new(etc.clone()), etc }
    }

    /// What the files have of a name; of what they have nothing, the name service is asked.
    pub(super) async fn see(&self, username: &Username) -> Result<Option<UserSeen>, HostError> {
        let (etc, name) = (self.etc.clone(), username.clone());
        let seen = blocking(move || {
            let read = Snapshot::read(&etc).map_err(HostError::failed(format!("look up the user {name}")))?;
            Ok(changes::see(&read.contents, &name, today()))
        })
        .await?;
        if seen.as_ref().is_some_and(|seen| seen.uid.is_some() && seen.group.is_some()) {
            return Ok(seen);
        }
        let (user, group) = names::of(username).await?;
        if user.is_none() && group.is_none() {
            return Ok(seen);
        }
        // Whatever it says is no line of ours.
        let nothing = UserSeen { uid: None, account: None, group: None, shadow: None, expired: false, as_made: true };
        let seen = seen.unwrap_or(nothing);
        Ok(Some(UserSeen { uid: seen.uid.or(user), group: seen.group.or(group), ..seen }))
    }

    /// The account and the number that a user's line in passwd tells: that file alone is read, and the name service not asked.
    pub(super) async fn owner(&self, username: &Username) -> Result<Option<(AccountId, u32)>, HostError> {
        let (etc, name) = (self.etc.clone(), username.clone());
        blocking(move || {
            let passwd = writer::read_alone(&etc, changes::File::Passwd);
            let passwd = passwd.map_err(HostError::failed(format!("look up the user {name}")))?;
            Ok(changes::owner(&passwd, &name))
        })
        .await
    }

    /// Whether a user, a group or a process has this number.
    pub(super) async fn uid_in_use(&self, uid: Uid) -> Result<bool, HostError> {
        let etc = self.etc.clone();
        let in_files = blocking(move || {
            let read = Snapshot::read(&etc).map_err(HostError::failed(format!("look up the uid {uid}")))?;
            Ok(changes::has_number(&read.contents, uid.get()))
        });
        Ok(in_files.await? || names::know(uid).await? || self.has_processes(uid).await?)
    }

    async fn has_processes(&self, uid: Uid) -> Result<bool, HostError> {
        blocking_in_turn(&processes::LOOKS, move || processes::any_of(uid)).await
    }

    /// What another service knows is looked at before the lock is taken: nobody waits for both.
    pub(super) async fn add(&self, user: &UserPlan, hash: &PasswordHash, expired: bool) -> Result<(), HostError> {
        let doing = format!("make the user {}", user.username);
        if names::of(&user.username).await? != (None, None) {
            return Err(HostError::Taken { what: format!("a user or group named {}", user.username) });
        }
        if names::know(user.uid).await? {
            return Err(HostError::failed(doing)(format!("the number {} is in use by a user or a group", user.uid)));
        }
        self.make(doing, Change::Add { user: user.clone(), hash: hash.clone(), expired }).await
    }

    pub(super) async fn set_password(&self, user: &UserPlan, hash: &PasswordHash) -> Result<(), HostError> {
        let doing = format!("set the password of {}", user.username);
        self.make(doing, Change::SetPassword { user: user.clone(), hash: hash.clone() }).await
    }

    pub(super) async fn mend(&self, user: &UserPlan, expired: bool) -> Result<(), HostError> {
        self.make(format!("correct the user {}", user.username), Change::Mend { user: user.clone(), expired }).await
    }

    /// As userdel does, not while the user has processes: its number must not look free.
    pub(super) async fn remove(&self, user: &UserPlan) -> Result<(), HostError> {
        let doing = format!("remove the user {}", user.username);
        let Some(seen) = self.see(&user.username).await? else { return Ok(()) };
        let is_whole = seen.account == Some(user.account) && seen.uid == Some(user.uid.get());
        if is_whole && self.has_processes(user.uid).await? {
            return Err(HostError::failed(doing)("it has processes"));
        }
        self.make(doing, Change::Remove { user: user.clone() }).await
    }

    async fn make(&self, doing: String, change: Change) -> Result<(), HostError> {
        self.writer.change(change).await.map_err(|refusal| match refusal {
            Refusal::Taken(what) => HostError::Taken { what },
            Refusal::Failed(why) => HostError::failed(doing)(why),
        })
    }
}

/// The day since 1970, as shadow(5) counts.
fn today() -> i64 {
    jiff::Timestamp::now().as_second() / (24 * 60 * 60)
}
