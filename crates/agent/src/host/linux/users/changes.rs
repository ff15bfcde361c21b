//! Changes of users, as other bytes of the files: no I/O. Each is made wholly or refused by itself, and the others of its batch go on.
//!
//! Whose a user is stands in GECOS of its line in passwd. That one comes last, so while there is none, the mark stands in the password field
//! of gshadow, which comes first and goes last: a crash in between leaves lines that can be told from a stranger's. `!` in front of it means
//! that nobody can join the group with a password, as it does for those that groupadd(8) makes.

use std::borrow::Cow;
use std::collections::HashSet;

use opterius_model::{AccountId, PasswordHash, Username};

use super::lines::{Found, Lines, Place, field, line_of, number_in, with_field};
use crate::host::{ShadowField, UserPlan, UserSeen};

/// The shell of every account: it says that it is not available, and ends.
const SHELL: &str = "/usr/sbin/nologin";

/// The mark in GECOS, in front of the account's id.
const MARK: &str = "opterius-";

/// The fields of passwd(5).
const PASSWD: usize = 1;
const UID: usize = 2;
const GID: usize = 3;
const GECOS: usize = 4;
const HOME: usize = 5;
const PASSWD_SHELL: usize = 6;

/// The fields of shadow(5).
const HASH: usize = 1;
const CHANGED: usize = 2;
const EXPIRES: usize = 7;

/// The fields of group(5).
const GROUP_PASSWORD: usize = 1;
const GROUP_GID: usize = 2;
const GROUP_MEMBERS: usize = 3;

/// The fields of gshadow(5).
const GSHADOW_PASSWORD: usize = 1;
const GSHADOW_ADMINS: usize = 2;
const GSHADOW_MEMBERS: usize = 3;

/// The files, in the order in which what is added is put in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    Gshadow,
    Group,
    Shadow,
    Passwd,
    Subuid,
    Subgid,
}

impl File {
    pub(super) const ALL: [Self; 6] = [Self::Gshadow, Self::Group, Self::Shadow, Self::Passwd, Self::Subuid, Self::Subgid];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gshadow => "gshadow",
            Self::Group => "group",
            Self::Shadow => "shadow",
            Self::Passwd => "passwd",
            Self::Subuid => "subuid",
            Self::Subgid => "subgid",
        }
    }

    /// Whether a server may be without it.
    pub(super) fn is_optional(self) -> bool {
        matches!(self, Self::Subuid | Self::Subgid)
    }
}

/// The bytes of all files, by [`File`]; nothing for one that is not there. Its `Debug` prints none of them: there are hashes among them.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Contents([Option<Vec<u8>>; File::ALL.len()]);

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|bytes| bytes.as_ref().map(Vec::len))).finish()
    }
}

impl Contents {
    pub(super) fn get(&self, file: File) -> &[u8] {
        self.0[file as usize].as_deref().unwrap_or_default()
    }

    pub(super) fn put(&mut self, file: File, bytes: Vec<u8>) {
        self.0[file as usize] = Some(bytes);
    }
}

/// One change of one user. Its `Debug` prints no hash.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Add { user: UserPlan, hash: PasswordHash, expired: bool },
    SetPassword { user: UserPlan, hash: PasswordHash },
    Mend { user: UserPlan, expired: bool },
    Remove { user: UserPlan },
}

/// Why a change was not made. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// This is in its place.
    Taken(String),
    /// It cannot be made, for this reason.
    Failed(String),
}

/// Files that change together, in the order in which they are put in place.
pub(super) type Pass = Vec<(File, Vec<u8>)>;

/// What a file has of a name, if that is clear.
type Lookup = Result<Option<Place>, Refusal>;

/// Every file as lines.
struct Tables<'a> {
    passwd: Lines<'a>,
    shadow: Lines<'a>,
    group: Lines<'a>,
    gshadow: Lines<'a>,
}

impl<'a> Tables<'a> {
    fn parse(contents: &'a Contents) -> Self {
        let lines = |file| Lines::parse(contents.get(file));
        Self { passwd: lines(File::Passwd), shadow: lines(File::Shadow), group: lines(File::Group), gshadow: lines(File::Gshadow) }
    }

