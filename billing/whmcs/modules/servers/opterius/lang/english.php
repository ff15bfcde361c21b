<?php

/**
 * The words that clients read. To translate them, copy this file under the name that WHMCS gives the language, such as
 * french.php, and translate what stands right of each arrow. Leave the parts in braces as they are: they are replaced.
 */

declare(strict_types=1);

return [
    'title' => 'Your hosting',
    'sign_in' => 'Sign in to the control panel',
    'open.usage' => 'Usage in detail',
    'open.addresses' => 'Addresses and nameservers',
    'open.operations' => 'Recent changes',

    'status' => 'Status',
    'status.active' => 'Active',
    'status.suspended' => 'Suspended',
    'status.provisioning' => 'Being set up',
    'status.needs_attention' => 'Being looked after by our staff',
    'reason' => 'Reason',
    'hold.billing' => 'Billing',
    'hold.abuse' => 'Suspended by our staff',

    'disk' => 'Disk space',
    'traffic' => 'Traffic this month',
    'at_least' => 'at least {size}',
    'used_of' => '{used} of {limit}',
    'used_unlimited' => '{used}, unlimited',
    'not_measured' => 'not measured yet',
    'measured' => 'Measured {when}',

    'domain' => 'Domain',
    'username' => 'Username',
    'addresses' => 'IP addresses',
    'nameservers' => 'Nameservers',
    'php_version' => 'PHP version',
    'php_newest' => 'the newest',

    'note.former' => 'The server does not answer just now. This is how things stood {when}.',
    'note.nothing' => 'The server does not answer just now. Your website is not affected by this message; please look '
        . 'again in a few minutes.',
    'note.none' => 'Your hosting has not been set up yet.',
    'note.gone' => 'This hosting account was removed on {when}.',

    'error.sign_in' => 'Signing in does not work just now. Please try again in a few minutes; if it still does not '
        . 'work then, contact us.',
    'error.none' => 'Your hosting has not been set up yet, so there is nothing to sign in to.',
    'error.gone' => 'This hosting account was removed, so there is nothing to sign in to.',
    'error.measure' => 'The use could not be measured just now. Please try again in a few minutes.',

    // How numbers and dates are written.
    'format.point' => '.',
    'format.date' => '{day} {month} {year}',
    'format.time' => '{day} {month} {year}, {time}',
    'month.1' => 'January',
    'month.2' => 'February',
    'month.3' => 'March',
    'month.4' => 'April',
    'month.5' => 'May',
    'month.6' => 'June',
    'month.7' => 'July',
    'month.8' => 'August',
    'month.9' => 'September',
    'month.10' => 'October',
    'month.11' => 'November',
    'month.12' => 'December',
];
