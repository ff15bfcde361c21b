<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Patience;

final class PatienceTest extends TestCase
{
    public function test_a_change_takes_less_than_25_seconds_at_a_browser_and_longer_in_the_cron(): void
    {
        foreach (['fpm-fcgi', 'apache2handler', 'litespeed', 'cgi-fcgi'] as $web) {
            self::assertLessThan(25.0, Patience::budget($web));
        }
        self::assertGreaterThan(25.0, Patience::budget('cli'));
    }

    public function test_the_time_only_runs_out_and_is_never_less_than_none(): void
    {
        $patience = new Patience(0.0);
        self::assertSame(0.0, $patience->left());
        self::assertFalse($patience->pause());
        self::assertLessThanOrEqual(9.0, (new Patience(9.0))->left());
    }
}
