<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

use WHMCS\Module\Server\Opterius\Records;

/** The export as a file. It takes the place of the page. */
final class Download
{
    /** @return array<string, string> */
    public static function headers(): array
    {
        return [
            'Content-Type' => 'text/csv; charset=utf-8',
            'Content-Disposition' => 'attachment; filename="opterius-whmcs-' . date('Y-m-d') . '.csv"',
            'Cache-Control' => 'no-store',
            'X-Content-Type-Options' => 'nosniff',
        ];
    }

    public static function send(): never
    {
        // Made before anything of the page is thrown away: should it fail, WHMCS still has its page to say so on.
        $csv = Export::csv(Records::all());
        while (ob_get_level() > 0 && ob_end_clean()) {
            continue;
        }
        foreach (self::headers() as $name => $value) {
            header("$name: $value");
        }
        echo $csv;
        exit;
    }
}
