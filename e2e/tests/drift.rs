//! Drift: whatever was changed behind our back, `plan` names it, `repair` mends it, and the next plan is empty. What does not bear the
//! account's mark any more is named, and never touched.

use opterius_e2e::{Server, Standing, Tenant, within};
use serde_json::Value;

/// Something done to an account by another hand.
struct Damage {
    /// The resource that a plan names; others may be named beside it.
    resource: &'static str,
    /// A shell script, which finds the account in `$user`, `$uid`, `$id` and `$domain`, and its places in `$home`, `$root`, `$logs`,
    /// `$entry`, `$pool` and `$socket`.
    script: &'static str,
}

const fn damage(resource: &'static str, script: &'static str) -> Damage {
    Damage { resource, script }
}

/// To an account that is active.
const TO_THE_LIVE: [Damage; 62] = [
    damage("linux user", "userdel -f $user"),
    damage("linux user", "sed -i \"/^$user:/d\" /etc/passwd /etc/shadow"),
    damage("linux user", "sed -i \"/^$user:/d\" /etc/shadow"),
    damage("linux user", "sed -i \"/^$user:/d\" /etc/group /etc/gshadow"),
    damage("linux user", "usermod -s /bin/bash $user"),
    damage("linux user", "usermod -d /root $user"),
    damage("linux user", "usermod -g nogroup $user"),
    damage("linux user", "usermod -s /bin/sh -d /srv -g users -e 1 $user"),
    damage("linux user", "usermod -e 1 $user"),
    damage("linux user", "gpasswd -a bob $user"),
    damage("password", "usermod -p '*' $user"),
    damage("password", "usermod -L $user"),
    damage("password", "echo $user:quite-another | chpasswd"),
    damage("home", "rm -rf $home"),
    damage("home", "chmod 700 $home"),
    damage("home", "chmod 777 $home"),
    damage("home", "chown root $home"),
    damage("home", "chgrp root $home"),
    damage("home", "rm -rf $root"),
    damage("home", "chmod 000 $root"),
    damage("home", "chown root $root"),
    damage("home", "chgrp root $root"),
    damage("home", "rm -rf $home/$domain"),
    damage("home", "chmod 000 $home/$domain"),
    damage("home", "chown root:root $home/$domain"),
    damage("home", "rm -rf $home/tmp"),
    damage("home", "chmod 000 $home/tmp"),
    damage("home", "chown root:root $home/tmp"),
    damage("logs", "rm -rf $logs"),
    damage("logs", "chmod 777 $logs"),
    damage("logs", "chmod 000 $logs"),
    damage("logs", "chown nobody $logs"),
    damage("logs", "chgrp root $logs"),
    damage("site", "ln -sfn /home/bob $entry/home"),
    damage("site", "rm $entry/account"),
    damage("site", "echo x >$entry/account"),
    damage("site", "rm $entry/php.sock"),
    damage("site", "ln -sfn /run/opterius/php/other.sock $entry/php.sock"),
    damage("site", "chmod 700 $entry"),
    damage("site", "chmod 777 $entry"),
    damage("site", "chown nobody $entry"),
    damage("site", "chgrp root $entry/.."),
    damage("site", "rm -rf $entry"),
    damage("site", "rm /var/lib/opterius/sites/$domain"),
    damage("site", "ln -sfn ../entries/$id/$domain.g999 /var/lib/opterius/sites/$domain"),
    damage("site", "touch $entry/suspended"),
    damage("site", "ln -s ../../../pages/suspended.html $entry/suspended"),
    damage("php pool", "rm $pool"),
    damage("php pool", "echo '{' >$pool"),
    damage("php pool", "sed -i -E 's/\"workers\": *[0-9]+/\"workers\": 99/' $pool"),
    damage("php pool", "rm $socket"),
    damage("php pool", "rm -rf $(dirname $socket)"),
    damage("php pool", "chmod 600 $socket"),
    damage("php pool", "chmod 666 $socket"),
    damage("php pool", "chown nobody $socket"),
    damage("php pool", "chmod 777 $(dirname $socket)"),
    damage("php pool", "chown nobody $(dirname $socket)"),
    damage("dns zone", "pdnsutil delete-zone $domain"),
    damage("dns zone", "pdnsutil replace-rrset $domain www A 3600 192.0.2.99"),
    damage("dns zone", "pdnsutil delete-rrset $domain mail A; pdnsutil delete-rrset $domain @ MX"),
    damage("record", "rm /var/lib/opterius-agent/accounts/$id.json"),
    damage(
        "record",
        "sed -i 's/$user/mallory/' /var/lib/opterius-agent/accounts/$id.json; echo >>/var/lib/opterius-agent/accounts/$id.json",
    ),
];

