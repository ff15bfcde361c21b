# Die Texte der Seiten auf Deutsch.

language-name = Deutsch

skip = Zum Inhalt springen
menu = Menü
theme = Hell oder dunkel
sign-out = Abmelden
nav-dashboard = Übersicht
nav-accounts = Konten
nav-packages = Pakete
nav-operations = Vorgänge
nav-activity = Protokoll
nav-servers = Server
nav-tokens = API-Schlüssel
nav-people = Personen
nav-settings = Einstellungen
nav-profile = Ihre Anmeldung

search = Suchen
previous-page = Vorige Seite
next-page = Nächste Seite
cancel = Abbrechen
save = Speichern
copy = Kopieren
copied = Kopiert
none = keine
unlimited = unbegrenzt
yes = ja
no = nein

ago-now = gerade eben
ago-minutes = { $number ->
    [one] vor 1 Minute
   *[other] vor { $number } Minuten
}
ago-hours = { $number ->
    [one] vor 1 Stunde
   *[other] vor { $number } Stunden
}
ago-days = { $number ->
    [one] vor 1 Tag
   *[other] vor { $number } Tagen
}
in-minutes = { $number ->
    [one] in 1 Minute
   *[other] in { $number } Minuten
}
in-hours = { $number ->
    [one] in 1 Stunde
   *[other] in { $number } Stunden
}
in-days = { $number ->
    [one] in 1 Tag
   *[other] in { $number } Tagen
}

sign-in-title = Anmelden
sign-in-name = Name
sign-in-password = Kennwort
sign-in-button = Anmelden
sign-in-forgotten = Den ersten Namen und das erste Kennwort nennt `opterius setup`. Root auf dem Server kann mit `opterius administrator password` ein anderes setzen.
code-title = Noch etwas
code-label = Der Code, den Ihre App anzeigt
code-hint = Oder einer Ihrer Ersatzcodes, falls die App verloren ist.
code-button = Weiter
code-over = Das hat zu lange gedauert. Melden Sie sich noch einmal an.

error-title = Das hat nicht geklappt
error-operation = Vorgang { $id }
error-request = Anfrage { $id }
error-back = Zurück

status-active = aktiv
status-suspended = gesperrt
status-provisioning = wird eingerichtet
status-needs_attention = braucht Aufmerksamkeit
status-terminated = beendet
status-failed = misslungen
outcome-running = läuft
outcome-committed = erledigt
outcome-rolled_back = rückgängig gemacht
outcome-needs_attention = braucht Aufmerksamkeit
outcome-not_sent = nicht begonnen
kind-create = Einrichten
kind-password = Kennwort
kind-suspend = Sperren
kind-unsuspend = Entsperren
kind-package = Paket
kind-terminate = Beenden
kind-restore = Wiederherstellen
kind-repair = Reparieren
role-administrator = Verwaltung
role-support = Kundendienst
role-read_only = Nur lesen

profile-role = Rolle
profile-language = Sprache dieser Seiten
profile-language-browser = Was der Browser wünscht
profile-second-factor = Zweiter Faktor
profile-second-factor-why = Mit einem Code aus einer App neben dem Kennwort genügt ein gestohlenes Kennwort nicht, um hier hereinzukommen.
profile-second-factor-set = Einrichten
profile-second-factor-new = Eine andere App einrichten
profile-second-factor-remove = Nur mit dem Kennwort anmelden
profile-codes-left = { $number ->
    [one] 1 Ersatzcode ist übrig.
   *[other] { $number } Ersatzcodes sind übrig.
}
profile-sessions = Wo Sie angemeldet sind
profile-browser = Browser
profile-address = Adresse
profile-since = Seit
profile-end-session = Abmelden
profile-this-browser = dieser
second-factor-scan = Lesen Sie dieses Bild mit einer App für Einmalcodes ein und geben Sie dann den Code ein, den sie zeigt.
second-factor-picture = Ein Bild für die Kamera der App; der Text darunter sagt dasselbe
second-factor-type = Ohne Kamera geben Sie dies in die App ein:
recovery-title = Ihre Ersatzcodes
recovery-text = Jeder davon meldet Sie einmal an, falls die App verloren ist. Bewahren Sie sie dort auf, wo die App nicht ist: Sie werden nur jetzt gezeigt.
recovery-kept = Sie sind verwahrt

