//! What the server's name service (nsswitch.conf(5)) says: it may know users and groups that are in no file. It may ask a server far away,
//! so every question has an end, in a thread that nothing else needs.

use std::time::Duration;

use nix::unistd::{Gid, Group, Uid as UnixUid, User};
use opterius_model::{Uid, Username};
use tokio::sync::Semaphore;

use crate::host::linux::in_a_thread;
use crate::host::{Haste, HostError};

/// The longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many questions are asked at once. One that hangs keeps its turn.
static TURNS: Semaphore = Semaphore::const_new(16);

async fn ask<T: Send + 'static>(doing: String, question: impl FnOnce() -> nix::Result<T> + Send + 'static) -> Result<T, HostError> {
    let asked = async {
        let turn = TURNS.acquire().await.map_err(HostError::failed("wait for a turn"))?;
        let ask = move || {
            let _turn = turn;
            question().map_err(HostError::failed(doing))
        };
        in_a_thread(Haste::Waited, ask).await
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
        Err(HostError::Unavailable {
            part: "the name service of the server",
            hint: "See which services /etc/nsswitch.conf names for passwd and group, and that they answer: `getent passwd root`."
                .to_owned(),
            source: format!("no answer within {} s", PATIENCE.as_secs()).into(),
        })
    })
}

/// The uid of the user and the gid of the group of this name.
pub(super) async fn of(username: &Username) -> Result<(Option<u32>, Option<u32>), HostError> {
    let name = username.clone();
    let (user, group) =
        ask(format!("look up the user {username}"), move || Ok((User::from_name(name.as_str())?, Group::from_name(name.as_str())?)))
            .await?;
    Ok((user.map(|user| user.uid.as_raw()), group.map(|group| group.gid.as_raw())))
}

/// Whether a user or group has this number.
pub(super) async fn know(uid: Uid) -> Result<bool, HostError> {
    ask(format!("look up the uid {uid}"), move || {
        let number = uid.get();
        Ok(User::from_uid(UnixUid::from_raw(number))?.is_some() || Group::from_gid(Gid::from_raw(number))?.is_some())
    })
    .await
}
