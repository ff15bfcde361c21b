//! What every host promises, on the fake one and on the real one. A fake that did not keep it would make the other tests worthless.

use std::collections::BTreeSet;

use opterius_model::{AccountId, DomainName, Generation, Limit, OperationId, Pages, PhpChoice, PoolName, Uid, Username};
use opterius_protocol::Micros;
use opterius_protocol::phpd::PoolSpec;

use super::{
    DiskSeen, EntryPlan, Haste, HomePlan, HomeSeen, Host, HostError, KeepsakeSeen, LogsSeen, ProcessesSeen, RecordSet, Room, Stored,
    UserPlan, ZonePlan,
};

/// Two accounts that differ in everything.
struct Names {
    account: AccountId,
    username: Username,
    uid: Uid,
    domain: DomainName,
}

fn names(username: &str, uid: u32) -> Names {
    Names {
        account: AccountId::generate(),
        username: username.parse().expect("a username"),
        uid: Uid::try_from(uid).expect("a uid"),
        domain: format!("{username}.example").parse().expect("a domain"),
    }
}

fn is_taken(result: &Result<(), HostError>) -> bool {
    matches!(result, Err(HostError::Taken { .. }))
}

async fn keeps_the_contract(host: &dyn Host) {
    let (ours, theirs) = (names("contracta", 58_001), names("contractb", 58_002));
    users(host, &ours, &theirs).await;
    homes_and_logs(host, &ours, &theirs).await;
    sites(host, &ours, &theirs).await;
    pools(host, &ours).await;
    zones(host, &ours, &theirs).await;
    answers(host, &ours).await;
    journal(host, &ours).await;
    pages(host).await;
    heads(host).await;
}

async fn users(host: &dyn Host, ours: &Names, theirs: &Names) {
    let new = UserPlan { username: ours.username.clone(), uid: ours.uid, account: ours.account };
    assert_eq!(host.user(&ours.username).await.expect("a look"), None);
    assert!(!host.uid_in_use(ours.uid).await.expect("a look"));
    let hash = |password: &str| opterius_model::Password::parse(password.to_owned()).expect("a password").hash();
    let first = hash("the first password");
    host.add_user(&new, &first, true).await.expect("a new user");
    let mark = Some((ours.account, ours.uid.get()));
    assert_eq!(host.owner(&ours.username).await.expect("a look"), mark);
    assert_eq!(host.owner(&theirs.username).await.expect("a look"), None, "nobody has this name yet");
    let seen = host.user(&ours.username).await.expect("a look").expect("the user");
    assert_eq!((seen.uid, seen.account, seen.group), (Some(ours.uid.get()), Some(ours.account), Some(ours.uid.get())));
    assert_eq!((seen.shadow, seen.expired, seen.as_made), (Some(first.expose().into()), true, true));
    assert!(host.uid_in_use(ours.uid).await.expect("a look"));
    let stranger = UserPlan { uid: theirs.uid, account: theirs.account, ..new.clone() };
    assert!(is_taken(&host.add_user(&stranger, &first, false).await), "a name is given once");
    let another = UserPlan { username: theirs.username.clone(), account: theirs.account, ..new.clone() };
    assert!(host.add_user(&another, &first, false).await.is_err(), "a number is given once");
    assert_eq!(host.user(&theirs.username).await.expect("a look"), None, "and nothing is left of that");

    let hash = hash("a good password");
    host.set_password(&new, &hash).await.expect("a password");
    assert!(is_taken(&host.set_password(&stranger, &first).await), "another's password stays");
    let seen = host.user(&ours.username).await.expect("a look").expect("the user");
    assert_eq!(seen.shadow, Some(hash.expose().into()));

    for expired in [true, false] {
        host.mend_user(&new, expired).await.expect("corrected");
        let seen = host.user(&ours.username).await.expect("a look").expect("the user");
        assert_eq!((seen.expired, seen.as_made, seen.shadow), (expired, true, Some(hash.expose().into())));
    }
    assert!(is_taken(&host.mend_user(&UserPlan { account: theirs.account, ..new.clone() }, false).await));
    assert_eq!(host.processes(ours.account, ours.uid).await.expect("a look"), ProcessesSeen::default());
    host.end_sessions(ours.account, ours.uid).await.expect("no sessions");

    for not_ours in [UserPlan { uid: theirs.uid, ..new.clone() }, UserPlan { account: theirs.account, ..new.clone() }] {
        host.remove_user(&not_ours).await.expect("nothing of that number or account");
        assert!(host.user(&ours.username).await.expect("a look").is_some(), "another's user stays");
    }
    host.end_processes(ours.account, ours.uid).await.expect("no processes");
    for _ in 0..2 {
        host.remove_user(&new).await.expect("removed, also when it is gone");
    }
    assert_eq!(host.user(&ours.username).await.expect("a look"), None);
}