accounts-new = Neues Konto
accounts-search = Suche
accounts-search-hint = Benutzername, Domain, E-Mail oder Referenz
accounts-every-state = Alle
accounts-every-package = Alle
accounts-every-server = Alle
accounts-none-found = Kein Konto ist so.
accounts-show-all = Alle Konten zeigen
accounts-none = Es gibt noch keine Konten. Sie kommen vom Abrechnungssystem oder werden hier angelegt.
accounts-waits = ein Vorgang braucht Aufmerksamkeit
accounts-pages = Seiten der Liste
accounts-total = { $number ->
    [one] 1 Konto
   *[other] { $number } Konten
}
account-username = Benutzername
account-domain = Domain
account-created = Angelegt
account-state = Zustand
account-package = Paket
account-server = Server
account-ref = Referenz
account-php = PHP
account-uid = Uid
account-email = E-Mail
account-client = Kunde
account-next-due = Zahlt wieder am
account-generation = Generation
account-id = Konto-Id
account-facts = Konto
account-addresses = Adressen
account-sites = Websites
account-nameservers = Nameserver
php-title = PHP
php-look = Nachsehen, was PHP gerade tut
php-again = Noch einmal fragen
php-unknown = Das ist gerade nicht bekannt.
php-pool = Pool
php-state = Zustand
php-asleep = schläft
php-asleep-means = Die nächste Anfrage startet ihn.
php-running = läuft
php-running-means = Er beantwortet Anfragen.
php-ending = endet
php-ending-means = Er endet nach seinen Anfragen; die nächste startet ihn neu.
php-crash_loop = stürzt immer wieder ab
php-crash_loop-means = Er endete zu früh und zu oft. Besucher sehen einen Fehler, bis er wieder versucht wird und bleibt.
php-closed = geschlossen
php-closed-means = Er nimmt keine Anfragen an: Das Konto ist gesperrt oder muss repariert werden.
php-last-failure = Blieb nicht am Leben
php-failed = { $number ->
    [one] einmal
   *[other] { $number }-mal hintereinander
 }
