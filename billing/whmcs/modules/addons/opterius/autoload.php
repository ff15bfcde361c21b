<?php

/** Loads the report's classes, and those of the provisioning module that it is made of. */

declare(strict_types=1);

require_once dirname(__DIR__, 2) . '/servers/opterius/autoload.php';

spl_autoload_register(static function (string $class): void {
    $prefix = 'WHMCS\\Module\\Addon\\Opterius\\';
    $file = __DIR__ . '/lib/' . substr($class, strlen($prefix)) . '.php';
    if (str_starts_with($class, $prefix) && is_file($file)) {
        require_once $file;
    }
});
