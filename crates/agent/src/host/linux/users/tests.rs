//! The writer on files in a directory of its own: what becomes of the bytes, and of the files wherever it is cut short.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opterius_model::{AccountId, Password, PasswordHash, Uid};
use opterius_protocol::bounded;
use proptest::prelude::*;

use super::changes::{self, Change, Contents, File, Refusal, apply};
use super::writer::{Snapshot, Writer};
use crate::host::{UserPlan, UserSeen};

const TODAY: i64 = 20_000;

fn user(name: &str, uid: u32) -> UserPlan {
    let account = AccountId::parse(&format!("0193a5e0-7c1e-7000-8000-0000000{uid}")).expect("an id");
    UserPlan { username: name.parse().expect("a username"), uid: Uid::try_from(uid).expect("a uid"), account }
}

fn alice() -> UserPlan {
    user("alice", 59_990)
}

fn hash() -> PasswordHash {
    Password::parse("a good password".to_owned()).expect("a password").hash()
}

fn add(user: &UserPlan) -> Change {
    Change::Add { user: user.clone(), hash: hash(), expired: false }
}

fn remove(user: &UserPlan) -> Change {
    Change::Remove { user: user.clone() }
}

/// A usual server, with a user made by hand.
const USUAL: [(File, &str); 6] = [
    (File::Passwd, "root:x:0:0:root:/root:/bin/bash\nbob:x:1000:1000::/home/bob:/bin/sh\n"),
    (File::Shadow, "root:*:19000:0:99999:7:::\nbob:$y$j9T$hash:19000:0:99999:7:::\n"),
    (File::Group, "root:x:0:\nadm:x:4:bob\nbob:x:1000:\n"),
    (File::Gshadow, "root:*::\nadm:*::bob\nbob:!::\n"),
    (File::Subuid, "bob:100000:65536\n"),
    (File::Subgid, "bob:100000:65536\n"),
];

fn contents(files: &[(File, &str)]) -> Contents {
    let mut contents = Contents::default();
    for (file, text) in files {
        contents.put(*file, text.as_bytes().to_vec());
    }
    contents
}

fn usual() -> Contents {
    contents(&USUAL)
}

/// The files of the usual server, with these in place of some.
fn with(files: &[(File, &str)]) -> Contents {
    let mut contents = usual();
    for (file, text) in files {
        contents.put(*file, text.as_bytes().to_vec());
    }
    contents
}

fn text(contents: &Contents, file: File) -> String {
    String::from_utf8(contents.get(file).to_vec()).expect("it is text")
}

/// The files after these changes, and what became of each.
fn after(before: &Contents, changes: &[Change]) -> (Contents, Vec<Result<(), Refusal>>) {
    let (results, passes) = apply(before, &changes.iter().collect::<Vec<_>>(), TODAY);
    let mut contents = before.clone();
    for (file, bytes) in passes.into_iter().flatten() {
        contents.put(file, bytes);
    }
    (contents, results)
}

/// The same, where every change is made.
fn made(before: &Contents, changes: &[Change]) -> Contents {
    let (contents, results) = after(before, changes);
    assert_eq!(results, vec![Ok(()); changes.len()]);
    contents
}

fn order(before: &Contents, changes: &[Change]) -> Vec<Vec<&'static str>> {
    let (_, passes) = apply(before, &changes.iter().collect::<Vec<_>>(), TODAY);
    passes.iter().map(|pass| pass.iter().map(|(file, _)| file.name()).collect()).collect()
}

fn see(contents: &Contents, user: &UserPlan) -> Option<UserSeen> {
    changes::see(contents, &user.username, TODAY)
}