php-last-words = Letzte Worte
php-retry = Nächster Versuch
account-usage = Verbrauch
account-disk = Speicherplatz
account-traffic = Datenverkehr in diesem Monat
account-files = Dateien
account-not-measured = Es wurde noch nichts gemessen. Der Server misst jedes Konto einmal in der Stunde.
account-measured = Gemessen
account-limits = Grenzen
account-limit = Grenze
account-allowed = Erlaubt
account-enforced = Durchgesetzt
account-override = eigene
account-waiting = Ein Vorgang braucht Aufmerksamkeit
account-waiting-why = Er konnte weder beendet noch rückgängig gemacht werden. Der Server versucht es weiter; bis es entschieden ist, wird sonst nichts geändert.
account-running = Ein Vorgang dieses Kontos läuft gerade.
account-operation = der Vorgang
account-operation-look = Den Vorgang ansehen
account-gone = Dieses Konto ist beendet
account-gone-since = Seit
account-gone-until = Was eine Wiederherstellung braucht, wird aufbewahrt bis
account-gone-for-good = Nichts davon wird noch aufbewahrt, es kann also nicht wiederhergestellt werden.
account-restore = Wiederherstellen
account-restore-username = Unter anderem Benutzernamen
account-restore-domain = Unter anderer Domain
account-held = Gesperrt
account-unsuspend = Aufheben
account-drift = Nicht wie es sein soll
account-drift-mended = War nicht wie es sein soll und wurde behoben
account-drift-found = Gefunden
account-repair = Reparieren
account-change = Ändern
account-change-package = Paket und Grenzen
account-suspend = Sperren
account-suspend-reason = Grund einer Sperre
account-hold = Wer sperrt
account-new-password = Neues Passwort
account-new-password-hint = Ein neues Passwort wird hier erzeugt und einmal gezeigt.
account-terminate = Beenden
account-terminate-what = Website, PHP, Benutzer und DNS-Zone sind sofort weg, und die Namen sind frei.
account-terminate-kept = { $number ->
    [0] Nichts davon wird aufbewahrt: es kann nicht wiederhergestellt werden.
    [one] Dateien, Passwort und Zone werden 1 Tag aufbewahrt, es kann also wiederhergestellt werden bis
   *[other] Dateien, Passwort und Zone werden { $number } Tage aufbewahrt, es kann also wiederhergestellt werden bis
}
account-terminate-type = Zum Beenden { $username } eingeben
account-keep-days = Tage aufbewahren
account-no-operations = Mit ihm wurde noch nichts gemacht.
account-no-activity = Es ist noch nichts geschehen.
hold-abuse = der Betreiber
hold-billing = die Abrechnung
enforced-yes = ja
enforced-no = nicht auf diesem Server
enforced-unknown = unbekannt
limit-disk_mib = Speicherplatz (MiB)
limit-files = Dateien
limit-bandwidth_gib = Datenverkehr im Monat (GiB)
limit-php_workers = PHP-Anfragen zugleich
limit-php_memory_mib = Speicher einer PHP-Anfrage (MiB)
limit-cpu_percent = CPU (Prozent eines Kerns)
limit-memory_mib = Arbeitsspeicher (MiB)
limit-processes = Prozesse
limit-sub_sites = Weitere Websites
limit-databases = Datenbanken
limit-mailboxes = Postfächer
new-password-title = Neues Passwort von { $username }
new-password-once = Geben Sie es jetzt dem Kunden: es wird nur dieses eine Mal gezeigt.
new-password-kept = Es ist notiert
new-password-running = Es wird noch gesetzt.
operation-what = Was
operation-outcome = Ergebnis
operation-when = Wann
operation-took = Dauer
operation-by = Von
operation-retry = Noch einmal versuchen
operation-abandon = So lassen, wie es ist
operation-abandon-hint = Beendet den Vorgang, wo er steht: was getan ist, bleibt, und was fehlt, ist von da an eine Abweichung, die eine Reparatur behebt.
operation-steps = Schritte
operation-no-steps = Noch kein Schritt hat begonnen.
operation-undone = Rückgängig gemacht
operation-left = Was übrig ist
operation-facts = Vorgang
operation-id = Vorgang
operation-request = Anfrage
operation-journal = Was der Agent auf dem Server dazu sagt:
operation-story = Der Verlauf
operation-site = Die Website öffnen
operation-account = Konto
operation-reload = Noch einmal nachsehen
operation-means-running = Er läuft gerade.
operation-means-committed = Alles ist getan und funktioniert nachweislich.
operation-means-rolled_back = Er ist nicht gelungen, und alles wurde rückgängig gemacht.
operation-means-needs_attention = Er konnte weder beendet noch rückgängig gemacht werden. Der Server versucht es weiter.
operation-means-not_sent = Der Server war nicht zu erreichen, und nichts wurde begonnen.
operation-means-abandoned = Jemand hat ihn beendet, wo er stand.
step-running = wird gemacht
step-done = getan
step-unchanged = war schon so
step-failed = gescheitert
operations-waiting = Diese brauchen Aufmerksamkeit
operations-latest = Die neuesten
operations-none = Noch wurde nichts gemacht. Bestellen Sie ein Konto, und sein Vorgang steht hier.
operations-pages = Seiten der Liste
operations-first = Erste Seite
operations-total = { $number ->
    [one] 1 Vorgang
   *[other] { $number } Vorgänge
}
plan-title = Bevor etwas getan wird
plan-show = Zeigen, was es täte
plan-not-yet = Was sich ändern würde, wird zuerst hier gezeigt.
plan-changes = Das würde getan
plan-obstacles = Das ist im Weg
plan-nothing = Nichts würde sich ändern.
package-own-limits = Eigene Grenzen
package-own-limits-hint = Was leer bleibt, bleibt dem Paket überlassen. 0 heißt unbegrenzt. In Grau: was es jetzt hat.
package-force = Auch Grenzen unter dem Verbrauch setzen
package-change = Ändern
new-account-create = Das Konto anlegen
new-account-free = frei
new-account-fits = ist zu haben
new-account-room = hat Platz
new-account-suggestion = Dieser Benutzername ist frei: { $username }
new-account-not-yet = Sobald ein Name da ist, steht hier, ob er zu haben ist und was getan würde.
new-account-no-package = Ein Konto braucht ein Paket. Legen Sie zuerst eines an.
new-account-username-hint = 3 bis 32 Kleinbuchstaben und Ziffern, zuerst ein Buchstabe.
new-account-domain-hint = Ohne www.
new-account-password-hint = Hier erzeugt. Kopieren Sie es jetzt: später wird es nirgends gezeigt.
new-account-billing = Für das Abrechnungssystem
new-account-ref-hint = Sein eigener Name für die Leistung.
once-only = Das wird nur jetzt gezeigt. Verwahren Sie es dort, wo andere es nicht lesen.
once-kept = Ist verwahrt
confirm-label = Tippen Sie { $text }, um fortzufahren
confirm-wrong = Was getippt wurde, ist nicht der Name: Es wurde nichts getan.
changed-now = Jemand hat das inzwischen geändert. Was Sie getippt haben, steht noch da; daneben steht, was jetzt gilt.
changed-now-is = Jetzt:

people-list = Wer sich anmelden kann
people-empty = Noch kann sich niemand anmelden. `opterius setup` legt die erste Person an.
people-add = Person hinzufügen
people-name-hint = 3 bis 32 Kleinbuchstaben und Ziffern, ein Buchstabe zuerst.
people-password-hint = Das Kennwort wird hier gemacht und einmal gezeigt.
person-own = Sie
person-other-role = Was die Person darf
person-sign-in = Anmeldung
person-password-why = Ein neues Kennwort beendet alle offenen Sitzungen. Ist die App verloren und kein Ersatzcode übrig, entfernen Sie den zweiten Faktor.
person-give-password = Neues Kennwort geben
person-remove-second-factor = Zweiten Faktor entfernen
person-delete = Löschen
person-delete-what = Die Person wird abgemeldet und kommt nicht wieder herein. Was sie getan hat, bleibt im Protokoll.
person-password-once = Ein Kennwort, einmal gezeigt
person-added = { $name } kann sich von jetzt an anmelden.
person-new-password = { $name } meldet sich von jetzt an mit diesem Kennwort an; alle offenen Sitzungen sind beendet.
role-may-administrator = alles
role-may-support = alles ansehen, Konten sperren und entsperren, Vorgänge erneut versuchen
role-may-read_only = alles ansehen, nichts ändern