async fn homes_and_logs(host: &dyn Host, ours: &Names, theirs: &Names) {
    let plan = HomePlan { account: ours.account, username: ours.username.clone(), uid: ours.uid, domain: ours.domain.clone() };
    let look = async || host.home(&plan).await.expect("a look");
    assert_eq!(look().await, HomeSeen::default());
    host.add_home(&plan).await.expect("a new home");
    let there = HomeSeen { owner: Some(ours.uid.get()), ours: true, trashed: true, ..HomeSeen::default() };
    assert_eq!(look().await, there, "with room set aside in the trash");
    assert_eq!(host.keepsake(ours.account).await.expect("a look"), KeepsakeSeen::default(), "where nothing is kept");
    host.reserve_keepsake(ours.account).await.expect("it is there already");
    let stranger = HomePlan { account: theirs.account, uid: theirs.uid, ..plan.clone() };
    assert!(is_taken(&host.add_home(&stranger).await));
    assert!(!host.home(&stranger).await.expect("a look").staged, "a refused home leaves nothing staged");
    host.mend_home(&plan).await.expect("mended");
    assert!(is_taken(&host.mend_home(&stranger).await));
    host.keep_home(&stranger).await.expect("nothing of that number");
    host.remove_home(&stranger).await.expect("nothing of that number");
    assert_eq!(look().await, there, "another number's home stays");
    for haste in [Haste::Waited, Haste::Leisurely] {
        let DiskSeen { bytes, files, at_least } = host.disk_usage(&ours.username, ours.uid, haste).await.expect("a measure");
        assert!(bytes > 0 && files > 0 && !at_least);
        assert!(host.disk_usage(&ours.username, theirs.uid, haste).await.is_err(), "another number's home is not measured");
    }

    // Into the trash and back, first under the same names and then under another domain.
    let moved = HomePlan { domain: format!("moved.{}", ours.domain).parse().expect("a domain"), ..plan.clone() };
    for back in [&plan, &moved] {
        for _ in 0..2 {
            host.keep_home(&plan).await.expect("kept, also when it is");
        }
        assert_eq!(look().await, HomeSeen { kept: true, trashed: true, ..HomeSeen::default() });
        assert!(host.kept_uids().await.expect("a look").contains(&ours.uid.get()), "its number is not another's");
        host.restore_home(back, &ours.domain).await.expect("restored");
        let seen = host.home(back).await.expect("a look");
        assert_eq!((seen.owner, seen.kept, seen.flaws), (Some(ours.uid.get()), false, Vec::new()));
    }
    // An empty place in the trash is left, with room set aside for the next time.
    host.remove_keepsake(ours.account).await.expect("removed");
    assert_eq!(look().await, there, "the document root of before is still there");
    assert_eq!(host.keepsake(ours.account).await.expect("a look"), KeepsakeSeen::default());

    // Out of its place without being kept.
    for _ in 0..2 {
        host.discard_home(&plan).await.expect("taken away, also when it is");
    }
    assert_eq!(look().await, HomeSeen { trashed: true, ..HomeSeen::default() });
    host.remove_home(&plan).await.expect("removed");
    assert_eq!(look().await, HomeSeen::default());
    host.add_home(&plan).await.expect("a new home");

    let look_at_logs = async || host.logs(ours.account, &ours.username).await.expect("a look");
    assert_eq!(look_at_logs().await, LogsSeen::default());
    host.add_logs(ours.account, &ours.username, ours.uid).await.expect("new logs");
    let there = LogsSeen { there: true, account: Some(ours.account), ..LogsSeen::default() };
    assert_eq!(look_at_logs().await, there);
    assert!(is_taken(&host.add_logs(theirs.account, &ours.username, theirs.uid).await));
    host.remove_logs(theirs.account, &ours.username).await.expect("nothing of that account");
    host.keep_logs(theirs.account, &ours.username).await.expect("nothing of that account");
    assert!(is_taken(&host.mend_logs(theirs.account, &ours.username, theirs.uid).await));
    assert_eq!(look_at_logs().await, there, "another account's logs stay");
    host.mend_logs(ours.account, &ours.username, ours.uid).await.expect("mended");
    host.keep_logs(ours.account, &ours.username).await.expect("put aside");
    assert_eq!(look_at_logs().await, LogsSeen { kept: true, ..LogsSeen::default() });
    host.restore_logs(ours.account, &ours.username, ours.uid).await.expect("put back");
    assert!(host.restore_logs(theirs.account, &theirs.username, theirs.uid).await.is_err(), "nothing was put aside");
    assert_eq!(look_at_logs().await, there);
    host.keep_logs(ours.account, &ours.username).await.expect("put aside");
    for _ in 0..2 {
        host.remove_logs(ours.account, &ours.username).await.expect("removed");
        host.remove_home(&plan).await.expect("removed");
    }
    assert_eq!(look().await, HomeSeen::default());
    assert_eq!(look_at_logs().await, LogsSeen::default());
}