#[test]
fn a_user_is_a_line_of_each_file_and_its_line_in_passwd_comes_last_and_goes_first() {
    let there = made(&usual(), &[add(&alice())]);
    let id = alice().account;
    for (file, line) in [
        (File::Passwd, format!("alice:x:59990:59990:opterius-{id}:/home/alice:/usr/sbin/nologin\n")),
        (File::Group, "alice:x:59990:\n".to_owned()),
        (File::Gshadow, format!("alice:!opterius-{id}::\n")),
    ] {
        assert_eq!(text(&there, file), text(&usual(), file) + &line);
    }
    let line = text(&there, File::Shadow).replace(&text(&usual(), File::Shadow), "");
    assert!(line.starts_with("alice:$6$") && line.ends_with(":20000:0:99999:7:::\n"), "{line}");
    let seen = see(&there, &alice()).expect("the user");
    assert_eq!((seen.uid, seen.account, seen.group), (Some(59_990), Some(id), Some(59_990)));
    assert!(seen.as_made && !seen.expired && seen.shadow.is_some());
    let owner = |bytes: &str| changes::owner(bytes.as_bytes(), &alice().username);
    assert_eq!(owner(&text(&there, File::Passwd)), Some((id, 59_990)));
    assert_eq!(owner(&text(&usual(), File::Passwd)), None);
    assert_eq!(owner("alice:x:59990:59990:Alice:/home/alice:/usr/sbin/nologin\n"), None, "without a mark it is not an account's");

    assert_eq!(order(&usual(), &[add(&alice())]), [["gshadow", "group", "shadow", "passwd"]]);
    assert_eq!(order(&there, &[remove(&alice())]), [["passwd", "shadow", "group", "gshadow"]]);
    assert_eq!(order(&there, &[Change::SetPassword { user: alice(), hash: hash() }]), [["shadow"]], "what does not change is not written");
    assert_eq!(order(&there, &[Change::Mend { user: alice(), expired: false }]), Vec::<Vec<&str>>::new());
    assert_eq!(made(&there, &[remove(&alice())]), usual());
}

#[test]
fn many_changes_are_one_rewrite_and_one_that_cannot_be_made_fails_alone() {
    let carol = user("carol", 59_988);
    let there = made(&usual(), &[add(&alice()), add(&carol)]);
    let names = ["dora", "bob", "erna", "fred"];
    let mut changes: Vec<Change> = (59_900..).zip(names).map(|(uid, name)| add(&user(name, uid))).collect();
    changes.push(add(&user("gerd", 59_990)));
    changes.push(add(&user("dora", 59_800)));
    changes.push(Change::SetPassword { user: user("hans", 59_700), hash: hash() });
    changes.push(Change::Mend { user: alice(), expired: true });
    changes.push(remove(&carol));
    let (next, results) = after(&there, &changes);
    let taken = |what: &str| Err(Refusal::Taken(what.to_owned()));
    let in_use = Err(Refusal::Failed("the number 59990 is in use in /etc/passwd or /etc/group".to_owned()));
    let expected = [
        Ok(()),
        taken("a user or group named bob"),
        Ok(()),
        Ok(()),
        in_use,
        taken("a user or group named dora"),
        taken("another user hans"),
        Ok(()),
        Ok(()),
    ];
    assert_eq!(results, expected);
    assert_eq!(order(&there, &changes).len(), 2, "what goes and what comes");
    for (name, is_there) in [("dora", true), ("erna", true), ("fred", true), ("gerd", false), ("hans", false), ("carol", false)] {
        for file in [File::Passwd, File::Shadow, File::Group, File::Gshadow] {
            assert_eq!(text(&next, file).contains(&format!("\n{name}:")), is_there, "{name} in {}", file.name());
        }
    }
    assert!(see(&next, &alice()).is_some_and(|seen| seen.expired && seen.as_made));
    let wanted: Vec<Change> = [user("dora", 59_900), user("erna", 59_902), user("fred", 59_903), alice()].iter().map(remove).collect();
    assert_eq!(made(&next, &wanted), usual());
}

#[test]
fn a_name_or_number_that_is_anywhere_is_not_given() {
    let cases = [
        (File::Passwd, "alice:x:1001:100::/:/bin/sh\n"),
        (File::Passwd, "+alice::::::\n"),
        (File::Passwd, "-alice::::::\n"),
        (File::Shadow, "alice:!:::::::\n"),
        (File::Group, "alice:x:1001:\n"),
        (File::Gshadow, "alice:!::\n"),
        (File::Group, "docker:x:999:bob,alice\n"),
        (File::Gshadow, "docker:!:alice:\n"),
        (File::Gshadow, "docker:!::bob,alice\n"),
        (File::Passwd, "other:x:59990:100::/:/bin/sh\n"),
        (File::Passwd, "other:x: 059990:100::/:/bin/sh\r\n"),
        (File::Passwd, "other:x:1001:59990::/:/bin/sh"),
        (File::Group, "other:x:59990:\n"),
    ];
    for (file, line) in cases {
        let before = with(&[(file, &(text(&usual(), file) + line))]);
        let (next, results) = after(&before, &[add(&alice())]);
        assert!(results[0].is_err(), "{line}");
        assert_eq!(next, before, "{line}");
    }
}

#[test]
fn new_lines_stand_before_those_of_nis() {
    let passwd = "root:x:0:0::/root:/bin/sh\n-evil\n+@staff::::::\nlast:x:5:5:::\n+\n";
    let there = made(&with(&[(File::Passwd, passwd)]), &[add(&alice())]);
    let lines: Vec<String> = text(&there, File::Passwd).lines().map(str::to_owned).collect();
    assert!(lines[1].starts_with("alice:x:59990:"), "{lines:?}");
    assert_eq!((&*lines[0], &*lines[2], lines.len()), ("root:x:0:0::/root:/bin/sh", "-evil", 6));
}

