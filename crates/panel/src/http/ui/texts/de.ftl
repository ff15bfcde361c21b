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