fn entry(names: &Names, generation: Generation) -> EntryPlan {
    let (account, site, username) = (names.account, names.domain.clone(), names.username.clone());
    EntryPlan { account, site, generation, username, pool: PoolName::main(), suspended: false }
}

async fn sites(host: &dyn Host, ours: &Names, theirs: &Names) {
    let first = entry(ours, Generation::FIRST);
    assert_eq!(host.site(&ours.domain).await.expect("a look"), None);
    assert!(!host.has_entries(ours.account).await.expect("a look"));
    // The second time with the same generation: repaired in place. Then a newer one.
    for plan in [&first, &first, &entry(ours, Generation::FIRST.next())] {
        host.put_site(plan).await.expect("put in place");
        let seen = host.site(&ours.domain).await.expect("a look").expect("the site");
        assert_eq!((seen.account, seen.entry.as_ref()), (Some(ours.account), Some(plan)));
    }
    for suspended in [true, true, false, false] {
        let plan = EntryPlan { suspended, ..entry(ours, Generation::FIRST.next()) };
        host.hold_site(&plan).await.expect("held or not");
        assert_eq!(host.site(&ours.domain).await.expect("a look").and_then(|seen| seen.entry), Some(plan));
    }
    assert!(is_taken(&host.hold_site(&EntryPlan { site: ours.domain.clone(), ..entry(theirs, Generation::FIRST) }).await));
    let stranger = EntryPlan { site: ours.domain.clone(), ..entry(theirs, Generation::FIRST) };
    assert!(is_taken(&host.put_site(&stranger).await));
    assert!(!host.has_entries(theirs.account).await.expect("a look"), "a refused entry leaves nothing");
    host.remove_site(theirs.account, &ours.domain).await.expect("nothing of that account");
    assert!(host.site(&ours.domain).await.expect("a look").is_some(), "another account's site stays");
    for _ in 0..2 {
        host.remove_site(ours.account, &ours.domain).await.expect("removed");
    }
    assert_eq!(host.site(&ours.domain).await.expect("a look"), None);
    assert!(!host.has_entries(ours.account).await.expect("a look"));
}

fn pool(names: &Names) -> PoolSpec {
    PoolSpec {
        account_id: names.account,
        pool: PoolName::main(),
        username: names.username.clone(),
        uid: names.uid,
        php_version: PhpChoice::Newest,
        workers: Limit::try_from(2).expect("a limit"),
        memory_mib: Limit::try_from(64).expect("a limit"),
        generation: Generation::FIRST,
    }
}