#[test]
fn with_a_user_go_its_memberships_and_its_subordinate_ids() {
    let before = with(&[
        (File::Group, "adm:x:4:bob,alice\nalicegroup:x:5:alice2\ndocker:x:6:alice\n"),
        (File::Gshadow, "adm:*:alice,bob:bob,alice\ndocker:!:alice:alice\n"),
        (File::Subuid, "bob:100000:65536\nalice:200000:65536\nalice:300000:65536\n"),
        (File::Subgid, "# alice\n"),
    ]);
    let cleaned = with(&[
        (File::Group, "adm:x:4:bob\nalicegroup:x:5:alice2\ndocker:x:6:\n"),
        (File::Gshadow, "adm:*:bob:bob\ndocker:!::\n"),
        (File::Subuid, "bob:100000:65536\n"),
        (File::Subgid, "# alice\n"),
    ]);
    // Somebody put the user into groups after it was made.
    let mut there = made(&usual(), &[add(&alice())]);
    for file in [File::Group, File::Gshadow] {
        let own = text(&there, file).lines().last().expect("its own line").to_owned() + "\n";
        there.put(file, (text(&before, file) + &own).into_bytes());
    }
    for file in [File::Subuid, File::Subgid] {
        there.put(file, before.get(file).to_vec());
    }
    assert_eq!(made(&there, &[remove(&alice())]), cleaned);
}

#[test]
fn a_user_is_mended_and_strangers_are_not() {
    let there = made(&usual(), &[add(&alice())]);
    let mut damaged = there.clone();
    let of = |file: File, from: &str, to: &str| {
        let text = text(&there, file);
        assert!(text.contains(from), "{text}");
        text.replace(from, to).into_bytes()
    };
    damaged.put(File::Passwd, of(File::Passwd, ":59990:opterius-", ":4:opterius-"));
    damaged.put(File::Passwd, text(&damaged, File::Passwd).replace("/home/alice:/usr/sbin/nologin\n", "/:/bin/bash\r\n").into_bytes());
    damaged.put(File::Group, of(File::Group, "alice:x:59990:", "alice:secret:59990:bob"));
    damaged.put(File::Gshadow, of(File::Gshadow, "::\n", ":bob:bob\n"));
    assert!(see(&damaged, &alice()).is_some_and(|seen| !seen.as_made));
    let mended = made(&damaged, &[Change::Mend { user: alice(), expired: false }]);
    assert!(see(&mended, &alice()).is_some_and(|seen| seen.as_made));
    assert_eq!((text(&mended, File::Passwd), text(&mended, File::Group)), (text(&there, File::Passwd), text(&there, File::Group)));
    for expired in [true, false] {
        let next = made(&there, &[Change::Mend { user: alice(), expired }]);
        assert_eq!(see(&next, &alice()).map(|seen| (seen.expired, seen.as_made)), Some((expired, true)));
    }
    // An account of a version before: its group bears no mark, and is as it was made.
    let mut before = there.clone();
    before.put(File::Gshadow, of(File::Gshadow, &format!("alice:!opterius-{}", alice().account), "alice:!"));
    assert!(see(&before, &alice()).is_some_and(|seen| seen.as_made));
    assert_eq!(made(&before, &[remove(&alice())]), usual());
    assert_eq!(order(&before, &[remove(&alice())]).first().map(Vec::as_slice), Some(&["gshadow"][..]), "it gets one before it goes");

    for stranger in [user("alice", 59_991), UserPlan { account: AccountId::generate(), ..alice() }] {
        let changes =
            [Change::Mend { user: stranger.clone(), expired: true }, Change::SetPassword { user: stranger.clone(), hash: hash() }];
        let (next, results) = after(&there, &changes);
        assert_eq!(results, vec![Err(Refusal::Taken("another user alice".to_owned())); 2]);
        assert_eq!(next, there);
        assert_eq!(made(&there, &[remove(&stranger)]), there);
    }
}

