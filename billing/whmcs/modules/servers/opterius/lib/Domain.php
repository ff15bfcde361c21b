<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Domain names as they are sold, and as machines know them. */
final class Domain
{
    /** As it was sold: without what a form or a person puts around it. */
    public static function clean(string $text): string
    {
        return rtrim(trim(Entities::decode($text)), '.');
    }

    /**
     * As the Panel keeps it, lower-case and as an A-label. Without PHP's intl extension, and where the name cannot be
     * one, it stays as it is: the Panel takes both forms, and says what is wrong with a name.
     */
    public static function ascii(string $domain): string
    {
        $flags = defined('IDNA_NONTRANSITIONAL_TO_ASCII') ? IDNA_NONTRANSITIONAL_TO_ASCII : 0;
        $ascii = function_exists('idn_to_ascii') && $domain !== '' ? idn_to_ascii($domain, $flags) : false;
        return strtolower($ascii === false ? $domain : $ascii);
    }
}
