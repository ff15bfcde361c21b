//! Whose the names are that Opterius trusts. A name says nothing: a person's login that is called `opterius` would be the Panel, and whoever
//! is in the group `opterius-web` can open every account's PHP socket. So what has a name must be what the packages make of it.

use opterius_model::{SYSTEM_IDS, UID_RANGE, clean};

use crate::failure::Failure;
use crate::system::System;

/// The Panel's user, and the group that may open the Agent's socket.
const PANEL: &str = "opterius";
/// The group of nginx's workers.
const WEB: &str = "opterius-web";
/// What `packaging/systemd/sysusers.conf` says of the Panel's user.
const COMMENT: &str = "Opterius Panel";
const HOME: &str = "/var/lib/opterius-panel";
const NO_SHELL: [&str; 4] = ["/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false"];
/// The longest name or path that is shown, in characters.
const LONGEST: usize = 200;
/// The most names that are shown of a list.
const SHOWN: usize = 5;

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) detail: String,
    pub(crate) hint: String,
}

fn complaint(detail: impl Into<String>, hint: impl Into<String>) -> Complaint {
    Complaint { detail: detail.into(), hint: hint.into() }
}

/// A line of passwd(5).
struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    comment: &'a str,
    home: &'a str,
    shell: &'a str,
}

/// A line of group(5).
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// The server's users and groups, as its files have them.
struct Database {
    passwd: String,
    shadow: String,
    group: String,
    gshadow: String,
}

impl Database {
    fn read(system: &System) -> Result<Self, Failure> {
        let read = |path| system.read(path).map(Option::unwrap_or_default);
        Ok(Self { passwd: read("/etc/passwd")?, shadow: read("/etc/shadow")?, group: read("/etc/group")?, gshadow: read("/etc/gshadow")? })
    }

    fn users(&self) -> impl Iterator<Item = User<'_>> {
        self.passwd.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let &[name, _, uid, gid, comment, home, shell] = &fields[..] else { return None };
            Some(User { name, uid: uid.parse().ok()?, gid: gid.parse().ok()?, comment, home, shell })
        })
    }

    fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.group.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let &[name, _, gid, members] = &fields[..] else { return None };
            Some(Group { name, gid: gid.parse().ok()?, members })
        })
    }

    /// A field of the line of `name` in shadow(5) or gshadow(5).
    fn field<'a>(file: &'a str, name: &str, number: usize) -> Option<&'a str> {
        let line = file.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(number)
    }
}

/// The first of some names, cleaned, and how many more there are.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| clean(name.as_bytes(), LONGEST)).collect();
    let more = names.len() - shown.len();
    (!shown.is_empty()).then(|| if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) })
}

/// What has the names of Opterius and is not what the packages made, or not any more. Names that nobody has are no complaint.
///
/// # Errors
/// When the files of users and groups cannot be read.
pub(crate) fn complaints(system: &System) -> Result<Vec<Complaint>, Failure> {
    let database = Database::read(system)?;
    let mut found = Vec::new();
    panels_user(&database, system, &mut found);
    group(&database, PANEL, "whoever is in it may open the Agent's socket", &mut found);
    group(&database, WEB, "whoever is in it can open every account's PHP socket", &mut found);
    Ok(found)
}

/// Which of our names nobody has.
pub(crate) fn missing(system: &System) -> Result<Vec<String>, Failure> {
    let database = Database::read(system)?;
    let user = database.users().all(|user| user.name != PANEL).then(|| format!("the user {PANEL}"));
    let groups = [PANEL, WEB].into_iter().filter(|name| database.groups().all(|group| group.name != *name));
    Ok(user.into_iter().chain(groups.map(|name| format!("the group {name}"))).collect())
}

/// Users with uids of accounts who are none, so that PAM and the firewall treat them as accounts.
pub(crate) fn strangers_among_accounts(system: &System) -> Result<Option<String>, Failure> {
    let database = Database::read(system)?;
    Ok(listed(
        database.users().filter(|user| UID_RANGE.contains(&user.uid) && !user.comment.starts_with("opterius-")).map(|user| user.name),
    ))
}