#[test]
fn what_is_not_clearly_the_accounts_stays() {
    let id = alice().account;
    let mark = format!("alice:!opterius-{id}::\n");
    // Lines of that name that a stranger's tool made, or that are of a crash beside a stranger's.
    for (case, files, stays) in [
        ("a group of the very number", vec![(File::Group, "alice:x:59990:\n"), (File::Gshadow, "alice:!::\n")], true),
        ("a group without gshadow", vec![(File::Group, "alice:x:59990:\n")], true),
        ("a line of shadow", vec![(File::Shadow, "alice:!:::::::\n")], true),
        ("our mark beside a group of another number", vec![(File::Group, "alice:x:1001:\n"), (File::Gshadow, &*mark)], true),
        ("another account's mark", vec![(File::Gshadow, "alice:!opterius-0193a5e0-7c1e-7000-8000-000000000001::\n")], true),
        ("what a crash left of gshadow", vec![(File::Gshadow, &*mark)], false),
        ("of group, too", vec![(File::Group, "alice:x:59990:\n"), (File::Gshadow, &*mark)], false),
        (
            "of shadow, too",
            vec![(File::Shadow, "alice:$6$a$b:::::::\n"), (File::Group, "alice:x:59990:\n"), (File::Gshadow, &*mark)],
            false,
        ),
    ] {
        let files: Vec<(File, String)> = files.into_iter().map(|(file, line)| (file, text(&usual(), file) + line)).collect();
        let before = with(&files.iter().map(|(file, text)| (*file, text.as_str())).collect::<Vec<_>>());
        let next = made(&before, &[remove(&alice())]);
        if stays {
            assert_eq!(next, before, "{case}");
        } else {
            assert_eq!(next, usual(), "{case}");
        }
    }
    // Two lines of one name: which of them counts is for a person to say.
    let there = made(&usual(), &[add(&alice())]);
    let doubled = with(&[(File::Passwd, &(text(&there, File::Passwd) + "alice:x:0:0::/root:/bin/sh\n"))]);
    let (next, results) = after(&doubled, &[remove(&alice())]);
    assert!(results[0].is_err() && next == doubled);
    // Somebody's primary group is not taken away.
    let mut lent = there.clone();
    lent.put(File::Passwd, (text(&there, File::Passwd) + "eve:x:1001:59990::/:/bin/sh\n").into_bytes());
    let (next, results) = after(&lent, &[remove(&alice())]);
    assert!(results[0].is_err() && next == lent);
}

/// Lines that these files may hold: usual ones, those of NIS, comments, blank and broken ones.
fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[b-z][a-z0-9]{0,6}:x:[0-9]{1,4}:[0-9]{1,4}:[^\n:]{0,9}:/home/[a-z]{1,4}:/bin/sh".prop_map(String::into_bytes),
        "[b-z][a-z0-9]{0,6}:[!*x]?:[0-9]{0,4}:[b-z,]{0,9}".prop_map(String::into_bytes),
        "[+-]@?[b-z]{0,5}(:.{0,3}){0,6}".prop_map(String::into_bytes),
        "#[^\n]{0,20}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>().prop_filter("an end of line", |byte| *byte != b'\n'), 0..40),
        Just(Vec::new()),
        Just(vec![b'y'; 1 << 20]),
    ]
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    (proptest::collection::vec((line(), any::<bool>()), 0..12), any::<bool>()).prop_map(|(lines, is_ended)| {
        let lines: Vec<Vec<u8>> =
            lines.into_iter().map(|(line, returns)| if returns { [line, b"\r".to_vec()].concat() } else { line }).collect();
        let mut bytes = lines.join(&b'\n');
        if is_ended && !bytes.is_empty() {
            bytes.push(b'\n');
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_the_files_hold_adding_and_removing_leaves_them_byte_for_byte(files in proptest::array::uniform6(file())) {
        let mut before = Contents::default();
        for (file, bytes) in File::ALL.into_iter().zip(files) {
            before.put(file, bytes);
        }
        let users = [alice(), user("zoe", 59_111)];
        let (there, results) = after(&before, &users.each_ref().map(add));
        if results.iter().all(Result::is_ok) {
            for file in [File::Passwd, File::Shadow, File::Group, File::Gshadow] {
                let strangers: Vec<&[u8]> = super::lines::all(there.get(file))
                    .filter(|line| !line.starts_with(b"alice:") && !line.starts_with(b"zoe:"))
                    .collect();
                prop_assert_eq!(strangers, super::lines::all(before.get(file)).collect::<Vec<_>>());
            }
            let changed = made(&there, &[Change::Mend { user: alice(), expired: true }, Change::SetPassword { user: alice(), hash: hash() }]);
            prop_assert_eq!(made(&changed, &users.each_ref().map(remove)), before);
        } else {
            let left: Vec<Change> = users.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(user, _)| remove(user)).collect();
            prop_assert_eq!(made(&there, &left), before);
        }
    }
}

/// A directory with the files of the usual server.
fn etc() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (file, text) in USUAL {
        std::fs::write(dir.path().join(file.name()), text).expect("written");
    }
    dir
}

