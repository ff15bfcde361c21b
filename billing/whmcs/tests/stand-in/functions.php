<?php

/** The globals that WHMCS gives a module, and a watch on how the module uses curl. */

declare(strict_types=1);

namespace {
    use Opterius\Whmcs\StandIn\Whmcs;

    define('WHMCS', true);

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
}

namespace WHMCS\Module\Server\Opterius {
    use Opterius\Whmcs\StandIn\CurlWatch;

    /** Stands before PHP's own function for the code in this namespace. */
    function curl_setopt(\CurlHandle $handle, int $option, mixed $value): bool
    {
        return CurlWatch::setopt($handle, $option, $value);
    }
}
