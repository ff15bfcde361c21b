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

// WHMCS has its database before it has any module, and loads the hooks of a module that a product uses on every page.
Opterius\Whmcs\StandIn\Whmcs::install();
$module = dirname(__DIR__) . '/modules/servers/opterius/';
require_once $module . 'opterius.php';
if (is_file($module . 'hooks.php')) {
    require_once $module . 'hooks.php';
}