/// To an account that is suspended.
const TO_THE_SUSPENDED: [Damage; 8] = [
    damage("site", "rm $entry/suspended"),
    damage("site", "rm $entry/suspended; mkdir $entry/suspended"),
    damage("linux user", "usermod -e '' $user"),
    damage("linux user", "userdel -f $user"),
    damage(
        "sessions",
        "setsid setpriv --reuid $uid --regid $uid --clear-groups sleep 3000 >/dev/null 2>&1 </dev/null & until pgrep -u $uid >/dev/null; do sleep 0.05; done",
    ),
    damage(
        "php pool",
        "curl -sf --unix-socket /run/opterius/phpd.sock -X PUT -H 'Content-Type: application/json' --data-binary @/root/pool.json \
         http://phpd/pools",
    ),
    damage("home", "chmod 777 $home"),
    damage("dns zone", "pdnsutil delete-zone $domain"),
];

/// What takes the account's mark away, in whose place something else stands then; and what puts it back.
const MARKS: [(&str, &str, &str); 8] = [
    ("linux user", "usermod -c somebody $user", "usermod -c opterius-$id $user"),
    (
        "linux user",
        "sed -i -E \"s/^($user:[^:]*):$uid:/\\1:1999:/\" /etc/passwd",
        "sed -i -E \"s/^($user:[^:]*):1999:/\\1:$uid:/\" /etc/passwd",
    ),
    ("home", "chown -R nobody $home", "chown -R $uid $home; chmod 2750 $root"),
    ("home", "mv $home /root/away; touch $home", "rm $home; mv /root/away $home"),
    ("logs", "rm $logs/.opterius-account", "echo $id >$logs/.opterius-account"),
    ("site", "ln -sfn ../entries/$other/bob.test.g1 /var/lib/opterius/sites/$domain", "ln -sfn $link /var/lib/opterius/sites/$domain"),
    (
        "dns zone",
        "sqlite3 /var/lib/powerdns/opterius.sqlite3 \"update domains set account = 'somebody' where name = '$domain'\"",
        "sqlite3 /var/lib/powerdns/opterius.sqlite3 \"update domains set account = '$id' where name = '$domain'\"",
    ),
    (
        "dns zone",
        "sqlite3 /var/lib/powerdns/opterius.sqlite3 \"update domains set account = '' where name = '$domain'\"",
        "sqlite3 /var/lib/powerdns/opterius.sqlite3 \"update domains set account = '$id' where name = '$domain'\"",
    ),
];

/// An account with a neighbour whom nothing of this concerns.
struct Street {
    server: Server,
    alice: Tenant,
    bob: Tenant,
}

impl Street {
    fn new(test: &str) -> Self {
        let server = Server::new(test);
        let alice = Tenant::new(&server, "alice", "alice.test");
        let bob = Tenant::new(&server, "bob", "bob.test");
        server.sh("cp -a /home/alice/alice.test/public_html/index.php /root/");
        Self { server, alice, bob }
    }

    /// Runs a script that finds the account and its places in variables.
    fn sh(&self, script: &str) -> String {
        let Tenant { username, domain, account, uid, .. } = &self.alice;
        let other = &self.bob.account;
        self.server.sh(&format!(
            "user={username} domain={domain} id={account} uid={uid} other={other} home=/home/{username} root=/home/{username}/{domain}/public_html\n\
             logs=/var/log/opterius/accounts/{username} link=$(readlink /var/lib/opterius/sites/{domain} || true)\n\
             entry=/var/lib/opterius/entries/{account}/${{link##*/}}\n\
             pool=/var/lib/opterius-phpd/pools/{account}/main.json socket=/run/opterius/php/{account}/main.sock\n{script}"
        ))
    }

