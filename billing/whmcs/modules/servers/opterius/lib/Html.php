<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Text that becomes part of a page of WHMCS's admin area. */
final class Html
{
    public static function text(mixed $value): string
    {
        return htmlspecialchars(
            is_scalar($value) ? (string) $value : '',
            ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5,
            'UTF-8',
        );
    }

    /** @param string $url one that this module has put together */
    public static function link(string $url, string $label): string
    {
        return '<a href="' . self::text($url) . '" target="_blank" rel="noopener noreferrer">' . self::text($label)
            . '</a>';
    }

    /** @param iterable<string> $lines */
    public static function lines(iterable $lines): string
    {
        $html = [];
        foreach ($lines as $line) {
            $html[] = self::text($line);
        }
        return implode('<br>', $html);
    }
}
