# The texts of the pages in English. A language is a file like this one, with the same names.

language-name = English

skip = Skip to the content
menu = Menu
theme = Light or dark
sign-out = Sign out
nav-dashboard = Dashboard
nav-accounts = Accounts
nav-packages = Packages
nav-operations = Operations
nav-activity = Activity
nav-servers = Servers
nav-tokens = API tokens
nav-people = People
nav-settings = Settings
nav-profile = Your sign-in

search = Search
previous-page = Previous page
next-page = Next page
cancel = Cancel
save = Save
copy = Copy
copied = Copied
none = none
unlimited = unlimited
yes = yes
no = no

ago-now = just now
ago-minutes = { $number ->
    [one] 1 minute ago
   *[other] { $number } minutes ago
}
ago-hours = { $number ->
    [one] 1 hour ago
   *[other] { $number } hours ago
}
ago-days = { $number ->
    [one] 1 day ago
   *[other] { $number } days ago
}
in-minutes = { $number ->
    [one] in 1 minute
   *[other] in { $number } minutes
}
in-hours = { $number ->
    [one] in 1 hour
   *[other] in { $number } hours
}
in-days = { $number ->
    [one] in 1 day
   *[other] in { $number } days
}

sign-in-title = Sign in
sign-in-name = Name
sign-in-password = Password
sign-in-button = Sign in
sign-in-forgotten = The first name and password come from `opterius setup`. Root on the server can set another password with `opterius administrator password`.
code-title = One more thing
code-label = The code that your app shows
code-hint = Or one of your recovery codes, if the app is lost.
code-button = Go on
code-over = It took too long. Sign in again.

error-title = That did not work
error-operation = Operation { $id }
error-request = Request { $id }
error-back = Go back

status-active = active
status-suspended = suspended
status-provisioning = being made
status-needs_attention = needs attention
status-terminated = terminated
status-failed = failed
outcome-running = running
outcome-committed = done
outcome-rolled_back = undone
outcome-needs_attention = needs attention
outcome-not_sent = not begun
kind-create = Create
kind-password = Password
kind-suspend = Suspend
kind-unsuspend = Unsuspend
kind-package = Package
kind-terminate = Terminate
kind-restore = Restore
kind-repair = Repair
role-administrator = Administrator
role-support = Support
role-read_only = Read only

profile-role = Role
profile-language = Language of these pages
profile-language-browser = What the browser asks for
profile-second-factor = Second factor
profile-second-factor-why = With a code from an app beside the password, a stolen password is not enough to get in here.
profile-second-factor-set = Set it up
profile-second-factor-new = Set up another app
profile-second-factor-remove = Sign in with the password alone
profile-codes-left = { $number ->
    [one] 1 recovery code is left.
   *[other] { $number } recovery codes are left.
}
profile-sessions = Where you are signed in
profile-browser = Browser
profile-address = Address
profile-since = Since
profile-end-session = Sign out
profile-this-browser = this one
second-factor-scan = Scan this picture with an app for one-time codes, then type the code that it shows.
second-factor-picture = A picture for the camera of the app; the text below says the same
second-factor-type = Without a camera, type this into the app:
recovery-title = Your recovery codes
recovery-text = Each of these signs you in once, if the app is lost. Keep them where the app is not: they are shown only now.
recovery-kept = They are kept

accounts-new = New account
accounts-search = Search
accounts-search-hint = Username, domain, e-mail or reference
accounts-every-state = All there
accounts-every-package = All
accounts-every-server = All
accounts-none-found = No account is like that.
accounts-show-all = Show all accounts
accounts-none = There are no accounts yet. They come from the billing system, or are made here.
accounts-waits = an operation needs attention
accounts-pages = Pages of the list
accounts-total = { $number ->
    [one] 1 account
   *[other] { $number } accounts
}
account-username = Username
account-domain = Domain
account-created = Made
account-state = State
account-package = Package
account-server = Server
account-ref = Reference
account-php = PHP
account-uid = Uid
account-email = E-mail
account-client = Client
account-next-due = Pays next
account-generation = Generation
account-id = Account id
account-facts = Account
account-addresses = Addresses
account-sites = Sites
account-nameservers = Name servers
php-title = PHP
php-look = See what PHP does now
php-again = Ask again
php-unknown = It is not known now.
php-pool = Pool
php-state = State
php-asleep = asleep
php-asleep-means = The next request starts it.
php-running = running
php-running-means = It answers requests.
php-ending = ending
php-ending-means = It ends once its requests are done; the next request starts it anew.
php-crash_loop = crash loop
php-crash_loop-means = It ended too soon, too often. Visitors see an error until it is tried again and stays.
php-closed = closed
php-closed-means = It takes no requests: the account is suspended, or needs a repair.
php-last-failure = Did not stay up
php-failed = { $number ->
    [one] once
   *[other] { $number } times in a row
 }