fn read(etc: &Path) -> Contents {
    Snapshot::read(etc).expect("the files").contents
}

/// Everything in the directory but what the tools and the writer keep beside the files.
fn names(etc: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        bounded::names(etc, 1000).expect("a directory").into_iter().map(|name| name.into_string().expect("a name")).collect();
    names.retain(|name| !name.ends_with('-') && name != ".pwd.lock");
    names.sort();
    names
}

/// A writer that is told to do something at each step, and which steps it came to.
fn followed(etc: &Path, act: impl Fn(usize, &str) -> io::Result<()> + Send + Sync + 'static) -> (Writer, Arc<Mutex<Vec<String>>>) {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let noted = steps.clone();
    let hook = move |step: &str| {
        let index = {
            let mut steps = noted.lock().expect("no test panics with it");
            steps.push(step.to_owned());
            steps.len() - 1
        };
        act(index, step)
    };
    (Writer::hooked(etc.to_owned(), Box::new(hook)), steps)
}

#[tokio::test]
async fn the_files_keep_owner_and_permissions_and_the_old_ones_stay_beside_them() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let dir = etc();
    let path = dir.path().join("shadow");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
    let _ = rustix::fs::setxattr(&path, "user.note", b"kept", rustix::fs::XattrFlags::empty());
    let had_attribute = rustix::fs::getxattr(&path, "user.note", &mut [0; 16]).is_ok();
    nix::unistd::chown(&path, None, Some(nix::unistd::Gid::from_raw(42))).expect("tests of the Agent run as root");
    std::fs::write(dir.path().join("shadow+"), "left by a crash").expect("written");
    Writer::new(dir.path().to_owned()).change(add(&alice())).await.expect("made");
    let found = path.metadata().expect("the file");
    assert_eq!((found.mode() & 0o7777, found.gid()), (0o640, 42));
    assert_eq!(rustix::fs::getxattr(&path, "user.note", &mut [0; 16]).is_ok(), had_attribute);
    assert_eq!(bounded::text(dir.path().join("shadow-"), 4096).expect("the file from before"), text(&usual(), File::Shadow));
    assert_eq!(names(dir.path()), ["group", "gshadow", "passwd", "shadow", "subgid", "subuid"]);
}

#[tokio::test]
async fn a_hundred_changes_that_wait_are_few_rewrites() {
    let dir = etc();
    let (writer, steps) = followed(dir.path(), |_, _| Ok(()));
    let users: Vec<UserPlan> = (0..100).map(|n| user(&format!("many{n}"), 59_000 + n)).collect();
    let all = |change: fn(&UserPlan) -> Change| {
        let changes: Vec<_> = users.iter().map(|user| (writer.clone(), change(user))).collect();
        futures::future::join_all(changes.into_iter().map(|(writer, change)| tokio::spawn(async move { writer.change(change).await })))
    };
    for result in all(add).await {
        result.expect("no panic").expect("made");
    }
    let there = read(dir.path());
    for user in &users {
        assert!(see(&there, user).is_some_and(|seen| seen.as_made && seen.uid == Some(user.uid.get())), "{user:?}");
    }
    for result in all(remove).await {
        result.expect("no panic").expect("made");
    }
    assert_eq!(read(dir.path()), usual());
    let rewrites = steps.lock().expect("whole").iter().filter(|step| *step == "users.done.all").count();
    assert!(rewrites < 50, "{rewrites} for 200 changes");
}

/// Cuts the writer short at every step of a change, as `kill -9` does, and looks what there is.
fn cut_short_at_every_step(before: &Contents, change: &Change, check: impl Fn(&str, &Path)) {
    for at in 0.. {
        let dir = etc();
        for file in File::ALL {
            std::fs::write(dir.path().join(file.name()), before.get(file)).expect("written");
        }
        let killed = Arc::new(AtomicBool::new(false));
        let (noted, hook) = (killed.clone(), move |index: usize, _: &str| {
            if index == at {
                std::panic::panic_any("killed");
            }
            Ok(())
        });
        let (writer, steps) = followed(dir.path(), hook);
        if catch_unwind(AssertUnwindSafe(|| writer.make_alone(change))).is_err() {
            noted.store(true, Ordering::Relaxed);
        }
        let step = steps.lock().expect("whole").last().cloned().unwrap_or_default();
        check(&step, dir.path());
        if !killed.load(Ordering::Relaxed) {
            assert!(at > 5, "it has that many steps");
            return;
        }
    }
}