async fn pools(host: &dyn Host, ours: &Names) {
    let spec = pool(ours);
    assert_eq!(host.pool(ours.account, &spec.pool).await.expect("a look"), None);
    for generation in [Generation::FIRST, Generation::FIRST, Generation::FIRST.next()] {
        let spec = PoolSpec { generation, ..spec.clone() };
        host.put_pool(&spec).await.expect("opened");
        let seen = host.pool(ours.account, &spec.pool).await.expect("a look").expect("the pool");
        let newest = host.php_versions().await.expect("a look").expect("it tells them").into_iter().next();
        assert_eq!((&seen.spec, seen.listening, seen.runs), (&spec, true, newest));
    }
    for _ in 0..2 {
        host.remove_pool(ours.account, &spec.pool).await.expect("closed");
    }
    assert_eq!(host.pool(ours.account, &spec.pool).await.expect("a look"), None);
}

fn zone(names: &Names) -> ZonePlan {
    let name = format!("{}.", names.domain);
    let set = |kind, content: &str| RecordSet { name: name.clone(), kind, ttl: 3600, contents: BTreeSet::from([content.to_owned()]) };
    let below = |label: &str, kind, content: &str| RecordSet { name: format!("{label}.{name}"), ..set(kind, content) };
    ZonePlan {
        account: names.account,
        domain: names.domain.clone(),
        records: BTreeSet::from([
            set("SOA", &format!("ns1.example.net. hostmaster.{name} 10800 3600 604800 3600")),
            set("NS", "ns1.example.net."),
            set("A", "192.0.2.1"),
            set("TXT", "\"v=spf1 a mx ~all\""),
            set("MX", "10 mail.example.net."),
            set("CAA", "0 issue \"ca.example.net; account=7\""),
            below("_sip._tcp", "SRV", "10 5 5060 sip.example.net."),
            below("*", "CNAME", "web.example.net."),
            below("v6", "AAAA", "2001:db8::1"),
            below("text", "TXT", &format!("\"{}\" \"a \\\"b\\\" \\\\c; d\"", "x".repeat(255))),
        ]),
    }
}

async fn zones(host: &dyn Host, ours: &Names, theirs: &Names) {
    let mut plan = zone(ours);
    assert_eq!(host.zone(&ours.domain).await.expect("a look"), None);
    assert!(host.mend_zone(&plan).await.is_err(), "a zone that is not there is not corrected");
    host.add_zone(&plan).await.expect("a new zone");
    let look = async || host.zone(&ours.domain).await.expect("a look").expect("the zone");
    assert_eq!((look().await.account, &look().await.records), (Some(ours.account), &plan.records));
    assert!(is_taken(&host.add_zone(&ZonePlan { account: theirs.account, ..plan.clone() }).await));
    assert_eq!(host.ask_soa(&ours.domain).await.expect("an answer"), "ns1.example.net");
    assert_eq!(host.ask_a(&ours.domain).await.expect("an answer"), BTreeSet::from([[192, 0, 2, 1].into()]));

    // Kept and made again from what was kept.
    host.write_keepsake(ours.account, "{}", &ours.domain).await.expect("kept");
    assert_eq!(host.keepsake(ours.account).await.expect("a look"), KeepsakeSeen { whole: true, zone: true, any: true });
    host.remove_zone(ours.account, &ours.domain).await.expect("removed");
    host.write_keepsake(ours.account, "{}", &ours.domain).await.expect("kept");
    assert!(host.keepsake(ours.account).await.expect("a look").zone, "the zone that was kept before stays");
    host.restore_zone(&plan).await.expect("restored");
    assert_eq!((look().await.account, &look().await.records), (Some(ours.account), &plan.records));
    assert!(is_taken(&host.restore_zone(&plan).await));
    for _ in 0..2 {
        host.remove_keepsake(ours.account).await.expect("removed, also when it is gone");
    }
    assert_eq!(host.keepsake(ours.account).await.expect("a look"), KeepsakeSeen::default());

    // What the plan has is corrected, what contradicts it goes, and what is beside it stays.
    let before = plan.clone();
    plan.records.retain(|set| set.kind != "TXT");
    let addresses: BTreeSet<RecordSet> = plan.records.iter().filter(|set| set.kind == "A").cloned().collect();
    plan.records.retain(|set| set.kind != "A");
    plan.records.extend(addresses.into_iter().map(|set| RecordSet { contents: BTreeSet::from(["192.0.2.7".to_owned()]), ..set }));
    host.mend_zone(&plan).await.expect("corrected");
    let text = before.records.iter().filter(|set| set.kind == "TXT").cloned();
    assert_eq!(look().await.records, plan.records.iter().cloned().chain(text).collect());
    host.remove_zone(theirs.account, &ours.domain).await.expect("nothing of that account");
    assert_eq!(look().await.account, Some(ours.account), "another account's zone stays");
    for _ in 0..2 {
        host.remove_zone(ours.account, &ours.domain).await.expect("removed");
    }
    assert_eq!(host.zone(&ours.domain).await.expect("a look"), None);
    assert!(host.ask_soa(&ours.domain).await.is_err(), "a zone that is gone is not answered");
}