    fn of(&self, file: File) -> &Lines<'a> {
        match file {
            File::Passwd => &self.passwd,
            File::Shadow => &self.shadow,
            File::Group => &self.group,
            File::Gshadow | File::Subuid | File::Subgid => &self.gshadow,
        }
    }

    fn find(&self, file: File, name: &Username) -> Lookup {
        match self.of(file).find(name.as_str()) {
            Found::Nothing => Ok(None),
            Found::One(place) => Ok(Some(place)),
            Found::Several => {
                let file = file.name();
                Err(Refusal::Failed(format!("/etc/{file} has several lines of {name}: remove those that are wrong with `vipw` or `vigr`")))
            }
        }
    }

    fn text(&self, file: File, place: Place, index: usize) -> &[u8] {
        self.of(file).at(place).and_then(|line| field(line, index)).unwrap_or_default()
    }

    /// Whether the user is the account's, by its line in passwd.
    fn has_user(&self, user: &UserPlan) -> Result<Option<Place>, Refusal> {
        let place = self.find(File::Passwd, &user.username)?;
        let line = place.and_then(|place| self.passwd.at(place));
        Ok(place.filter(|_| line.is_some_and(|line| is_marked(line, user))))
    }

    /// The line in group, if its number is the account's.
    fn own_group(&self, user: &UserPlan) -> Lookup {
        let place = self.find(File::Group, &user.username)?;
        Ok(place.filter(|place| self.group.at(*place).and_then(|line| number_in(line, GROUP_GID)) == Some(user.uid.get().into())))
    }

    /// Whether any line of the name is the account's, by passwd or, where that has none, by gshadow.
    fn has_anything_of(&self, user: &UserPlan) -> Result<bool, Refusal> {
        if self.find(File::Passwd, &user.username)?.is_some() {
            return Ok(self.has_user(user)?.is_some());
        }
        self.has_group_mark(user)
    }

    fn has_group_mark(&self, user: &UserPlan) -> Result<bool, Refusal> {
        let place = self.find(File::Gshadow, &user.username)?;
        Ok(place.is_some_and(|place| self.text(File::Gshadow, place, GSHADOW_PASSWORD) == group_mark(user.account).as_bytes()))
    }

    fn add(&mut self, user: &UserPlan, hash: &PasswordHash, expired: bool, today: i64) -> Result<(), Refusal> {
        let (name, uid) = (user.username.as_str(), user.uid.get());
        if [&self.passwd, &self.shadow, &self.group, &self.gshadow].iter().any(|lines| lines.has(name)) {
            return Err(Refusal::Taken(format!("a user or group named {name}")));
        }
        // Whoever gets this name would be in those groups.
        let is_member = self.group.has_member(GROUP_MEMBERS, name)
            || self.gshadow.has_member(GSHADOW_MEMBERS, name)
            || self.gshadow.has_member(GSHADOW_ADMINS, name);
        if is_member {
            return Err(Refusal::Taken(format!("a member {name} of another group")));
        }
        if self.passwd.count(UID, uid) + self.passwd.count(GID, uid) + self.group.count(GROUP_GID, uid) > 0 {
            return Err(Refusal::Failed(format!("the number {uid} is in use in /etc/passwd or /etc/group")));
        }
        let (changed, expires) = (days(today), if expired { EXPIRED } else { "" });
        self.gshadow.add(name, new_gshadow(user));
        self.group.add(name, format!("{name}:x:{uid}:").into_bytes());
        self.shadow.add(name, format!("{name}:{}:{changed}:0:99999:7::{expires}:", hash.expose()).into_bytes());
        let passwd = format!("{name}:x:{uid}:{uid}:{MARK}{}:{}:{SHELL}", user.account, home_of(name));
        self.passwd.add(name, passwd.into_bytes());
        Ok(())
    }

    fn set_password(&mut self, user: &UserPlan, hash: &PasswordHash, today: i64) -> Result<(), Refusal> {
        self.own(user)?;
        let place = self.find(File::Shadow, &user.username)?.ok_or_else(|| no_line(File::Shadow, user))?;
        let line = self.shadow.at(place).unwrap_or_default();
        let line = with_field(line, HASH, hash.expose().as_bytes());
        self.shadow.set(place, with_field(&line, CHANGED, days(today).as_bytes()));
        Ok(())
    }

    fn mend(&mut self, user: &UserPlan, expired: bool, today: i64) -> Result<(), Refusal> {
        let passwd = self.own(user)?;
        let shadow = self.find(File::Shadow, &user.username)?;
        let group = self.own_group(user)?;
        let gshadow = self.find(File::Gshadow, &user.username)?;
        let change = |lines: &mut Lines<'_>, place: Place, wanted: fn(&[u8], &UserPlan) -> Vec<u8>| {
            let line = lines.at(place).unwrap_or_default();
            let other = wanted(line, user);
            if other != line {
                lines.set(place, other);
            }
        };
        change(&mut self.passwd, passwd, passwd_as_made);
        if let Some(place) = group {
            change(&mut self.group, place, |line, _| group_as_made(line));
            match gshadow {
                Some(place) => change(&mut self.gshadow, place, gshadow_as_made),
                None => self.gshadow.add(user.username.as_str(), new_gshadow(user)),
            }
        }
        if let Some(place) = shadow {
            let line = self.shadow.at(place).unwrap_or_default();
            if is_expired(line, today) != expired {
                let line = with_field(line, EXPIRES, if expired { EXPIRED } else { "" }.as_bytes());
                self.shadow.set(place, line);
            }
        }
        Ok(())
    }

    fn own(&self, user: &UserPlan) -> Result<Place, Refusal> {
        self.has_user(user)?.ok_or_else(|| Refusal::Taken(format!("another user {}", user.username)))
    }

    /// Puts the mark into gshadow, where a user that is about to be removed lacks it: an earlier version made none.
    fn mark_group(&mut self, user: &UserPlan) -> Result<(), Refusal> {
        if self.has_user(user)?.is_none() || self.own_group(user)?.is_none() {
            return Ok(());
        }
        match self.find(File::Gshadow, &user.username)? {
            None => self.gshadow.add(user.username.as_str(), new_gshadow(user)),
            Some(_) if self.has_group_mark(user)? => {}
            Some(place) => {
                let line = self.gshadow.at(place).unwrap_or_default();
                self.gshadow.set(place, with_field(line, GSHADOW_PASSWORD, group_mark(user.account).as_bytes()));
            }
        }
        Ok(())
    }

    /// Removes what is the account's. Answers whether anything was.
    fn remove(&mut self, user: &UserPlan) -> Result<bool, Refusal> {
        if !self.has_anything_of(user)? {
            return Ok(false);
        }
        let name = &user.username;
        let (passwd, shadow) = (self.find(File::Passwd, name)?, self.find(File::Shadow, name)?);
        let (any_group, group, gshadow) = (self.find(File::Group, name)?, self.own_group(user)?, self.find(File::Gshadow, name)?);
        let own = passwd.and_then(|place| self.passwd.at(place)).and_then(|line| number_in(line, GID));
        let others = self.passwd.count(GID, user.uid.get()) - usize::from(own == Some(user.uid.get().into()));
        if group.is_some() && others > 0 {
            let why =
                format!("the group {name} is the primary group of another user: give that one another with `usermod --gid GROUP NAME`");
            return Err(Refusal::Failed(why));
        }
        for (lines, place) in [
            (&mut self.passwd, passwd),
            (&mut self.shadow, shadow),
            (&mut self.group, group),
            // A group that was made by somebody else meanwhile keeps its line.
            (&mut self.gshadow, gshadow.filter(|_| group.is_some() || any_group.is_none())),
        ] {
            if let Some(place) = place {
                lines.remove(place);
            }
        }
        Ok(true)
    }

    /// The files that changed, in this order.
    fn render(&self, order: &[File]) -> Pass {
        order.iter().filter_map(|file| Some((*file, self.of(*file).render()?))).collect()
    }
}

