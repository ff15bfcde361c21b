<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

use WHMCS\Module\Server\Opterius\Record;

/** What WHMCS has sold, as `opterius whmcs report` on the server reads it (RFC 4180). */
final class Export
{
    private const HEADER = ['kind', 'id', 'client', 'status', 'domain', 'username', 'package', 'next_due_on'];

    /** @param list<Record> $records */
    public static function csv(array $records): string
    {
        $lines = [implode(',', self::HEADER)];
        foreach ($records as $record) {
            $lines[] = implode(',', array_map(self::field(...), [
                $record->ref->kind,
                (string) $record->ref->id,
                (string) $record->client,
                $record->status,
                $record->domain,
                $record->username,
                $record->package,
                $record->nextDueOn,
            ]));
        }
        return implode("\r\n", $lines) . "\r\n";
    }

    /**
     * Clients choose some of these values, and a spreadsheet takes what begins like a formula for one. None that is
     * valid begins so.
     */
    private static function field(string $value): string
    {
        $value = str_replace(["\r\n", "\r", "\n", "\t", "\0"], ' ', $value);
        if (preg_match('/^\s*[=+\-@|%]/', $value) === 1) {
            $value = "'" . $value;
        }
        return strpbrk($value, "\",;' ") === false ? $value : '"' . str_replace('"', '""', $value) . '"';
    }
}
