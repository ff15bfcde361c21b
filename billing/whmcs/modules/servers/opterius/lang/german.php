<?php

declare(strict_types=1);

return [
    'title' => 'Ihr Hosting',
    'sign_in' => 'Am Control-Panel anmelden',
    'open.usage' => 'Nutzung im Einzelnen',
    'open.addresses' => 'Adressen und Nameserver',
    'open.operations' => 'Letzte Änderungen',

    'status' => 'Status',
    'status.active' => 'Aktiv',
    'status.suspended' => 'Gesperrt',
    'status.provisioning' => 'Wird eingerichtet',
    'status.needs_attention' => 'Unser Team kümmert sich darum',
    'reason' => 'Grund',
    'hold.billing' => 'Abrechnung',
    'hold.abuse' => 'Von unserem Team gesperrt',

    'disk' => 'Speicherplatz',
    'traffic' => 'Datenverkehr in diesem Monat',
    'at_least' => 'mindestens {size}',
    'used_of' => '{used} von {limit}',
    'used_unlimited' => '{used}, unbegrenzt',
    'not_measured' => 'noch nicht gemessen',
    'measured' => 'Gemessen am {when}',

    'domain' => 'Domain',
    'username' => 'Benutzername',
    'addresses' => 'IP-Adressen',
    'nameservers' => 'Nameserver',
    'php_version' => 'PHP-Version',
    'php_newest' => 'die neueste',

    'note.former' => 'Der Server antwortet gerade nicht. Dies ist der Stand vom {when}.',
    'note.nothing' => 'Der Server antwortet gerade nicht. Ihre Website ist von dieser Meldung nicht betroffen; bitte '
        . 'sehen Sie in ein paar Minuten noch einmal nach.',
    'note.none' => 'Ihr Hosting ist noch nicht eingerichtet.',
    'note.gone' => 'Dieses Hosting-Konto wurde am {when} entfernt.',

    'error.sign_in' => 'Die Anmeldung ist gerade nicht möglich. Bitte versuchen Sie es in ein paar Minuten noch '
        . 'einmal; wenn es dann noch nicht geht, melden Sie sich bei uns.',
    'error.none' => 'Ihr Hosting ist noch nicht eingerichtet; eine Anmeldung ist deshalb noch nicht möglich.',
    'error.gone' => 'Dieses Hosting-Konto wurde entfernt; eine Anmeldung ist nicht mehr möglich.',
    'error.measure' => 'Die Nutzung konnte gerade nicht gemessen werden. Bitte versuchen Sie es in ein paar Minuten '
        . 'noch einmal.',

    'format.point' => ',',
    'format.date' => '{day}. {month} {year}',
    'format.time' => '{day}. {month} {year}, {time} Uhr',
    'month.1' => 'Januar',
    'month.2' => 'Februar',
    'month.3' => 'März',
    'month.4' => 'April',
    'month.5' => 'Mai',
    'month.6' => 'Juni',
    'month.7' => 'Juli',
    'month.8' => 'August',
    'month.9' => 'September',
    'month.10' => 'Oktober',
    'month.11' => 'November',
    'month.12' => 'Dezember',
];