fn panels_user(database: &Database, system: &System, found: &mut Vec<Complaint>) {
    let Some(user) = database.users().find(|user| user.name == PANEL) else { return };
    let [home, shell] = [user.home, user.shell].map(|text| clean(text.as_bytes(), LONGEST));
    if database.users().filter(|other| other.name == PANEL).count() > 1 {
        let hint = format!("run `vipw` and delete all but the one of the packages (uid 1 to 999, home {HOME})");
        found.push(complaint("/etc/passwd has several entries for opterius", hint));
    }
    if !SYSTEM_IDS.contains(&user.uid) || user.comment != COMMENT || user.home != HOME {
        found.push(complaint(
            format!("the user opterius is not Opterius' own (uid {}, home {home}, shell {shell}), and whoever it is acts as the Panel", user.uid),
            "stop opterius-panel.service and opterius-agent.service, rename the user (`usermod --login NAME opterius` and `groupmod --new-name NAME opterius`), then run `apt install --reinstall opterius opterius-panel` and `opterius setup`",
        ));
        return;
    }
    if !NO_SHELL.contains(&user.shell) {
        let hint = "run `usermod --shell /usr/sbin/nologin opterius`, and find out who changed it";
        found.push(complaint(format!("the user opterius has the shell {shell}: somebody could sign in as the Panel"), hint));
    }
    let password = Database::field(&database.shadow, PANEL, 1).unwrap_or_default();
    if !password.starts_with(['!', '*']) {
        let hint = "run `usermod --lock opterius`, and find out who changed it";
        found.push(complaint("the user opterius has a password, or an empty one: somebody could sign in as the Panel", hint));
    }
    if system.has(&format!("{HOME}/.ssh")) {
        let hint = format!("remove {HOME}/.ssh, and see who put it there");
        found.push(complaint(format!("the user opterius has {HOME}/.ssh: somebody could sign in as the Panel with a key"), hint));
    }
    let own_group = database.groups().find(|group| group.name == PANEL).map(|group| group.gid);
    if own_group.is_some_and(|gid| gid != user.gid) {
        let hint = "run `usermod --gid opterius opterius`";
        found.push(complaint(format!("the login group of the user opterius is {}, and not opterius", user.gid), hint));
    }
    let in_groups = database.groups().filter(|group| group.name != PANEL && group.members.split(',').any(|member| member == PANEL));
    if let Some(groups) = listed(in_groups.map(|group| group.name)) {
        let hint = "run `gpasswd --delete opterius GROUP` for each, and see who put it there";
        found.push(complaint(format!("the user opterius is in other groups ({groups}): the Panel may do what they may"), hint));
    }
    if let Some(others) = listed(database.users().filter(|other| other.uid == user.uid && other.name != PANEL).map(|other| other.name)) {
        let hint = "give them a uid of their own: `usermod --uid UID NAME`";
        found.push(complaint(format!("these users have the uid of the user opterius, and so act as the Panel: {others}"), hint));
    }
}