actions = Aktionen
now = Jetzt
then = Dann
packages-new = Neues Paket
packages-empty = Es gibt noch kein Paket
packages-empty-next = Ein Paket sagt, was ein Konto nutzen darf. Legen Sie eines an und wählen Sie es dann in WHMCS in den Moduleinstellungen des Produkts.
package-name = Name
package-name-hint = 1 bis 64 Zeichen; Groß- und Kleinschreibung zählt.
package-limit = Grenze
package-zero = 0 heißt unbegrenzt.
package-now = Jetzt: { $number }
package-copy = Namen für WHMCS kopieren
package-copy-id = Kennung kopieren
package-duplicate = Duplizieren
package-delete = Löschen
package-in-use = Es kann gelöscht werden, sobald kein Konto es hat: Geben Sie diesen Konten erst ein anderes Paket.
package-retired = stillgelegt
package-retired-means = Stillgelegt: Konten, die es haben, behalten es, und kein anderes bekommt es.
package-retire = Stilllegen
package-retire-hint = Stillgelegt bleibt es bei den Konten, die es haben, und kein anderes bekommt es.
package-return = Wieder anbieten
package-whmcs = In WHMCS
package-renaming = Produkte in WHMCS nennen ein Paket bei seinem Namen. Umbenannt wird es nicht mehr gefunden, bis die Moduleinstellungen des Produkts den neuen Namen nennen; Konten behalten es. Die Kennung ändert sich nie.
package-accounts = { $number ->
    [0] Kein Konto hat es
    [one] 1 Konto hat es
   *[other] { $number } Konten haben es
}
package-keeps = Konten mit diesem Paket behalten die Grenzen, die sie haben. Ein Konto bekommt die neuen, wenn sein Paket neu gesetzt wird, auch auf dasselbe.
package-other-limits = andere Grenzen
package-plan = Was sich ändern würde
package-plan-nothing = Es würde sich nichts ändern.
package-show-plan = Zeigen, was sich ändern würde
tokens-empty = Es gibt noch keinen Schlüssel
tokens-empty-next = Ein Abrechnungssystem braucht einen, um Konten zu bestellen. Machen Sie einen für WHMCS und tragen Sie ihn dort beim Server ein.
token-new = Neuer Schlüssel
token-make = Anlegen
token-name-hint = Damit Sie ihn wiedererkennen, etwa WHMCS.
token-purpose = Für
token-whmcs = was das WHMCS-Modul braucht, und ein eigenes Präfix
token-by-scope = was unten angekreuzt ist
token-scopes = Rechte
token-last-day = Letzter Tag
token-last-day-hint = Etwa 2026-12-31, bis zu dessen Ende in UTC. Leer: Er läuft nicht ab.
token-addresses = Adressen
token-addresses-hint = Adressen oder Netze, aus denen er kommen darf, je Zeile eine. Leer: alle.
token-anywhere = alle
token-never = nie
token-expires = Läuft ab
token-expired = abgelaufen
token-last-used = Zuletzt benutzt
token-rotated = neuer Text noch nicht benutzt
token-installations = Installationen
token-allowed = erlaubt
token-waiting = wartet
token-allow = Erlauben
token-only = und keine andere mehr
token-rotate = Neuer Text
token-revoke = Widerrufen
token-revoke-what = Was ihn benutzt, wird von da an abgewiesen, und wer durch ihn angemeldet ist, wird abgemeldet.
token-revoke-sure = Jetzt widerrufen
token-once-title = Ein Schlüssel, einmal gezeigt
token-once = Der Schlüssel { $name } ist gemacht. In WHMCS kommen diese Werte unter System Settings → Servers in das Formular des Servers. Ein früherer Text gilt, bis der neue zum ersten Mal benutzt wird.
token-module = Module
token-hostname = Hostname
token-port = Port
token-access-hash = Access Hash
token-text = Der Schlüssel allein, für andere Programme

settings-kept = Beendete Konten
settings-kept-days = Tage, an denen ein beendetes Konto wiederhergestellt werden kann
settings-kept-hint = 0 bis 365; 0 behält nichts. Was vorher beendet wurde, bleibt so lange, wie damals gesagt wurde.
settings-parents = Gemeinsame Oberdomains
settings-parents-label = Domains, unter denen verschiedene Kunden Websites haben dürfen
settings-parents-hint = Je Zeile eine, etwa hoster.example, damit Kunden kunde.hoster.example haben können.
settings-servers = Hostnamen, Adressen und Nameserver gehören zum jeweiligen Server:
server-panel-version = Panel { $version }
server-reachable = antwortet
server-unreachable = antwortet nicht
server-unreachable-do = Der Server hat auf die letzte Frage nicht geantwortet; auf ihm kann nichts begonnen werden. Sehen Sie dort nach:
server-default = Vorgabe
server-configure = Einrichten
server-not-configured = Der Server hat keine Adresse oder weniger als zwei Nameserver. Keine Website darauf würde gefunden; Bestellungen werden abgewiesen.
server-hostname = Hostname
server-nameservers = Nameserver
server-nameservers-hint = Mindestens zwei verschiedene, je Zeile einer.
server-agent = Agent
server-protocol = Protokoll { $number }
server-not-ready = bringt nach dem Start noch alles in Ordnung
server-kept = Nach dem Beenden aufbewahrt
server-drifted = Nicht wie festgehalten
server-certificate = Zertifikat gültig bis
server-certificate-soon = Das Zertifikat des Panels läuft bald ab oder ist abgelaufen. Was zu tun ist, sagt:
server-pin = Pin seines Schlüssels
server-backup-pin = Pin des Ersatzschlüssels
server-other-version = Der Agent des Servers hat eine andere Version als dieses Panel ({ $version }). Schließen Sie die Aktualisierung dort ab:
server-other-protocol = Der Agent des Servers spricht eine andere Version des Protokolls mit dem Panel. Installieren Sie auf beiden die Pakete einer Version.
server-mended = behoben
server-open-operations = Dort laufende Vorgänge
server-parts = Die Teile des Servers
server-part = Teil
server-state = Zustand
server-seen = Was zu sehen war
server-ok = in Ordnung
server-broken = gestört
server-enforcement = Welche Grenzen der Server durchsetzt
server-enforced = durchgesetzt
server-not-enforced = nicht durchgesetzt
server-form-what = Hierauf zeigen die Namen neuer Konten. Konten, die es gibt, behalten, was sie haben.
server-ipv4 = IPv4-Adressen
server-ipv6 = IPv6-Adressen
server-one-a-line = Je Zeile eine.
server-max-accounts = Konten, die er aufnimmt
server-max-accounts-hint = Bestellungen darüber hinaus werden abgewiesen, ehe etwas beginnt. 0 für beliebig viele.