php-last-words = Last words
php-retry = Tried again
account-usage = Use
account-disk = Disk space
account-traffic = Traffic this month
account-files = Files
account-not-measured = Nothing has been measured yet. The server measures every account once an hour.
account-measured = Measured
account-limits = Limits
account-limit = Limit
account-allowed = Allowed
account-enforced = Enforced
account-override = its own
account-waiting = An operation needs attention
account-waiting-why = It could be neither finished nor undone. The server goes on trying; until it is decided, nothing else is changed.
account-running = An operation of this account is going on.
account-operation = the operation
account-operation-look = Look at the operation
account-gone = This account is terminated
account-gone-since = Since
account-gone-until = What a restore needs is kept until
account-gone-for-good = Nothing of it is kept any more, so it cannot be restored.
account-restore = Restore
account-restore-username = Under another username
account-restore-domain = Under another domain
account-held = Suspended
account-unsuspend = Lift
account-drift = Not as it should be
account-drift-mended = Was not as it should be, and was mended
account-drift-found = Found
account-repair = Repair
account-change = Change
account-change-package = Package and limits
account-suspend = Suspend
account-suspend-reason = Reason of a suspension
account-hold = Who holds it
account-new-password = New password
account-new-password-hint = A new password is made here and shown once.
account-terminate = Terminate
account-terminate-what = Site, PHP, user and DNS zone are gone at once, and the names are free.
account-terminate-kept = { $number ->
    [0] Nothing of it is kept: it cannot be restored.
    [one] Files, password and zone are kept for 1 day, so that it can be restored until
   *[other] Files, password and zone are kept for { $number } days, so that it can be restored until
}
account-terminate-type = Type { $username } to terminate it
account-keep-days = Days to keep
account-no-operations = Nothing was done to it yet.
account-no-activity = Nothing has happened yet.
hold-abuse = the host
hold-billing = billing
enforced-yes = yes
enforced-no = not on this server
enforced-unknown = unknown
limit-disk_mib = Disk space (MiB)
limit-files = Files
limit-bandwidth_gib = Traffic a month (GiB)
limit-php_workers = PHP requests at once
limit-php_memory_mib = Memory of a PHP request (MiB)
limit-cpu_percent = CPU (percent of a core)
limit-memory_mib = Memory (MiB)
limit-processes = Processes
limit-sub_sites = Further sites
limit-databases = Databases
limit-mailboxes = Mailboxes
new-password-title = New password of { $username }
new-password-once = Hand it to the customer now: it is shown only this once.
new-password-kept = It is kept
new-password-running = It is still being set.
operation-what = What
operation-outcome = Outcome
operation-when = When
operation-took = Took
operation-by = By
operation-retry = Try again
operation-abandon = Leave it as it stands
operation-abandon-hint = Ends the operation where it stands: what it had done stays, and what is missing is drift from then on, which a repair mends.
operation-steps = Steps
operation-no-steps = No step has begun.
operation-undone = Undone
operation-left = What is left
operation-facts = Operation
operation-id = Operation
operation-request = Request
operation-journal = What the Agent says of it, on the server:
operation-story = The story
operation-site = Open the site
operation-account = Account
operation-reload = Look again
operation-means-running = It is going on.
operation-means-committed = All of it is done, and was seen to work.
operation-means-rolled_back = It did not succeed, and everything was undone.
operation-means-needs_attention = It could be neither finished nor undone. The server goes on trying.
operation-means-not_sent = The server could not be reached, and nothing was begun.
operation-means-abandoned = Somebody ended it where it stood.
step-running = is being done
step-done = done
step-unchanged = was so already
step-failed = failed
operations-waiting = These need attention
operations-latest = The latest
operations-none = Nothing was done yet. Order an account, and its operation is here.
operations-pages = Pages of the list
operations-first = First page
operations-total = { $number ->
    [one] 1 operation
   *[other] { $number } operations
}
plan-title = Before anything is done
plan-show = Show what it would do
plan-not-yet = What would change is shown here first.
plan-changes = This would be done
plan-obstacles = This is in the way
plan-nothing = Nothing would change.
package-own-limits = Limits of its own
package-own-limits-hint = What is left empty is left to the package. 0 means unlimited. In grey: what it has now.
package-force = Set limits that are below what is used, too
package-change = Change it
new-account-create = Create the account
new-account-free = free
new-account-fits = can be had
new-account-room = has room
new-account-suggestion = This username is free: { $username }
new-account-not-yet = As soon as there is a name, it is said here whether it can be had, and what would be done.
new-account-no-package = An account needs a package. Make one first.
new-account-username-hint = 3 to 32 lower-case letters and digits, a letter first.
new-account-domain-hint = Without www.
new-account-password-hint = Made here. Copy it now: it is shown nowhere later.
new-account-billing = For the billing system
new-account-ref-hint = Its own name for the service.
once-only = This is shown only now. Keep it where others cannot read it.
once-kept = It is kept
confirm-label = Type { $text } to go on
confirm-wrong = What was typed is not the name: nothing was done.
changed-now = Somebody changed this while you were at it. What you typed is still here; beside it is what it is now.
changed-now-is = Now:

