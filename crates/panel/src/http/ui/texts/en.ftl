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