    fn plan(&self, tenant: &Tenant) -> Value {
        self.server.done("GET", &format!("/api/accounts/{}/plan", tenant.account), None)
    }

    fn assert_clean(&self, tenant: &Tenant, when: &str) {
        let plan = self.plan(tenant);
        assert_eq!(plan["empty"], true, "{} {when}: {plan}", tenant.username);
    }

    fn standing(&self) -> Standing {
        // A document root that had to be made anew is empty, since nobody but its owner knows what was in it.
        self.sh("[ -e $root/index.php ] || install -o $uid -g opterius-web -m 640 /root/index.php $root/");
        Standing::of(&self.server, &self.alice.username, &self.alice.domain)
    }

    /// Damage is named and mended, and the neighbour's plan stays empty.
    fn assert_mended(&self, damage: &Damage, standing: &Standing) {
        let Damage { resource, script } = damage;
        self.sh(script);
        let plan = self.plan(&self.alice);
        let names = |list: &Value, field: &str| list.as_array().is_some_and(|list| list.iter().any(|one| one[field] == *resource));
        assert!(names(&plan["changes"], "resource"), "{script}: the plan names {resource}: {plan}");
        assert_eq!((&plan["conflicts"], &plan["missing"]), (&Value::Array(Vec::new()), &Value::Array(Vec::new())), "{script}: {plan}");
        self.assert_clean(&self.bob, script);
        self.server.done("POST", &format!("/api/accounts/{}/repair", self.alice.account), None);
        self.assert_clean(&self.alice, &format!("after the repair of: {script}"));
        assert_eq!(self.standing(), *standing, "after the repair of: {script}");
        assert_eq!(self.server.visit("bob.test", "/").0, 200, "{script}");
    }
}

#[test]
fn whatever_is_changed_of_a_live_account_is_named_and_mended() {
    let street = Street::new("drift");
    for tenant in [&street.alice, &street.bob] {
        street.assert_clean(tenant, "to begin with");
    }
    for damage in &TO_THE_LIVE {
        street.assert_mended(damage, &Standing::Whole);
    }
    assert!(street.server.has_password("alice", "correct horse battery"));

    // All at once, too.
    let all = "usermod -s /bin/bash $user; usermod -p '*' $user; rm -rf $home; rm -rf $logs; rm -rf $entry; rm $pool $socket; pdnsutil delete-zone $domain";
    street.assert_mended(&damage("home", all), &Standing::Whole);

    // What its owner may do is no drift, and is left alone.
    street.alice.sh(
        &street.server,
        "mkdir -p ../elsewhere; echo own >../elsewhere/own.txt; mv ../public_html ../old; ln -s elsewhere ../public_html; chmod 755 ../",
    );
    street.server.ok(&["pdnsutil", "add-record", "alice.test", "shop", "A", "3600", "192.0.2.7"]);
    street.assert_clean(&street.alice, "after its owner's changes");
    street.server.done("POST", &format!("/api/accounts/{}/repair", street.alice.account), None);
    assert_eq!(street.sh("readlink $root; stat -c %a $home/$domain; cat $root/own.txt"), "elsewhere\n755\nown\n");
    assert_eq!(street.server.dig("shop.alice.test", "A"), ["192.0.2.7"]);
}

#[test]
fn whatever_would_let_a_suspended_account_run_is_named_and_mended() {
    let street = Street::new("driftheld");
    street.sh("php -r 'echo json_encode(json_decode(file_get_contents($argv[1]))->spec);' $pool >/root/pool.json");
    let reason = serde_json::json!({ "reason": "a test" });
    street.server.done("POST", &format!("/api/accounts/{}/suspend", street.alice.account), Some(&reason));
    street.assert_clean(&street.alice, "suspended");
    for damage in &TO_THE_SUSPENDED {
        street.assert_mended(damage, &Standing::Suspended);
        assert!(!street.server.lets_in("alice", "su"));
    }
}