people-list = Who may sign in
people-empty = Nobody can sign in yet. `opterius setup` makes the first administrator.
people-add = Add somebody
people-name-hint = 3 to 32 lower-case letters and digits, a letter first.
people-password-hint = The password is made here and shown once.
person-own = you
person-other-role = What they may do
person-sign-in = Signing in
person-password-why = A new password ends every session that is open. With the app lost and no recovery code left, remove the second factor.
person-give-password = Give a new password
person-remove-second-factor = Remove the second factor
person-delete = Delete
person-delete-what = They are signed out and cannot come back. What they did stays in the Activity.
person-password-once = A password, shown once
person-added = { $name } can sign in from now on.
person-new-password = { $name } signs in with this password from now on; every open session has ended.
role-may-administrator = everything
role-may-support = look at everything, suspend and unsuspend accounts, try operations again
role-may-read_only = look at everything, change nothing

actions = Actions
now = Now
then = Then
packages-new = New package
packages-empty = There is no package yet
packages-empty-next = A package says what an account may use. Make one, then choose it in the product's module settings in WHMCS.
package-name = Name
package-name-hint = 1 to 64 characters; upper and lower case count.
package-limit = Limit
package-zero = 0 means unlimited.
package-now = Now: { $number }
package-copy = Copy the name for WHMCS
package-copy-id = Copy the id
package-duplicate = Duplicate
package-delete = Delete
package-in-use = It can be deleted once no account has it: give those accounts another package first.
package-retired = retired
package-retired-means = Retired: accounts that have it keep it, and no other account gets it.
package-retire = Retire
package-retire-hint = Retired, it stays with the accounts that have it, and no other account gets it.
package-return = Take it back
package-whmcs = In WHMCS
package-renaming = Products in WHMCS name a package by its name. Renamed, it is not found any more until the product's module settings say the new name; accounts keep it. The id never changes.
package-accounts = { $number ->
    [0] No account has it
    [one] 1 account has it
   *[other] { $number } accounts have it
}
package-keeps = Accounts that have the package keep the limits that they have. An account gets the new ones when its package is set anew, also to the same package.
package-other-limits = other limits
package-plan = What would change
package-plan-nothing = Nothing would change.
package-show-plan = Show what would change
tokens-empty = There is no token yet
tokens-empty-next = A billing system needs one to order accounts. Make one for WHMCS, and put it into its server's form.
token-new = New token
token-make = Make it
token-name-hint = So that you know it again, such as WHMCS.
token-purpose = For
token-whmcs = what the WHMCS module needs, and a prefix of its own
token-by-scope = what is ticked below
token-scopes = Scopes
token-last-day = Last day
token-last-day-hint = Such as 2026-12-31, to its end in UTC. Empty: it does not expire.
token-addresses = Addresses
token-addresses-hint = Addresses or networks that it may come from, one a line. Empty: any.
token-anywhere = any
token-never = never
token-expires = Expires
token-expired = expired
token-last-used = Last used
token-rotated = new text not used yet
token-installations = Installations
token-allowed = allowed
token-waiting = waits
token-allow = Allow it
token-only = and no other one any more
token-rotate = New text
token-revoke = Revoke
token-revoke-what = What uses it is refused from then on, and who signed in through it is signed out.
token-revoke-sure = Revoke it now
token-once-title = A token, shown once
token-once = The token { $name } is made. In WHMCS, under System Settings → Servers, these values go into the server's form. An earlier text opens until the new one is used for the first time.
token-module = Module
token-hostname = Hostname
token-port = Port
token-access-hash = Access Hash
token-text = The token alone, for other programs

