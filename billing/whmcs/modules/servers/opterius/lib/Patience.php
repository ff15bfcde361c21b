<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** How long one action may take, all requests and pauses together. Times are in seconds. */
final class Patience
{
    /** A request that gets less than this is not worth sending. */
    private const SHORTEST_REQUEST = 0.25;

    private const LONGEST_PAUSE = 2.0;

    /** For a change while somebody waits at a browser: web servers in front of WHMCS often give up at 30. */
    private const WEB_BUDGET = 24.0;

    /** For a change in the cron, where nobody waits but the services behind this one. */
    private const CRON_BUDGET = 60.0;

    /** Whether somebody sits at a browser until the action is done. */
    public readonly bool $somebodyWaits;

    private readonly float $end;
    private float $pause = 0.2;

    public function __construct(float $budget, string $sapi = PHP_SAPI)
    {
        $this->somebodyWaits = !self::isCron($sapi);
        $this->end = self::now() + $budget;
    }

    /** For one change. */
    public static function budget(string $sapi = PHP_SAPI): float
    {
        return self::isCron($sapi) ? self::CRON_BUDGET : self::WEB_BUDGET;
    }

    /** WHMCS runs its cron, and nothing else, from the command line. */
    private static function isCron(string $sapi): bool
    {
        return $sapi === 'cli';
    }

    public function left(): float
    {
        return max(0.0, $this->end - self::now());
    }

    /** Waits before the next question, longer each time; false, at once, if no time would be left to ask it. */
    public function pause(): bool
    {
        // Jittered, so that many orders that failed together do not come back together.
        $pause = $this->pause * random_int(500, 1500) / 1000;
        if ($this->left() < $pause + self::SHORTEST_REQUEST) {
            return false;
        }
        usleep((int) ($pause * 1e6));
        $this->pause = min(self::LONGEST_PAUSE, 2 * $this->pause);
        return true;
    }

    private static function now(): float
    {
        return hrtime(true) / 1e9;
    }
}
