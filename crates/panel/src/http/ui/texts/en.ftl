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
