<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

/** Sees every option that the module sets, and can play a libcurl that knows no pinning. */
final class CurlWatch
{
    public static bool $refusePins = false;

    /** @var list<string> */
    public static array $violations = [];

    /** @var \WeakMap<\CurlHandle, true>|null handles that have their pins */
    private static ?\WeakMap $pinned = null;

    public static function setopt(\CurlHandle $handle, int $option, mixed $value): bool
    {
        self::$pinned ??= new \WeakMap();
        if ($option === CURLOPT_PINNEDPUBLICKEY) {
            if (self::$refusePins) {
                return false;
            }
            self::$pinned[$handle] = true;
        }
        $off = ($option === CURLOPT_SSL_VERIFYPEER || $option === CURLOPT_SSL_VERIFYHOST) && !$value;
        if ($off && !isset(self::$pinned[$handle])) {
            self::$violations[] = 'TLS verification was switched off on a connection without pins.';
        }
        return \curl_setopt($handle, $option, $value);
    }
}
