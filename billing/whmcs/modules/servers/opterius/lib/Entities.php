<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * Some versions of WHMCS hand values over as they stand in HTML, so that a password `a&b` arrives as `a&amp;b`. A value
 * is taken for encoded only if encoding its decoded form gives it back exactly: `R&D`, `a<b` and `x&lt;"` are not,
 * since an encoder would have left no bare `&`, `<` or `"` in them. The one thing this cannot tell apart is a value
 * that really reads `a&amp;b`.
 */
final class Entities
{
    public static function decode(#[\SensitiveParameter] string $value): string
    {
        foreach ([ENT_QUOTES | ENT_HTML401, ENT_QUOTES | ENT_HTML5, ENT_COMPAT | ENT_HTML401] as $flags) {
            $plain = htmlspecialchars_decode($value, $flags);
            if ($plain !== $value && htmlspecialchars($plain, $flags, 'UTF-8') === $value) {
                return $plain;
            }
        }
        return $value;
    }
}