#[test]
fn what_bears_another_mark_is_named_and_never_touched_and_services_that_are_stopped_are_missing() {
    let street = Street::new("marks");
    let server = &street.server;
    let repair = format!("/api/accounts/{}/repair", street.alice.account);
    let picture = "for file in passwd shadow group gshadow; do grep \"^$user:\" /etc/$file || true; done
        find $home $logs /var/lib/opterius/entries /var/lib/opterius/sites ! -name '*.log' -printf '%p %u:%g %m %l\\n' | sort
        sqlite3 /var/lib/powerdns/opterius.sqlite3 .dump";
    let link = street.sh("echo $link");
    for (step, takes, gives) in MARKS {
        street.sh(takes);
        let plan = street.plan(&street.alice);
        let named = plan["conflicts"].as_array().is_some_and(|list| list.iter().any(|one| one["step"] == step));
        assert!(named, "{takes}: {plan}");
        let before = street.sh(picture);
        let (status, problem) = server.admin_send("POST", &repair, &serde_json::json!({}));
        assert!(status == 409 && problem["detail"].as_str().is_some_and(|detail| detail.contains("left as it was")), "{takes}: {problem}");
        assert_eq!(street.sh(picture), before, "{takes}: nothing was touched");
        street.sh(&format!("link={}\n{gives}", link.trim()));
        street.assert_clean(&street.alice, takes);
    }
    assert_eq!(street.standing(), Standing::Whole);

    for (unit, step) in [("nginx", "site"), ("pdns", "dns zone"), ("opterius-phpd", "php pool")] {
        server.ok(&["systemctl", "stop", unit]);
        let plan = street.plan(&street.alice);
        let named = plan["missing"].as_array().is_some_and(|list| list.iter().any(|one| one["step"] == step && one["hint"].is_string()));
        assert!(named, "{unit}: {plan}");
        server.refused("POST", &repair, None, 502, "provisioning_failed");
        server.ok(&["systemctl", "start", unit]);
        opterius_e2e::eventually("the service is back", || (street.plan(&street.alice)["empty"] == true).then_some(()));
    }
    server.done("POST", &repair, None);
    assert_eq!(street.standing(), Standing::Whole);
}

#[test]
fn the_agent_finds_drift_by_itself_and_mends_it_only_where_it_is_set_to() {
    let tells = Street::new("tells");
    let mends = Street::new("mends");
    let damage = "usermod -s /bin/bash $user; chmod 777 $home";
    for (street, mend) in [(&tells, false), (&mends, true)] {
        // Longer than the 15 seconds after which the Panel asks again: what was mended is forgotten at the next look.
        street.server.configure_agent(&format!("drift_seconds = 20\nmend_drift = {mend}"));
        street.sh(damage);
    }
    let waits = |what: &str, condition: &dyn Fn() -> bool| within(std::time::Duration::from_mins(4), what, || condition().then_some(()));
    let drift = |street: &Street| street.server.done("GET", &format!("/api/accounts/{}", street.alice.account), None)["drift"].clone();
    let rows = |street: &Street, action: &str| {
        street.server.admin("GET", &format!("/api/activity?account={}&action={action}", street.alice.account)).1["page"]["total"].clone()
    };

    waits("it is told", &|| !drift(&tells).is_null());
    let told = drift(&tells);
    assert_eq!(told["mended"], false);
    for words in ["linux user", "home", "0777"] {
        assert!(told["changes"].to_string().contains(words), "{words}: {told}");
    }
    assert_eq!(rows(&tells, "account.drift"), 1);
    let doctor = tells.server.run(&["opterius", "doctor"]).stdout;
    assert!(doctor.contains("the account alice is not as it should be: linux user, home"), "{doctor}");
    assert_eq!(tells.sh("stat -c %a $home; getent passwd $user | cut -d: -f7"), "777\n/bin/bash\n", "it was not told to mend it");
    assert_eq!(tells.server.done("GET", &format!("/api/accounts/{}", tells.bob.account), None)["drift"], Value::Null);
    tells.server.done("POST", &format!("/api/accounts/{}/repair", tells.alice.account), None);
    waits("the repair is noticed", &|| drift(&tells).is_null());

    waits("it is mended", &|| mends.sh("stat -c %a $home; getent passwd $user | cut -d: -f7") == "711\n/usr/sbin/nologin\n");
    mends.assert_clean(&mends.alice, "after the Agent mended it");
    waits("that is told", &|| rows(&mends, "account.drift.mended") == 1);
    assert_eq!(mends.standing(), Standing::Whole);
}