fn no_line(file: File, user: &UserPlan) -> Refusal {
    Refusal::Failed(format!("/etc/{} has no line of {}", file.name(), user.username))
}

/// The first of January 1970 would be 0, which shadow(5) calls ambiguous.
const EXPIRED: &str = "1";

/// A day as shadow(5) has it. A clock that stands at the beginning of 1970 gives none: 0 would mean that the password must be changed.
fn days(today: i64) -> String {
    if today > 0 { today.to_string() } else { String::new() }
}

fn home_of(name: &str) -> String {
    format!("/home/{name}")
}

fn group_mark(account: AccountId) -> String {
    format!("!{MARK}{account}")
}

fn new_gshadow(user: &UserPlan) -> Vec<u8> {
    format!("{}:{}::", user.username, group_mark(user.account)).into_bytes()
}

/// The account whose mark a text bears.
fn marked_by(text: &[u8]) -> Option<AccountId> {
    AccountId::parse(std::str::from_utf8(text).ok()?.strip_prefix(MARK)?).ok()
}

fn is_marked(line: &[u8], user: &UserPlan) -> bool {
    field(line, GECOS).and_then(marked_by) == Some(user.account) && number_in(line, UID) == Some(user.uid.get().into())
}

fn passwd_as_made(line: &[u8], user: &UserPlan) -> Vec<u8> {
    let (uid, home) = (user.uid.to_string(), home_of(user.username.as_str()));
    let wanted = [(PASSWD, "x"), (GID, &uid), (HOME, &home), (PASSWD_SHELL, SHELL)];
    wanted.iter().fold(line.to_vec(), |line, (index, text)| with_field(&line, *index, text.as_bytes()))
}

