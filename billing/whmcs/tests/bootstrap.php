<?php

declare(strict_types=1);

// Debian's packages php-illuminate-database and smarty4 are in PHP's include path.
require_once 'Illuminate/Database/autoload.php';
class_alias(Illuminate\Database\Capsule\Manager::class, 'WHMCS\Database\Capsule');

require_once __DIR__ . '/stand-in/functions.php';
require_once __DIR__ . '/stand-in/classes.php';
spl_autoload_register(static function (string $class): void {
    $prefix = 'Opterius\\Whmcs\\StandIn\\';
    if (str_starts_with($class, $prefix)) {
        require_once __DIR__ . '/stand-in/' . substr($class, strlen($prefix)) . '.php';
    }
});

// WHMCS has its database before it has any module, and loads the hooks of what is in use on every page.
Opterius\Whmcs\StandIn\Whmcs::install();
$modules = dirname(__DIR__) . '/modules/';
require_once $modules . 'servers/opterius/opterius.php';
require_once $modules . 'servers/opterius/hooks.php';
require_once $modules . 'addons/opterius/hooks.php';
Opterius\Whmcs\StandIn\Hooks::keep();
