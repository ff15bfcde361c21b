<?php

/**
 * Opterius provisioning module for WHMCS.
 *
 * WHMCS calls these functions by name; each of them hands over to the class that does the work. A function that is
 * defined makes WHMCS show its button or form, so only what really works is defined here.
 */

declare(strict_types=1);

use WHMCS\Module\Server\Opterius\Module;

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

// WHMCS loads the classes in lib/ by itself; this serves every other program that loads the module.
spl_autoload_register(static function (string $class): void {
    $prefix = 'WHMCS\\Module\\Server\\Opterius\\';
    $file = __DIR__ . '/lib/' . substr($class, strlen($prefix)) . '.php';
    if (str_starts_with($class, $prefix) && is_file($file)) {
        require_once $file;
    }
});

function opterius_MetaData(): array
{
    return Module::metaData();
}

function opterius_ConfigOptions(array $params = []): array
{
    return Module::configOptions();
}

/** @throws Exception whose message WHMCS shows beside the field, as its documentation asks of a loader. */
function opterius_PackageLoader(array $params = []): array
{
    return Module::packages($params);
}

function opterius_TestConnection(array $params): array
{
    return Module::testConnection($params);
}

function opterius_CreateAccount(array $params): string
{
    return Module::createAccount($params);
}
