<?php

/**
 * Loads a module as it was unpacked, in a WHMCS that has nothing but the constant and the functions that were always
 * there: no newer classes, no database. Every function must survive an empty call, print nothing, and say what it
 * returns.
 *
 *   php smoke.php WHMCS-ROOT
 */

declare(strict_types=1);

error_reporting(-1);
set_error_handler(static function (int $level, string $text, string $file, int $line): never {
    throw new ErrorException($text, 0, $level, $file, $line);
});

$root = rtrim($argv[1] ?? '', '/');
if (!is_dir($root . '/modules/servers/opterius')) {
    fwrite(STDERR, "smoke.php: there is no modules/servers/opterius in `$root`\n");
    exit(2);
}

define('WHMCS', true);
define('ROOTDIR', $root);
$hooks = [];

function add_hook(string $point, int $priority, callable $hook): void
{
    global $hooks;
    $hooks[] = $point;
}

function logModuleCall(mixed ...$entry): void
{
}

function logActivity(string $text): void
{
}

function decrypt(string $text): string
{
    return $text;
}

require $root . '/modules/servers/opterius/opterius.php';
require $root . '/modules/servers/opterius/hooks.php';
require $root . '/modules/addons/opterius/hooks.php';

$called = [];
ob_start();
foreach (get_defined_functions()['user'] as $function) {
    if (!str_starts_with($function, 'opterius_')) {
        continue;
    }
    $result = $function([]);
    $type = (string) (new ReflectionFunction($function))->getReturnType();
    $good = match ($type) {
        'string' => is_string($result) && $result !== '' && $result !== 'success',
        'array' => is_array($result),
        'void' => $result === null,
        default => false,
    };
    if (!$good && $function !== 'opterius_loginlink') {
        throw new UnexpectedValueException("$function returned " . json_encode($result) . " as its $type");
    }
    $called[] = $function;
}
$printed = ob_get_clean();
if ($printed !== '') {
    throw new UnexpectedValueException("Something was printed: $printed");
}
foreach (['createaccount', 'terminateaccount', 'usageupdate', 'clientarea', 'listaccounts'] as $needed) {
    if (!in_array("opterius_$needed", $called, true)) {
        throw new UnexpectedValueException("opterius_$needed is not defined");
    }
}
// The add-on module has a namespace and an entry point of its own; its functions share the prefix.
require $root . '/modules/addons/opterius/opterius.php';
if (opterius_config()['version'] !== WHMCS\Module\Server\Opterius\Module::VERSION) {
    throw new UnexpectedValueException('The add-on module says another version than the module.');
}
printf("%d functions and %d hooks of version %s\n", count($called), count($hooks), opterius_config()['version']);
