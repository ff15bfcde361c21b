<?php

/** WHMCS loads this file on every page: each hook hands over to the class that does the work, and to nothing else. */

declare(strict_types=1);

use WHMCS\Module\Server\Opterius\CartCheck;
use WHMCS\Module\Server\Opterius\ContactEmail;
use WHMCS\Module\Server\Opterius\UsernameGeneration;

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

require_once __DIR__ . '/autoload.php';

add_hook('OverrideModuleUsernameGeneration', 1, static fn (array $vars): ?string => UsernameGeneration::answer($vars));
add_hook('ShoppingCartValidateCheckout', 1, static fn (array $vars): array => CartCheck::answer());
add_hook('ClientEdit', 1, static fn (array $vars) => ContactEmail::changed($vars));
