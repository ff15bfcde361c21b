<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * Limits as people write them, in a product's Module Settings and in configurable options: `20 GB`, `50`, `unlimited`.
 * Names and units are read so that nothing can be taken for something else; what is not clear is refused.
 */
final class Limits
{
    /** The Panel's limits: how we call them, and the unit that the Panel counts them in, as a number of MiB. */
    private const LIMITS = [
        'disk_mib' => ['Disk Space', 1],
        'files' => ['Files', null],
        'bandwidth_gib' => ['Traffic', 1024],
        'php_workers' => ['PHP Workers', null],
        'php_memory_mib' => ['PHP Memory', 1],
        'cpu_percent' => ['CPU', null],
        'memory_mib' => ['Memory', 1],
        'processes' => ['Processes', null],
        'sub_sites' => ['Sub Sites', null],
        'databases' => ['Databases', null],
        'mailboxes' => ['Mailboxes', null],
    ];

    /** What else hosts call them; letters and digits only, without a unit. */
    private const ALSO = [
        'disk' => 'disk_mib',
        'inodes' => 'files',
        'bandwidth' => 'bandwidth_gib',
        'ram' => 'memory_mib',
        'emailaccounts' => 'mailboxes',
    ];

    private const UNITS = [
        'mb' => 1, 'mib' => 1, 'gb' => 1024, 'gib' => 1024, 'tb' => 1_048_576, 'tib' => 1_048_576,
    ];

    private const UNLIMITED = 0;

    /** @return array<string, string> the Panel's names of limits, to what we call them */
    public static function labels(): array
    {
        return array_map(static fn (array $limit): string => $limit[0], self::LIMITS);
    }

    /**
     * @param array<string, string> $settings the product's own, by the Panel's name of the limit
     * @param array<string, string> $chosen the client's, by the name of the configurable option
     *
     * @return array{array<string, int|null>, list<string>} the limits, where null leaves one to the package, and the
     *     names of the configurable options that are none
     *
     * @throws Refusal naming the setting or option that is not clear
     */
    public static function read(array $settings, array $chosen): array
    {
        $limits = [];
        foreach ($settings as $name => $text) {
            if (trim($text) !== '') {
                $limits[$name] = self::value($name, '', $text)
                    ?? throw self::unclear('setting ' . self::LIMITS[$name][0] . ' of this product', $text, $name);
            }
        }
        $others = [];
        $from = [];
        foreach ($chosen as $option => $text) {
            [$name, $unit] = self::named((string) $option);
            if ($name === null) {
                $others[] = (string) $option;
                continue;
            }
            if (isset($from[$name])) {
                throw new Refusal(
                    "The configurable options {$from[$name]} and $option set the same limit. Remove one of them from "
                    . 'the product.'
                );
            }
            $from[$name] = $option;
            // With nothing chosen, the product's own setting counts, or else the package.
            if (!self::isNothing($text)) {
                $limits[$name] = self::value($name, $unit, $text)
                    ?? throw self::unclear("configurable option $option", $text, $name);
            } elseif (!isset($limits[$name])) {
                $limits[$name] = null;
            }
        }
        return [$limits, $others];
    }

    /** The limit that a configurable option of this name sets; null if it sets none. */
    public static function limitNamed(string $option): ?string
    {
        return self::named($option)[0];
    }

    /** @return array{string|null, string} the Panel's name for a configurable option, and the unit in its own name */
    private static function named(string $option): array
    {
        // Of `disk_mib|Disk Space` WHMCS shows clients the second half.
        $name = preg_replace('/[^a-z0-9]+/', '', strtolower(explode('|', Entities::decode($option))[0]));
        foreach (self::LIMITS as $limit => [$label]) {
            if ($name === str_replace('_', '', $limit)) {
                return [$limit, preg_match('/_(mib|gib)$/D', $limit, $match) === 1 ? $match[1] : ''];
            }
            $names = [strtolower(str_replace(' ', '', $label)), ...array_keys(self::ALSO, $limit, true)];
            foreach ($names as $one) {
                $unit = str_starts_with($name, $one) ? substr($name, strlen($one)) : null;
                if ($unit === '' || (isset(self::UNITS[$unit]) && self::LIMITS[$limit][1] !== null)) {
                    return [$limit, $unit];
                }
            }
        }
        return [null, ''];
    }

    /** Nothing was bought of it: no choice, or none of something that is sold by the piece. Never "unlimited". */
    private static function isNothing(string $text): bool
    {
        return in_array(strtolower(self::choice($text)), ['', '0', 'default'], true);
    }

    private static function value(string $name, string $unit, string $text): ?int
    {
        $text = strtolower(self::choice($text));
        if ($text === 'unlimited') {
            return self::UNLIMITED;
        }
        $counted = self::LIMITS[$name][1];
        if ($counted === null) {
            // `5`, and also `5 Databases` or `200 %`, as choices are often worded.
            $word = $name === 'cpu_percent' ? '\s*%' : '\s+\p{L}[\p{L} ]{2,}';
            return preg_match("/^([1-9]\\d{0,8})($word)?$/Du", $text, $match) === 1 ? (int) $match[1] : null;
        }
        if (preg_match('/^(\d{1,9}(?:[.,]\d{1,3})?)\s*([a-z]*)$/D', $text, $match) !== 1) {
            return null;
        }
        $mib = self::UNITS[$match[2] !== '' ? $match[2] : $unit] ?? null;
        if ($mib === null) {
            return null;
        }
        $number = (float) strtr($match[1], ',', '.') * $mib / $counted;
        return $number >= 1 && $number === floor($number) && $number <= 1e9 ? (int) $number : null;
    }

    /** Of `50|50 GB` WHMCS shows clients the second half. */
    private static function choice(string $text): string
    {
        return trim(explode('|', Entities::decode($text))[0]);
    }

    private static function unclear(string $where, string $text, string $name): Refusal
    {
        $like = match (true) {
            self::LIMITS[$name][1] === null => 'a whole number such as 20',
            $name === 'bandwidth_gib' => 'whole GB such as 100 GB',
            default => 'a size with its unit such as 20 GB or 512 MB',
        };
        return new Refusal(
            "The $where reads `$text`, which is not a limit. Write $like, or unlimited, or leave it empty for what the "
            . 'package says.'
        );
    }
}