/// A whole account answers through the web server, and one whose entry is gone does not.
async fn answers(host: &dyn Host, ours: &Names) {
    host.web_server().await.expect("the web server runs");
    assert!(host.ping(&ours.domain).await.is_err(), "no site, no answer");
    let user = UserPlan { username: ours.username.clone(), uid: ours.uid, account: ours.account };
    let hash = opterius_model::Password::parse("a good password".to_owned()).expect("a password").hash();
    host.add_user(&user, &hash, false).await.expect("a new user");
    let home = HomePlan { account: ours.account, username: ours.username.clone(), uid: ours.uid, domain: ours.domain.clone() };
    host.add_home(&home).await.expect("a new home");
    host.add_logs(ours.account, &ours.username, ours.uid).await.expect("new logs");
    host.put_pool(&pool(ours)).await.expect("opened");
    host.put_site(&entry(ours, Generation::FIRST)).await.expect("put in place");
    assert_eq!(host.ping(&ours.domain).await.expect("an answer"), pool(ours).ping_response());
    assert_eq!(host.visit(&ours.domain).await.expect("an answer"), 200);
    assert_eq!(host.processes(ours.account, ours.uid).await.expect("a look").sessions, 0, "its PHP is in the sandbox");
    assert!(host.processes(ours.account, ours.uid).await.expect("a look").sandboxed > 0);
    let held = EntryPlan { suspended: true, ..entry(ours, Generation::FIRST) };
    host.hold_site(&held).await.expect("held");
    assert_eq!(host.visit(&ours.domain).await.expect("an answer"), 503);
    assert!(host.ping(&ours.domain).await.is_err(), "a suspended site's PHP is not asked");
    let (month, traffic) = host.traffic_this_month(Some(ours.account)).await.expect("a count");
    assert_eq!((month.len(), traffic.get(&ours.account).copied().unwrap_or_default()), ("2026-10".len(), 0));
    assert_eq!(host.traffic_this_month(None).await.expect("a count").0, month);
    host.remove_site(ours.account, &ours.domain).await.expect("removed");
    assert!(host.ping(&ours.domain).await.is_err(), "no site, no answer");
    host.remove_pool(ours.account, &PoolName::main()).await.expect("closed");
    host.remove_home(&home).await.expect("removed");
    host.remove_logs(ours.account, &ours.username).await.expect("removed");
    host.end_processes(ours.account, ours.uid).await.expect("ended");
    host.remove_user(&user).await.expect("removed");
    assert!(!host.uid_in_use(ours.uid).await.expect("a look"));
}

fn as_text(stored: Stored) -> String {
    String::from_utf8(stored.expect("it can be read")).expect("it is text")
}

