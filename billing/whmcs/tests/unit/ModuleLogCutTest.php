<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use Opterius\Whmcs\StandIn\Whmcs;
use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\ModuleLog;
use WHMCS\Module\Server\Opterius\Secrets;

final class ModuleLogCutTest extends TestCase
{
    public function test_an_entry_fits_into_the_columns_that_whmcs_keeps_it_in(): void
    {
        Whmcs::install();
        (new ModuleLog('ListAccounts', new Secrets()))->exchange('GET', str_repeat('ü', 100_000), 'status=200');
        $entry = Whmcs::log()->entries[0];
        self::assertLessThan(65_535, strlen($entry['response']));
        self::assertTrue(mb_check_encoding($entry['response'], 'UTF-8'));
        self::assertStringEndsWith("\n[about 170000 bytes more]", $entry['response']);
        self::assertSame('status=200', $entry['processed']);
    }

    public function test_a_secret_at_the_cut_is_not_cut_in_two(): void
    {
        $secret = 'Kx7dQ2mVw9Kx7dQ2mVw9';
        for ($before = 29_975; $before <= 30_005; $before++) {
            Whmcs::install();
            (new ModuleLog('ListAccounts', new Secrets($secret)))
                ->exchange('', str_repeat('x', $before) . $secret . str_repeat('y', 100), '');
            self::assertStringNotContainsString('Kx7d', Whmcs::log()->entries[0]['response']);
        }
    }
}
