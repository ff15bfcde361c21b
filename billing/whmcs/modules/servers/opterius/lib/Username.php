<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** A username for an account that has none yet. */
final class Username
{
    private const LONGEST = 16;

    /**
     * One that is free now, as the Panel says: the given one if it can be, else one like it or like the domain.
     * Null if the Panel cannot be asked; nothing is reserved.
     *
     * @param float $timeout seconds
     */
    public static function proposed(Panel $panel, string $wish, string $domain, string $server, float $timeout): ?string
    {
        // A domain that cannot be one is for the order to refuse; the name does not depend on it.
        $query = array_filter(['username' => $wish, 'domain' => $domain, 'server' => $server], 'strlen');
        $suggestion = $panel->get('/api/availability', $query, $timeout)->data()['suggestion'] ?? null;
        return is_string($suggestion) && preg_match('/^[a-z][a-z0-9]{2,31}$/D', $suggestion) === 1 ? $suggestion : null;
    }

    /**
     * The same one every time, made without the Panel. The service's number keeps it apart from those of other
     * services; whether the name is free shows when it is ordered.
     */
    public static function made(string $wish, string $domain, Ref $ref): string
    {
        $label = $wish !== '' ? $wish : explode('.', Domain::ascii($domain))[0];
        $base = (string) preg_replace('/^xn|[^a-z0-9]+/', '', strtolower($label));
        if (preg_match('/^[a-z]/', $base) !== 1) {
            $base = 'u' . $base;
        }
        $number = ($ref->kind === Ref::ADDON ? 'a' : '') . $ref->id;
        return str_pad(substr($base, 0, self::LONGEST - strlen($number)), 2, 'u') . $number;
    }
}