fn group_as_made(line: &[u8]) -> Vec<u8> {
    with_field(&with_field(line, GROUP_PASSWORD, b"x"), GROUP_MEMBERS, b"")
}

fn gshadow_as_made(line: &[u8], user: &UserPlan) -> Vec<u8> {
    let line = with_field(line, GSHADOW_PASSWORD, group_mark(user.account).as_bytes());
    with_field(&with_field(&line, GSHADOW_ADMINS, b""), GSHADOW_MEMBERS, b"")
}

fn is_expired(line: &[u8], today: i64) -> bool {
    // shadow(5): days since 1970.
    let day = field(line, EXPIRES).and_then(|day| std::str::from_utf8(day).ok()?.trim().parse::<i64>().ok());
    day.is_some_and(|day| day <= today)
}

/// What the files have of a name, as far as they have anything.
pub(super) fn see(contents: &Contents, username: &Username, today: i64) -> Option<UserSeen> {
    let line = |file| line_of(contents.get(file), username.as_str());
    let (passwd, shadow, group, gshadow) = (line(File::Passwd), line(File::Shadow), line(File::Group), line(File::Gshadow));
    [passwd, shadow, group, gshadow].iter().flatten().next()?;
    let small = |number: u64| u32::try_from(number).ok();
    let uid = passwd.and_then(|line| number_in(line, UID)).and_then(small);
    let group_mark = || marked_by(gshadow.and_then(|line| field(line, GSHADOW_PASSWORD))?.strip_prefix(b"!")?);
    let account = match passwd {
        Some(line) => field(line, GECOS).and_then(marked_by),
        None => group_mark(),
    };
    // A line of passwd without a number is somebody's all the same, and nothing of ours.
    let uid = uid.or(passwd.map(|_| u32::MAX));
    let is_empty = |line: &[u8], index| field(line, index).is_none_or(<[u8]>::is_empty);
    let as_made = passwd.is_none_or(|line| {
        let has = |index, text: &str| field(line, index) == Some(text.as_bytes());
        has(PASSWD, "x")
            && number_in(line, GID) == number_in(line, UID)
            && has(HOME, &home_of(username.as_str()))
            && has(PASSWD_SHELL, SHELL)
            && group.is_none_or(|line| field(line, GROUP_PASSWORD) == Some(b"x") && is_empty(line, GROUP_MEMBERS))
            && gshadow.is_some_and(|line| is_empty(line, GSHADOW_ADMINS) && is_empty(line, GSHADOW_MEMBERS))
    });
    Some(UserSeen {
        uid,
        account,
        group: group.map(|line| number_in(line, GROUP_GID).and_then(small).unwrap_or(u32::MAX)),
        shadow: shadow.map(|line| ShadowField::from(&*String::from_utf8_lossy(field(line, HASH).unwrap_or_default()))),
        expired: shadow.is_some_and(|line| is_expired(line, today)),
        as_made,
    })
}