fn group(database: &Database, name: &str, why: &str, found: &mut Vec<Complaint>) {
    let Some(group) = database.groups().find(|group| group.name == name) else { return };
    if !SYSTEM_IDS.contains(&group.gid) {
        found.push(complaint(
            format!("the group {name} is not Opterius' own (gid {}): {why}", group.gid),
            format!(
                "rename it (`groupmod --new-name NAME {name}`), then run `apt install --reinstall opterius` and `systemd-tmpfiles --create`"
            ),
        ));
        return;
    }
    let members = group.members.split(',').chain(Database::field(&database.gshadow, name, 3).unwrap_or_default().split(','));
    let administrators = Database::field(&database.gshadow, name, 2).unwrap_or_default().split(',');
    // The Panel's user has its group as its login group, and is no member besides.
    let by_login = database.users().filter(|user| user.gid == group.gid && !(name == PANEL && user.name == PANEL)).map(|user| user.name);
    if let Some(members) = listed(members.chain(administrators).chain(by_login)) {
        found.push(complaint(
            format!("the group {name} has members or administrators ({members}), and must have none: {why}"),
            format!(
                "take them out: `gpasswd --delete NAME {name}`, `gpasswd --administrators '' {name}`, or `usermod --gid GROUP NAME` where it is a login group; then end what they run (`loginctl terminate-user NAME`)"
            ),
        ));
    }
    let password = Database::field(&database.gshadow, name, 1).unwrap_or_default();
    if !(password.is_empty() || password.starts_with(['!', '*'])) {
        let hint = format!("remove it: `gpasswd --remove-password {name}`");
        found.push(complaint(format!("the group {name} has a password, with which anybody could join it: {why}"), hint));
    }
    if let Some(others) = listed(database.groups().filter(|other| other.gid == group.gid && other.name != name).map(|other| other.name)) {
        let hint = "give them a gid of their own: `groupmod --gid GID NAME`";
        found.push(complaint(format!("these groups have the gid of the group {name}: {others}; {why}"), hint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\ncarl:x:1000:1000:Carl,,,:/home/carl:/bin/bash\n\
        opterius:x:996:996:Opterius Panel:/var/lib/opterius-panel:/usr/sbin/nologin\n\
        alice:x:59999:59999:opterius-0193a5e0-7c1e-7000-8000-000000000000:/home/alice:/usr/sbin/nologin\n";
    const SHADOW: &str = "root:$y$x:20787::::::\nopterius:!*:20787::::::\n";
    const GROUP: &str = "root:x:0:\nsudo:x:27:carl\nopterius:x:996:\nopterius-web:x:997:\n";
    const GSHADOW: &str = "sudo:*::carl\nopterius:!*::\nopterius-web:!::\n";

    /// What is found where the text of one file is replaced; which must be in it.
    fn found(changes: &[(&str, &str, &str)]) -> Vec<String> {
        let (_root, system) = System::for_a_test();
        system.directory("/etc").expect("a directory");
        for (file, content) in [("passwd", PASSWD), ("shadow", SHADOW), ("group", GROUP), ("gshadow", GSHADOW)] {
            let mut content = content.to_owned();
            for (_, old, new) in changes.iter().filter(|(changed, ..)| *changed == file) {
                assert!(content.contains(old), "{file}: {old}");
                content = content.replace(old, new);
            }
            std::fs::write(system.path(&format!("/etc/{file}")), content).expect("written");
        }
        let complaints = complaints(&system).expect("read");
        assert!(complaints.iter().all(|complaint| !complaint.hint.is_empty()), "{complaints:?}");
        complaints.into_iter().map(|complaint| complaint.detail).collect()
    }

    #[test]
    fn what_the_packages_make_is_no_complaint() {
        assert_eq!(found(&[]), Vec::<String>::new());
        // Names that nobody has are for whoever makes them.
        assert_eq!(found(&[("passwd", "opterius:x", "other:x"), ("group", "opterius", "others")]), Vec::<String>::new());
    }

    #[test]
    fn a_persons_login_with_the_panels_name_is_not_the_panels_user() {
        for (what, changed) in [
            ("a uid of a person", "opterius:x:1001:996:Opterius Panel:/var/lib/opterius-panel:/usr/sbin/nologin"),
            ("root's", "opterius:x:0:996:Opterius Panel:/var/lib/opterius-panel:/usr/sbin/nologin"),
            ("another home", "opterius:x:996:996:Opterius Panel:/home/opterius:/usr/sbin/nologin"),
            ("another comment", "opterius:x:996:996:Otto:/var/lib/opterius-panel:/usr/sbin/nologin"),
        ] {
            let found = found(&[("passwd", "opterius:x:996:996:Opterius Panel:/var/lib/opterius-panel:/usr/sbin/nologin", changed)]);
            assert!(found.len() == 1 && found[0].contains("is not Opterius' own"), "{what}: {found:?}");
        }
    }

    #[test]
    fn every_way_to_become_the_panel_or_a_member_of_its_groups_is_told() {
        for (what, changes) in [
            ("has the shell /bin/bash", &[("passwd", "panel:/usr/sbin/nologin", "panel:/bin/bash")][..]),
            ("has a password", &[("shadow", "opterius:!*:", "opterius:$y$abc:")]),
            ("has a password, or an empty one", &[("shadow", "opterius:!*:", "opterius::")]),
            ("has a password, or an empty one", &[("shadow", "opterius:!*:20787::::::\n", "")]),
            ("is in other groups (sudo)", &[("group", "sudo:x:27:carl", "sudo:x:27:carl,opterius")]),
            ("the login group of the user opterius is 27", &[("passwd", "opterius:x:996:996", "opterius:x:996:27")]),
            ("have the uid of the user opterius, and so act as the Panel: carl", &[("passwd", "carl:x:1000:", "carl:x:996:")]),
            (
                "several entries for opterius",
                &[("passwd", "carl:x:1000:1000:Carl,,,:/home/carl", "opterius:x:996:1000:Opterius Panel:/var/lib/opterius-panel")],
            ),
            ("the group opterius-web has members or administrators (carl)", &[("group", "opterius-web:x:997:", "opterius-web:x:997:carl")]),
            ("the group opterius has members or administrators (carl)", &[("group", "opterius:x:996:", "opterius:x:996:carl")]),
            ("the group opterius-web has members or administrators (carl)", &[("passwd", "carl:x:1000:1000", "carl:x:1000:997")]),
            ("the group opterius has members or administrators (carl)", &[("passwd", "carl:x:1000:1000", "carl:x:1000:996")]),
            ("the group opterius-web has members or administrators (carl)", &[("gshadow", "opterius-web:!::", "opterius-web:!:carl:")]),
            ("the group opterius-web has members or administrators (carl)", &[("gshadow", "opterius-web:!::", "opterius-web:!::carl")]),
            ("the group opterius-web has a password", &[("gshadow", "opterius-web:!::", "opterius-web:$y$abc::")]),
            ("the group opterius-web is not Opterius' own (gid 1500)", &[("group", "opterius-web:x:997:", "opterius-web:x:1500:")]),
            ("the group opterius is not Opterius' own (gid 0)", &[("group", "opterius:x:996:", "opterius:x:0:")]),
            ("these groups have the gid of the group opterius-web: sudo", &[("group", "sudo:x:27:carl", "sudo:x:997:carl")]),
        ] {
            let found = found(changes);
            assert!(found.iter().any(|detail| detail.contains(what)), "{what}: {found:?}");
        }
    }

    #[test]
    fn a_key_for_the_panels_user_and_logins_among_the_accounts_are_told() {
        let (_root, system) = System::for_a_test();
        system.directory("/etc").expect("a directory");
        system.directory("/var/lib/opterius-panel/.ssh").expect("a directory");
        std::fs::write(system.path("/etc/passwd"), format!("{PASSWD}far\u{1b}[2J:x:20001:20001::/home/far:/bin/bash\n")).expect("written");
        std::fs::write(system.path("/etc/shadow"), SHADOW).expect("written");
        let found = complaints(&system).expect("read");
        assert!(found.len() == 1 && found[0].detail.contains("/.ssh"), "{found:?}");
        let strangers = strangers_among_accounts(&system).expect("read").expect("one");
        assert!(strangers.starts_with("far") && !strangers.contains('\u{1b}'), "{strangers:?}");
        assert_eq!(missing(&system).expect("read"), ["the group opterius", "the group opterius-web"]);
    }

    #[test]
    fn of_many_members_some_are_named_and_the_others_counted() {
        let many: Vec<String> = (0..100).map(|number| format!("m{number:03}")).collect();
        let changed = format!("opterius-web:x:997:{}", many.join(","));
        let found = found(&[("group", "opterius-web:x:997:", &changed)]);
        assert!(found.len() == 1 && found[0].contains("m000, m001, m002, m003, m004 and 95 more"), "{found:?}");
    }
}