#[test]
fn wherever_adding_is_cut_short_what_is_left_is_known_as_ours_and_can_be_removed() {
    cut_short_at_every_step(&usual(), &add(&alice()), |step, dir| {
        let seen = see(&read(dir), &alice());
        assert!(seen.as_ref().is_none_or(|seen| seen.account == Some(alice().account)), "{step}: {seen:?}");
        // As the way back does: only where something is seen.
        let writer = Writer::new(dir.to_owned());
        if seen.is_some() {
            writer.make_alone(&remove(&alice())).expect("removed");
        }
        assert_eq!(read(dir), usual(), "{step}");
        writer.make_alone(&add(&alice())).expect("made");
        assert_eq!(names(dir), ["group", "gshadow", "passwd", "shadow", "subgid", "subuid"], "{step}: nothing is left of the crash");
    });
}

#[test]
fn wherever_removing_is_cut_short_it_can_be_gone_on_with() {
    let mut there = made(&usual(), &[add(&alice())]);
    there.put(File::Subuid, [there.get(File::Subuid), b"alice:200000:65536\n"].concat());
    there.put(File::Group, text(&there, File::Group).replace("adm:x:4:bob", "adm:x:4:bob,alice").into_bytes());
    let mut of_before = there.clone();
    of_before.put(File::Gshadow, text(&there, File::Gshadow).replace(&format!("!opterius-{}", alice().account), "!").into_bytes());
    for before in [there, of_before] {
        cut_short_at_every_step(&before, &remove(&alice()), |step, dir| {
            let seen = see(&read(dir), &alice());
            assert!(seen.as_ref().is_none_or(|seen| seen.account == Some(alice().account)), "{step}: {seen:?}");
            if seen.is_some() {
                Writer::new(dir.to_owned()).make_alone(&remove(&alice())).expect("removed");
            }
            assert_eq!(read(dir), usual(), "{step}");
        });
    }
}

