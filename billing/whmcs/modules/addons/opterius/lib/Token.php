<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

/** Proof that a form was sent from this page, by the member of staff whom the page was made for. */
final class Token
{
    public const FIELD = 'opterius_token';

    private const KEY = 'opterius_report_token';

    public static function forThisSession(): string
    {
        if (!is_string($_SESSION[self::KEY] ?? null)) {
            $_SESSION[self::KEY] = bin2hex(random_bytes(32));
        }
        return $_SESSION[self::KEY];
    }

    /** @param array<mixed> $sent the fields of a form */
    public static function isIn(array $sent): bool
    {
        $known = $_SESSION[self::KEY] ?? null;
        $given = $sent[self::FIELD] ?? null;
        return is_string($known) && is_string($given) && hash_equals($known, $given);
    }
}
