//! Looking at everything on a server that could belong to an account.

use crate::server::Server;

/// Everything on a server that claims a username or domain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Debris(pub Vec<String>);

/// The scan: passwd, group, shadow, home, staging, trash, logs, entries, sites, sockets, processes, zones, pools and rows. Each finding
/// is one line. It looks at the server itself and asks none of our daemons but the DNS server's database.
const SCAN: &str = r#"
user=$1 domain=$2
grep -E "^$user:" /etc/passwd | sed 's/^/passwd: /' || true
grep -E "^$user:" /etc/shadow | cut -d: -f1 | sed 's/^/shadow: /' || true
grep -E "^$user:" /etc/group | sed 's/^/group: /' || true
grep -E "^$user:" /etc/gshadow | sed 's/^/gshadow: /' || true
[ ! -e /home/$user ] || echo "home: /home/$user"
# The room in the trash that is set aside for an account belongs to its user.
is_set_aside() {
    case $1 in */.opterius-trash/*) ;; *) return 1 ;; esac
    [ -z "$(ls -A "$1" | grep -v '\.reserve$')" ] && grep -q ":opterius-${1##*/}:" /etc/passwd
}
for path in $(find /home/.opterius-staging /home/.opterius-trash -mindepth 1 -maxdepth 1 2>/dev/null); do
    record=/var/lib/opterius-agent/accounts/${path##*/}.json
    if grep -qs '"kept_until"' "$record"; then
        # What is kept of an account belongs to it, and is nothing that was forgotten.
        ! grep -qE "\"username\": ?\"$user\"" "$record" || echo "kept: $path"
    elif ! is_set_aside "$path"; then
        echo "home: $path"
    fi
done
find /var/log/opterius/accounts -mindepth 1 -maxdepth 1 \( -name "$user" -o -name '.staging-*' \) 2>/dev/null | sed 's/^/logs: /' || true
[ ! -e /var/lib/opterius/sites/$domain ] && [ ! -L /var/lib/opterius/sites/$domain ] || echo "site: $domain"
for id in $(ids); do
    for path in /var/lib/opterius/entries/$id /var/lib/opterius/staging/$id /run/opterius/php/$id /var/lib/opterius-phpd/pools/$id; do
        [ ! -e $path ] || echo "path: $path"
    done
done
# A database that is busy is waited for; one that cannot be read is no database without rows.
rows() { [ ! -e "$1" ] || sqlite3 -readonly -cmd '.timeout 20000' "$1" "$2"; }
rows /var/lib/powerdns/opterius.sqlite3 "select 'zone: '||name from domains where name='$domain' union all
    select 'record: '||name from records where name='$domain' or name like '%.$domain'"
rows /var/lib/opterius-panel/panel.db "select 'row: '||name from claimed_name where name like '%:$user' or name like '%:$domain'"
"#;

impl Debris {
    /// Everything on the server that claims `username` or `domain`. Accounts that never had another name are found by name; directories
    /// named by an account's id are looked for under the ids of all operations that the Agent's journals tell of for that username.
    pub fn find(server: &Server, username: &str, domain: &str) -> Self {
        let ids = "ids() { grep -lE \"\\\"username\\\": ?\\\"$user\\\"\" -r /var/lib/opterius-agent 2>/dev/null | \
                   xargs -r grep -ohE '\"account_id\": ?\"[0-9a-f-]{36}\"' | grep -oE '[0-9a-f-]{36}' | sort -u; }\n";
        let script = format!("{ids}{SCAN}");
        let output = server.ok(&["sh", "-ec", &script, "scan", username, domain]);
        let mut found: Vec<String> = output.lines().map(str::to_owned).collect();
        // Processes of uids that no user has (any more).
        let orphans = server.sh("ps -eo uid=,pid=,args= | awk '$1 >= 20000 && $1 <= 59999' | while read -r uid pid args; do \
             getent passwd $uid >/dev/null || echo \"process: $uid $pid $args\"; done");
        found.extend(orphans.lines().map(str::to_owned));
        Self(found)
    }

    /// # Panics
    /// When anything is left.
    pub fn assert_none(server: &Server, username: &str, domain: &str) {
        let found = Self::find(server, username, domain);
        assert_eq!(found, Self::default(), "nothing of {username} and {domain} is left");
    }
}

/// An account that is wholly there.
#[derive(Debug)]
pub struct WholeAccount;

impl WholeAccount {
    /// Checks that every part of the account is there once, and that the site and the DNS server answer.
    ///
    /// # Panics
    /// When something is missing or there is too much of it.
    pub fn assert(server: &Server, username: &str, domain: &str) {
        let found = Debris::find(server, username, domain).0;
        let of = |kind: &str| found.iter().filter(|line| line.starts_with(kind)).count();
        for kind in ["passwd:", "shadow:", "group:", "home:", "logs:", "site:", "zone:"] {
            assert_eq!(of(kind), 1, "{kind} of {username}: {found:?}");
        }
        assert_eq!(of("row:"), 2, "rows of {username}: {found:?}");
        let (status, page) = server.visit(domain, "/");
        assert_eq!(status, 200, "{domain}: {page}");
        assert!(page.contains("is ready"), "{domain}: {page}");
        assert_eq!(server.dig(domain, "A"), std::slice::from_ref(&server.ip), "{domain}");
        assert_eq!(server.dig(domain, "SOA").len(), 1, "{domain}");
    }
}