#[test]
fn whatever_step_fails_nothing_is_left_beside_the_files_and_nothing_changed_before_the_first_was_replaced() {
    let full = || io::Error::from_raw_os_error(libc::ENOSPC);
    for change in [add(&alice()), Change::SetPassword { user: user("carol", 59_988), hash: hash() }] {
        let before = made(&usual(), &[add(&user("carol", 59_988))]);
        for at in 0.. {
            let dir = etc();
            for file in File::ALL {
                std::fs::write(dir.path().join(file.name()), before.get(file)).expect("written");
            }
            let (writer, steps) = followed(dir.path(), move |index, _| if index == at { Err(full()) } else { Ok(()) });
            let result = writer.make_alone(&change);
            assert_eq!(names(dir.path()), ["group", "gshadow", "passwd", "shadow", "subgid", "subuid"]);
            let steps = steps.lock().expect("whole").clone();
            if at >= steps.len() {
                break;
            }
            assert!(matches!(&result, Err(Refusal::Failed(why)) if why.contains("No space left")), "{result:?}");
            let replaced = steps.iter().take(at).any(|step| step.starts_with("users.replace"));
            if !replaced {
                assert_eq!(read(dir.path()), before, "{steps:?}");
            }
        }
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_a_refusal_with_nothing_changed() {
    let dir = etc();
    // Where the new file would be there is something that is not removed: a directory.
    std::fs::create_dir(dir.path().join("group+")).expect("made");
    std::fs::write(dir.path().join("group+/file"), "").expect("written");
    let result = Writer::new(dir.path().to_owned()).make_alone(&add(&alice()));
    assert!(matches!(&result, Err(Refusal::Failed(why)) if why.contains("group+")), "{result:?}");
    assert_eq!(read(dir.path()), usual());
    assert!(!dir.path().join("gshadow+").exists());
    // Files that are not as they are everywhere are not guessed at.
    std::fs::remove_file(dir.path().join("gshadow")).expect("removed");
    let result = Writer::new(dir.path().to_owned()).make_alone(&add(&alice()));
    assert!(matches!(&result, Err(Refusal::Failed(why)) if why.contains("gshadow")), "{result:?}");
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("gshadow")).expect("linked");
    assert!(Writer::new(dir.path().to_owned()).make_alone(&add(&alice())).is_err());
}

#[test]
fn what_somebody_wrote_without_the_lock_meanwhile_is_not_lost() {
    let dir = etc();
    let etc = dir.path().to_owned();
    let written = AtomicUsize::new(0);
    let (writer, _) = followed(dir.path(), move |_, step| {
        if step == "users.flush.all" && written.fetch_add(1, Ordering::Relaxed) == 0 {
            let line = "carol:x:1002:1002::/:/bin/sh\n";
            std::fs::write(etc.join("passwd"), USUAL[0].1.to_owned() + line)?;
        }
        Ok(())
    });
    writer.make_alone(&add(&alice())).expect("made");
    let passwd = text(&read(dir.path()), File::Passwd);
    assert!(passwd.contains("\ncarol:") && passwd.contains("\nalice:"), "{passwd}");
}

/// A program that holds the lock of lckpwdf(3), as all tools take it, until its standard input ends.
fn holding(etc: &Path) -> std::process::Child {
    use std::io::Read as _;
    let script = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print('x', flush=True); sys.stdin.read()";
    let mut child = std::process::Command::new("/usr/bin/python3")
        .args(["-c", script])
        .arg(etc.join(".pwd.lock"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdout.as_mut().expect("a pipe").read_exact(&mut [0]).expect("it has the lock");
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_all_tools_is_waited_for_and_then_all_that_wait_are_made_at_once() {
    let dir = etc();
    let mut other = holding(dir.path());
    let (writer, steps) = followed(dir.path(), |_, _| Ok(()));
    let users: Vec<UserPlan> = (0..20).map(|n| user(&format!("many{n}"), 59_000 + n)).collect();
    let changes: Vec<_> = users
        .iter()
        .map(|user| {
            let (writer, change) = (writer.clone(), add(user));
            tokio::spawn(async move { writer.change(change).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(read(dir.path()), usual(), "nothing is written while another has the lock");
    drop(other.stdin.take());
    for change in changes {
        change.await.expect("no panic").expect("made");
    }
    assert!(other.wait().expect("it ends").success());
    let rewrites = steps.lock().expect("whole").iter().filter(|step| *step == "users.done.all").count();
    assert!(rewrites <= 2, "{rewrites} rewrites");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_given_back_is_an_error_that_names_who_has_it_and_the_next_change_is_made() {
    let dir = etc();
    let mut other = holding(dir.path());
    let writer = Writer::new(dir.path().to_owned());
    let result = writer.change(add(&alice())).await;
    let expected = format!("(process {})", other.id());
    assert!(matches!(&result, Err(Refusal::Failed(why)) if why.contains(&expected) && why.contains("python3")), "{result:?}");
    assert_eq!(read(dir.path()), usual());
    drop(other.stdin.take());
    assert!(other.wait().expect("it ends").success());
    writer.change(add(&alice())).await.expect("made");
    // The lock is nobody's now.
    drop(holding(dir.path()).stdin.take());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_file_holds_up_while_its_process_lives_and_not_when_it_is_stale() {
    let dir = etc();
    let writer = Writer::new(dir.path().to_owned());
    let mut dead = std::process::Command::new("/bin/true").spawn().expect("it starts");
    dead.wait().expect("it ends");
    let lock = dir.path().join("passwd.lock");
    for stale in [format!("{}\0", dead.id()), String::new(), "nonsense".to_owned()] {
        std::fs::write(&lock, stale).expect("written");
        writer.change(add(&alice())).await.expect("made");
        writer.change(remove(&alice())).await.expect("removed");
    }
    let mut alive = std::process::Command::new("/bin/sleep").arg("600").spawn().expect("it starts");
    std::fs::write(&lock, format!("{}\0", alive.id())).expect("written");
    let waiting = tokio::spawn({
        let writer = writer.clone();
        async move { writer.change(add(&alice())).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(read(dir.path()), usual(), "a living process is respected");
    alive.kill().expect("killed");
    alive.wait().expect("it ends");
    waiting.await.expect("no panic").expect("made");
}

/// Runs one of shadow-utils on the files below `root`.
fn tool(root: &Path, program: &str, arguments: &[&str], input: &str) -> bool {
    use std::io::Write as _;
    let mut child = std::process::Command::new(program)
        .arg("--root")
        .arg(root)
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    child.wait().expect("it ends").success()
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_loops_of_the_tools_no_line_is_lost() {
    let root = tempfile::tempdir().expect("a directory");
    let etc = root.path().join("etc");
    std::fs::create_dir(&etc).expect("made");
    for (file, text) in USUAL {
        std::fs::write(etc.join(file.name()), text).expect("written");
    }
    let over = Arc::new(AtomicBool::new(false));
    let strangers: Vec<_> = (0..3)
        .map(|kind| {
            let (root, over) = (root.path().to_owned(), over.clone());
            std::thread::spawn(move || {
                let mut made = BTreeMap::new();
                for n in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let name = format!("theirs{kind}x{n}");
                    let (done, file) = match kind {
                        0 => (tool(&root, "/usr/sbin/useradd", &["-M", &name], ""), "passwd"),
                        1 => (tool(&root, "/usr/sbin/groupadd", &[&name], ""), "group"),
                        _ => (tool(&root, "/usr/sbin/chpasswd", &["-e"], &format!("bob:hash{n}\n")), "shadow"),
                    };
                    assert!(done, "the tool of kind {kind} works beside the writer");
                    made.insert(if kind == 2 { format!("bob:hash{n}") } else { name }, file);
                }
                made
            })
        })
        .collect();
    let writer = Writer::new(etc.clone());
    let mut ours = Vec::new();
    let begun = Instant::now();
    for n in 0u32.. {
        if begun.elapsed() > Duration::from_secs(6) {
            break;
        }
        let some: Vec<UserPlan> = (0..4).map(|k| user(&format!("ours{n}x{k}"), 59_980 - 4 * n - k)).collect();
        let changes = some.iter().map(|user| writer.change(add(user)));
        for result in futures::future::join_all(changes).await {
            result.expect("made");
        }
        let (goes, stays) = some.split_at(2);
        let changes = goes.iter().map(remove).chain([Change::SetPassword { user: stays[0].clone(), hash: hash() }]);
        for result in futures::future::join_all(changes.map(|change| writer.change(change))).await {
            result.expect("made");
        }
        ours.extend_from_slice(stays);
    }
    over.store(true, Ordering::Relaxed);
    let found = |etc: &Path| read(etc);
    let mut theirs = 0;
    for stranger in strangers {
        let made = stranger.join().expect("it ends");
        let contents = found(&etc);
        let last = made
            .keys()
            .filter(|key| key.starts_with("bob:hash"))
            .max_by_key(|key| key.len() * 1_000_000 + key[8..].parse::<usize>().unwrap_or(0))
            .cloned();
        for (name, file) in &made {
            let of = File::ALL.into_iter().find(|of| of.name() == *file).expect("a file");
            if !name.starts_with("bob:") || Some(name) == last.as_ref() {
                assert!(text(&contents, of).contains(&format!("{name}:")), "{name} is in {file}");
                theirs += 1;
            }
        }
    }
    let contents = found(&etc);
    for user in &ours {
        assert!(see(&contents, user).is_some_and(|seen| seen.as_made && seen.shadow.is_some()), "{user:?}");
    }
    assert!(theirs > 5 && ours.len() > 5, "{theirs} of theirs, {} of ours", ours.len());
    for check in ["/usr/sbin/pwck", "/usr/sbin/grpck"] {
        // Homes are not there, which pwck says, and which is no fault of the files: grpck says whether these are whole.
        let arguments: &[&str] = if check.ends_with("grpck") { &["-r"] } else { &["-r", "-q"] };
        let whole = tool(root.path(), check, arguments, "");
        assert!(whole, "{check} finds nothing");
    }
}

/// Prints how long a rewrite takes with 10,000 users.
#[test]
#[ignore = "measures, and checks nothing"]
#[expect(clippy::print_stderr, reason = "a measurement is for reading")]
fn rewrites_with_ten_thousand_users() {
    let hash = hash();
    let add = |user: &UserPlan| Change::Add { user: user.clone(), hash: hash.clone(), expired: false };
    let users: Vec<UserPlan> = (0..10_000).map(|n| user(&format!("customer{n}"), 20_000 + n)).collect();
    let filled = made(&usual(), &users.iter().map(add).collect::<Vec<_>>());
    let dir = etc();
    for file in File::ALL {
        std::fs::write(dir.path().join(file.name()), filled.get(file)).expect("written");
    }
    let writer = Writer::new(dir.path().to_owned());
    for count in [1, 100] {
        let new: Vec<UserPlan> = (0..count).map(|n| user(&format!("new{n}"), 40_000 + n)).collect();
        let passwords: Vec<Change> =
            users.iter().take(new.len()).map(|user| Change::SetPassword { user: user.clone(), hash: hash.clone() }).collect();
        for (what, changes) in
            [("added", new.iter().map(add).collect::<Vec<_>>()), ("passwords", passwords), ("removed", new.iter().map(remove).collect())]
        {
            let begun = Instant::now();
            let (results, _) = apply(&read(dir.path()), &changes.iter().collect::<Vec<_>>(), TODAY);
            let bytes = begun.elapsed();
            let whole = Instant::now();
            assert!(writer.make_all(&changes).iter().chain(&results).all(Result::is_ok));
            eprintln!("{count} {what}: {bytes:?} to read and change the bytes, {:?} with writing and flushing", whole.elapsed());
        }
    }
    let begun = Instant::now();
    assert!(see(&read(dir.path()), &users[9_999]).is_some());
    eprintln!("a look at one user: {:?}", begun.elapsed());
}
