<?php

/** The globals that WHMCS gives a module, and a watch on how the module uses curl. */

declare(strict_types=1);

namespace {
    use Opterius\Whmcs\StandIn\Hooks;
    use Opterius\Whmcs\StandIn\LocalApi;
    use Opterius\Whmcs\StandIn\Whmcs;
    use WHMCS\Database\Capsule;

    define('WHMCS', true);
    defined('ROOTDIR') || define('ROOTDIR', '/srv/whmcs');

    function logModuleCall(
        string $module,
        string $action,
        mixed $request,
        mixed $response,
        mixed $processed = '',
        array $replace = [],
    ): void {
        Whmcs::log()->record($module, $action, $request, $response, $processed, $replace);
    }

    function logActivity(string $description, int $client = 0): void
    {
        Whmcs::log()->lookForSecrets($description, 'the activity log');
        Capsule::table('tblactivitylog')->insert(
            ['date' => gmdate('Y-m-d H:i:s'), 'description' => $description, 'userid' => $client]
        );
    }

    function add_hook(string $point, int $priority, callable $hook): void
    {
        Hooks::add($point, $priority, $hook);
    }

    function run_hook(string $point, array $vars): array
    {
        return Hooks::run($point, $vars);
    }

    function localAPI(string $command, array $values = [], string $admin = ''): array
    {
        return (new LocalApi(Whmcs::current()))->call($command, $values);
    }

    /** As far as a module can see: another text, which only decrypt() reads. */
    function encrypt(string $text): string
    {
        return $text === '' ? '' : 'encrypted:' . base64_encode(strrev($text));
    }

    function decrypt(string $text): string
    {
        return str_starts_with($text, 'encrypted:') ? strrev((string) base64_decode(substr($text, 10), true)) : '';
    }
}

namespace WHMCS\Module\Server\Opterius {
    use Opterius\Whmcs\StandIn\CurlWatch;

    /** Stands before PHP's own function for the code in this namespace. */
    function curl_setopt(\CurlHandle $handle, int $option, mixed $value): bool
    {
        return CurlWatch::setopt($handle, $option, $value);
    }
}
