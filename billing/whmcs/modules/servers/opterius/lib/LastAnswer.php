<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * What the Panel last said of an account, in the session of whoever looks at it. So clicking about in the client area
 * asks the Panel once a minute, and a Panel that is down leaves something to show.
 */
final class LastAnswer
{
    /** Seconds for which nobody is asked again. */
    private const FRESH = 60;

    /** Seconds after which an answer says nothing any more. */
    private const KEPT = 3600;

    /** What of an account is shown to its owner, and so may be in their session. */
    private const FIELDS = [
        'status', 'holds', 'domain', 'username', 'ipv4', 'ipv6', 'nameservers', 'php_version', 'php_runs',
        'limits',
    ];

    private const ROOM = 'opterius_last_answers';

    private readonly string $key;

    public function __construct(Params $params, Ref $ref)
    {
        $this->key = $params->number('serverid') . '/' . $ref;
    }

    public function keep(array $account, ?array $usage): void
    {
        $_SESSION[self::ROOM][$this->key] = [
            'at' => time(),
            'account' => array_intersect_key($account, array_flip(self::FIELDS)),
            'usage' => $usage,
        ];
    }

    public function forget(): void
    {
        unset($_SESSION[self::ROOM][$this->key]);
    }

    /** @return array{at: int, account: array, usage: array|null}|null */
    public function get(): ?array
    {
        $kept = $_SESSION[self::ROOM][$this->key] ?? null;
        return is_array($kept) && time() - $kept['at'] < self::KEPT ? $kept : null;
    }

    /** @return array{at: int, account: array, usage: array|null}|null */
    public function fresh(): ?array
    {
        $kept = $this->get();
        return $kept !== null && time() - $kept['at'] < self::FRESH ? $kept : null;
    }
}