settings-kept = Terminated accounts
settings-kept-days = Days for which a terminated account can be restored
settings-kept-hint = 0 to 365; 0 keeps nothing. What was terminated before is kept as long as was said then.
settings-parents = Shared parent domains
settings-parents-label = Domains below which different customers may hold sites
settings-parents-hint = One a line, such as hoster.example, so that customers can have client.hoster.example.
settings-servers = Host names, addresses and name servers belong to each server:
server-panel-version = Panel { $version }
server-reachable = answers
server-unreachable = does not answer
server-unreachable-do = The server did not answer when it was last asked; nothing can be begun on it. Look there at:
server-default = default
server-configure = Configure
server-not-configured = The server has no address or fewer than two name servers, so no site on it could be found, and orders are refused.
server-hostname = Host name
server-nameservers = Name servers
server-nameservers-hint = At least two different ones, one a line.
server-agent = Agent
server-protocol = protocol { $number }
server-not-ready = still recovering after its start
server-kept = Kept after termination
server-drifted = Not as committed
server-certificate = Certificate valid until
server-certificate-soon = The Panel's certificate ends soon, or has ended. What to do says:
server-pin = Pin of its key
server-backup-pin = Pin of the backup key
server-other-version = The server's Agent is of another version than this Panel ({ $version }). Finish the upgrade there:
server-other-protocol = The server's Agent speaks another version of the contract with the Panel. Install the packages of one version on both.
server-mended = mended
server-open-operations = Operations under way there
server-parts = The parts of the server
server-part = Part
server-state = State
server-seen = What was seen
server-ok = well
server-broken = broken
server-enforcement = Which limits the server enforces
server-enforced = enforced
server-not-enforced = not enforced
server-form-what = This is what names of new accounts point to. Accounts that are there keep what they have.
server-ipv4 = IPv4 addresses
server-ipv6 = IPv6 addresses
server-one-a-line = One a line.
server-max-accounts = Accounts that it takes
server-max-accounts-hint = Orders beyond them are refused before anything begins. 0 for any number.

activity-action = Action
activity-outcome = Outcome
activity-account = Account (id or external_ref)
activity-actor = Who
activity-when = When
activity-what = What
activity-request = Request
activity-any = any
activity-all = Show everything
activity-ok = ok
activity-refused = refused
activity-failed = failed
activity-too-many = More names hold this than are looked through; type more of the name.
activity-empty = Nothing here
activity-empty-narrowed = Nothing matches. Take something away from what you look for.
activity-empty-next = Everything that is ordered, changed or refused is written down here.
activity-pages = Pages
activity-newest = Newest
activity-older = Older
activity-of-account = everything of this account
activity-verify = Check that nothing was changed
verdict-title = Check of the Activity
verdict-wrong = The Activity is not what was written
verdict-whole = Nothing was changed, taken out or put in
verdict-no-heads = No server has been told yet how far the Activity had come, so only the chain itself was checked. They are told after the Panel's start and every hour.
verdict-rows = Rows checked
verdict-heads = Compared with what servers were told
verdict-row = The row
verdict-not-asked = Servers that could not be asked
verdict-again = Check again
story-rows = The story of this request
story-agent = The server's side
story-agent-what = Typed on the server as root, this shows what the Agent and the Panel wrote about the same request:
step = Step
step-time = Time
step-bar = Share of the longest step
step-back = back
dashboard-waiting = Needs your attention first
dashboard-empty = There is no account yet. Make a package and a token, then order in WHMCS:
dashboard-today = Creates today (UTC)
dashboard-done = Done
dashboard-failed = Failed, all undone
dashboard-running = Running, or needing attention
dashboard-p50 = Half are done within
dashboard-p95 = 95 of 100 are done within
dashboard-chart-creates = Creates an hour, last 24 hours
dashboard-chart-steps = Mean time of each step
server-load = Load / processors
server-memory = Memory in use
server-disk = Disk in use