activity-action = Handlung
activity-outcome = Ausgang
activity-account = Konto (Kennung oder external_ref)
activity-actor = Wer
activity-when = Wann
activity-what = Was
activity-request = Anfrage
activity-any = beliebig
activity-all = Alles zeigen
activity-ok = in Ordnung
activity-refused = abgewiesen
activity-failed = misslungen
activity-too-many = Mehr Namen enthalten das, als durchgesehen werden; tippen Sie mehr vom Namen.
activity-empty = Hier ist nichts
activity-empty-narrowed = Nichts passt. Nehmen Sie etwas von dem weg, wonach Sie suchen.
activity-empty-next = Alles, was bestellt, geändert oder abgewiesen wird, steht hier.
activity-pages = Seiten
activity-newest = Neueste
activity-older = Ältere
activity-of-account = alles zu diesem Konto
activity-verify = Auf Veränderungen prüfen
verdict-title = Prüfung des Protokolls
verdict-wrong = Das Protokoll ist nicht, was geschrieben wurde
verdict-whole = Nichts wurde verändert, herausgenommen oder eingefügt
verdict-no-heads = Noch weiß kein Server, wie weit das Protokoll gekommen war; geprüft wurde nur die Kette selbst. Die Server erfahren es nach dem Start des Panels und jede Stunde.
verdict-rows = Geprüfte Zeilen
verdict-heads = Verglichen mit dem, was Server erfuhren
verdict-row = Die Zeile
verdict-not-asked = Server, die nicht gefragt werden konnten
verdict-again = Noch einmal prüfen
story-rows = Die Geschichte dieser Anfrage
story-agent = Die Seite des Servers
story-agent-what = Auf dem Server als root getippt zeigt dies, was Agent und Panel zu derselben Anfrage geschrieben haben:
step = Schritt
step-time = Dauer
step-bar = Anteil am längsten Schritt
step-back = zurück
dashboard-waiting = Braucht zuerst Aufmerksamkeit
dashboard-empty = Es gibt noch kein Konto. Legen Sie ein Paket und einen Schlüssel an, dann bestellen Sie in WHMCS:
dashboard-today = Heute eingerichtet (UTC)
dashboard-done = Erledigt
dashboard-failed = Misslungen, alles rückgängig
dashboard-running = Läuft oder braucht Aufmerksamkeit
dashboard-p50 = Die Hälfte ist fertig in
dashboard-p95 = 95 von 100 sind fertig in
dashboard-chart-creates = Eingerichtet je Stunde, letzte 24 Stunden
dashboard-chart-steps = Mittlere Dauer jedes Schritts
server-load = Last / Prozessoren
server-memory = Belegter Arbeitsspeicher
server-disk = Belegter Speicherplatz
