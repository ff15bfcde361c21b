<?php

/** WHMCS loads the classes in lib/ by itself; this serves every other program that loads the module, and its hooks. */

declare(strict_types=1);

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

spl_autoload_register(static function (string $class): void {
    $prefix = 'WHMCS\\Module\\Server\\Opterius\\';
    $file = __DIR__ . '/lib/' . substr($class, strlen($prefix)) . '.php';
    if (str_starts_with($class, $prefix) && is_file($file)) {
        require_once $file;
    }
});
