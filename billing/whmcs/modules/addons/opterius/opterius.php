<?php

/**
 * The report: where WHMCS and the Opterius Panel do not agree about what has been sold.
 *
 * The functions of this file and of the provisioning module share their prefix, so this one takes the other's classes
 * and never its functions: WHMCS would find them here and take them for an add-on module's.
 */

declare(strict_types=1);

use WHMCS\Module\Addon\Opterius\Download;
use WHMCS\Module\Addon\Opterius\Page;
use WHMCS\Module\Server\Opterius\Module;

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

require_once __DIR__ . '/autoload.php';

function opterius_config(): array
{
    return [
        'name' => 'Opterius Report',
        'description' => 'Shows where WHMCS and the Opterius Panel do not agree: paid but missing, present but '
            . 'cancelled, wrong package, wrong state. Each with the button that mends it.',
        'version' => Module::VERSION,
        'author' => 'Opterius',
        'language' => 'english',
        'fields' => [],
    ];
}

/** Prints, as WHMCS asks of it. */
function opterius_output(array $vars): void
{
    if (($_GET['action'] ?? '') === 'export') {
        Download::send();
    }
    echo (new Page((string) ($vars['modulelink'] ?? 'addonmodules.php?module=opterius')))->html($_POST);
}