/// The account whose mark the line of a name in passwd bears, and its number.
pub(super) fn owner(passwd: &[u8], username: &Username) -> Option<(AccountId, u32)> {
    let line = line_of(passwd, username.as_str())?;
    Some((field(line, GECOS).and_then(marked_by)?, number_in(line, UID)?.try_into().ok()?))
}

/// Whether a number is anywhere in passwd or group.
pub(super) fn has_number(contents: &Contents, number: u32) -> bool {
    let has = |file, indexes: &[usize]| {
        let is_it = |line| indexes.iter().any(|index| number_in(line, *index) == Some(number.into()));
        super::lines::all(contents.get(file)).any(is_it)
    };
    has(File::Passwd, &[UID, GID]) || has(File::Group, &[GROUP_GID])
}

/// Makes all changes. Answers what became of each, in their order, and the files that are to be put in place, pass by pass: between two of them
/// whatever there is can be told from a stranger's. What is removed goes in the other order than it came, so that nobody meets a user
/// without its group. `today` is the day since 1970.
pub(super) fn apply(contents: &Contents, changes: &[&Change], today: i64) -> (Vec<Result<(), Refusal>>, Vec<Pass>) {
    let mut contents = Cow::Borrowed(contents);
    let mut results: Vec<Result<(), Refusal>> = changes.iter().map(|_| Ok(())).collect();
    let mut passes = Vec::new();
    let mut finish = |contents: &mut Cow<'_, Contents>, pass: Pass| {
        for (file, bytes) in &pass {
            contents.to_mut().put(*file, bytes.clone());
        }
        passes.push(pass);
    };
    let removals: Vec<(usize, &UserPlan)> = changes
        .iter()
        .enumerate()
        .filter_map(|(at, change)| if let Change::Remove { user } = change { Some((at, user)) } else { None })
        .collect();
    if !removals.is_empty() {
        let mut tables = Tables::parse(&contents);
        for (at, user) in &removals {
            results[*at] = tables.mark_group(user);
        }
        let pass = tables.render(&[File::Gshadow]);
        // What was not changed is not parsed once more: with 10,000 accounts that costs as much as all else here.
        if !pass.is_empty() {
            drop(tables);
            finish(&mut contents, pass);
            tables = Tables::parse(&contents);
        }
        let mut gone: HashSet<&[u8]> = HashSet::new();
        for (at, user) in &removals {
            if results[*at].is_ok() {
                match tables.remove(user) {
                    Ok(true) => {
                        gone.insert(user.username.as_str().as_bytes());
                    }
                    Ok(false) => {}
                    Err(refusal) => results[*at] = Err(refusal),
                }
            }
        }
        let mut pass = Pass::new();
        if !gone.is_empty() {
            tables.group.remove_members(&[GROUP_MEMBERS], &gone);
            tables.gshadow.remove_members(&[GSHADOW_ADMINS, GSHADOW_MEMBERS], &gone);
            for file in [File::Subuid, File::Subgid] {
                let mut lines = Lines::parse(contents.get(file));
                lines.remove_all(&gone);
                pass.extend(lines.render().map(|bytes| (file, bytes)));
            }
        }
        pass.extend(tables.render(&[File::Passwd, File::Shadow, File::Group, File::Gshadow]));
        finish(&mut contents, pass);
    }
    passes.retain(|pass| !pass.is_empty());
    if removals.len() == changes.len() {
        return (results, passes);
    }
    let mut tables = Tables::parse(&contents);
    for (result, change) in results.iter_mut().zip(changes) {
        match change {
            Change::Add { user, hash, expired } => *result = tables.add(user, hash, *expired, today),
            Change::SetPassword { user, hash } => *result = tables.set_password(user, hash, today),
            Change::Mend { user, expired } => *result = tables.mend(user, *expired, today),
            Change::Remove { .. } => {}
        }
    }
    passes.push(tables.render(&[File::Gshadow, File::Group, File::Shadow, File::Passwd]));
    passes.retain(|pass| !pass.is_empty());
    (results, passes)
}
