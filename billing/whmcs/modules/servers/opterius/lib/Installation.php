<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

use WHMCS\Database\Capsule;

/**
 * Which WHMCS this is: its address and where it lies. A copy of the database brings the Access Hash along, and so the
 * power to suspend live customers; the Panel tells the copy from the original by these two.
 */
final class Installation
{
    /**
     * As the header of every request has it (application/x-www-form-urlencoded).
     *
     * @throws Refusal if there is no address to tell: without one, a copy would pass for the original
     */
    public static function address(): string
    {
        $url = self::url();
        if (preg_match('#^https?://[^/\s]+(/\S*)?$#Di', $url) !== 1) {
            throw new Refusal(
                "The System URL of this WHMCS reads `$url`, which is no address on the web. Correct it under Setup > "
                . 'General Settings > WHMCS System URL; the Panel tells a copy of this WHMCS by it.'
            );
        }
        return http_build_query(['url' => $url, 'directory' => self::directory()]);
    }

    /** The System URL of WHMCS; empty if it cannot be read. */
    public static function url(): string
    {
        try {
            $url = Capsule::table('tblconfiguration')->where('setting', 'SystemURL')->value('value');
        } catch (\Throwable) {
            $url = $GLOBALS['CONFIG']['SystemURL'] ?? '';
        }
        return is_string($url) ? rtrim(trim($url), '/') : '';
    }

    public static function directory(): string
    {
        $root = defined('ROOTDIR') ? constant('ROOTDIR') : dirname(__DIR__, 4);
        return rtrim(is_string($root) ? $root : '', '/');
    }
}