async fn journal(host: &dyn Host, ours: &Names) {
    host.keep_spare_journals().await.expect("made");
    let id = OperationId::generate();
    assert_eq!(host.account(ours.account).await.expect("a look"), None);
    let look =
        async || host.journals().await.expect("a look").into_iter().find(|(found, _)| *found == id).map(|(_, stored)| as_text(stored));
    assert_eq!(look().await, None);
    assert!(host.append_journal(id, "line\n").await.is_err(), "nothing is added to what was not begun");
    host.begin_journal(id, "one\n", Room::Ordinary).await.expect("begun");
    assert!(is_taken(&host.begin_journal(id, "another\n", Room::Spare).await), "a journal is begun once");
    assert_eq!(look().await.as_deref(), Some("one\n"), "and stays as it is");
    host.append_journal(id, "two\n").await.expect("added");
    assert_eq!(look().await.as_deref(), Some("one\ntwo\n"));
    for _ in 0..2 {
        host.remove_journal(id).await.expect("forgotten");
    }
    assert_eq!(look().await, None);
    let never = async || host.nevers().await.expect("a look").into_iter().find(|(found, _)| *found == id).map(|(_, at)| at);
    assert_eq!(never().await, None);
    for _ in 0..2 {
        host.add_never(id).await.expect("written");
        assert_eq!((never().await, look().await), (Some(None), None), "it is no journal");
    }
    host.acknowledge_never(id, Micros(1_795_600_000_000_000)).await.expect("written");
    assert_eq!(never().await, Some(Some(Micros(1_795_600_000_000_000))));
    for _ in 0..2 {
        host.remove_never(id).await.expect("forgotten");
    }
    assert_eq!(never().await, None);
    assert!(host.acknowledge_never(id, Micros(1)).await.is_err(), "nothing is acknowledged that is not there");
    for text in ["{\"first\":1}", "{\"second\":2}"] {
        host.write_account(ours.account, text).await.expect("written");
        let found = host.accounts().await.expect("a look").into_iter().find(|(id, _)| *id == ours.account);
        assert_eq!(found.map(|(_, found)| as_text(found)).as_deref(), Some(text));
        assert_eq!(host.account(ours.account).await.expect("a look").as_deref(), Some(text));
    }
}

async fn pages(host: &dyn Host) {
    assert_eq!(host.pages().await.expect("a look"), None);
    let own = r#"{"suspension":{"title":"Closed","message":"m"},"welcome":{"title":"{domain}","message":"m"}}"#;
    // The last as it is built in, which is what a server had before.
    for pages in [serde_json::from_str::<Pages>(own).expect("pages"), Pages::default()] {
        for _ in 0..2 {
            host.put_pages(&pages).await.expect("kept");
            assert_eq!(host.pages().await.expect("a look").as_ref(), Some(&pages));
        }
    }
}

async fn heads(host: &dyn Host) {
    assert_eq!(host.heads().await.expect("a look"), "");
    for line in ["one\n", "two\n"] {
        host.append_head(line).await.expect("added");
    }
    assert_eq!(host.heads().await.expect("a look"), "one\ntwo\n");
    for text in ["two\nthr", "two\nthree\nbroken o"] {
        host.replace_heads(text).await.expect("replaced");
        assert_eq!(host.heads().await.expect("a look"), text);
    }
    host.append_head("four\n").await.expect("added");
    assert_eq!(host.heads().await.expect("a look"), "two\nthree\nbroken o\nfour\n", "a line that broke off takes no other with it");
}

#[tokio::test]
async fn the_fake_host_keeps_the_contract() {
    keeps_the_contract(&super::fake::FakeHost::new()).await;
}

/// Runs on a throw-away server that was set up, where the tests of the whole chain start it.
#[tokio::test]
#[ignore = "changes the server it runs on; the tests on throw-away servers run it there"]
async fn the_real_host_keeps_the_contract() {
    let config = crate::config::Config::load(std::path::Path::new(crate::config::PATH)).expect("the server was set up");
    let paths = super::linux::Paths::default();
    // Its own place for what the Agent writes for itself: the Agent of this server must not meet it.
    let state = tempfile::tempdir().expect("a temporary directory");
    let paths = super::linux::Paths { state: state.path().to_owned(), ..paths };
    keeps_the_contract(&super::linux::LinuxHost::new(&config, paths)).await;
}
