<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Amounts of data, for people. */
final class Size
{
    public const MIB = 1_048_576;
    public const GIB = 1_073_741_824;

    /** In the largest unit that leaves at least one whole, with at most one digit behind the point. */
    public static function bytes(int $bytes, string $point = '.'): string
    {
        $unit = 'B';
        $amount = (float) $bytes;
        foreach (['KiB', 'MiB', 'GiB', 'TiB'] as $next) {
            // 1023.95 would be written as 1024.0 of the smaller unit.
            if ($amount < 1023.95) {
                break;
            }
            $amount /= 1024;
            $unit = $next;
        }
        $number = number_format($amount, $unit === 'B' ? 0 : 1, '.', '');
        $number = str_ends_with($number, '.0') ? substr($number, 0, -2) : $number;
        return str_replace('.', $point, $number) . ' ' . $unit;
    }

    /** @param int $mib MiB */
    public static function mib(int $mib, string $point = '.'): string
    {
        return self::bytes($mib * self::MIB, $point);
    }
}
