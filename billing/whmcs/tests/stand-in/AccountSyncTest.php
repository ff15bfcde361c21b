<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

/** "Sync Accounts" and the nightly metrics, with the module, because what they keep is what the module names. */
final class AccountSyncTest extends PanelTestCase
{
    public function test_what_is_missing_in_a_whole_list_can_be_marked_as_terminated_in_one_click(): void
    {
        $there = $this->whmcs();
        self::assertSame('success', $there->create());
        $missing = $this->installation->service(['id' => 13, 'domain' => 'example.net', 'domainstatus' => 'Active']);
        $missing->properties->save(['Opterius Account ID' => 'gone']);
        $pending = $this->installation->service(['id' => 14, 'domain' => 'example.org']);
        $sync = $this->installation->syncAccounts();
        self::assertNull($sync->error);
        self::assertSame([[12], [13]], [array_keys($sync->matched), array_column($sync->missing, 'id')]);
        $sync->markMissingAsTerminated();
        self::assertSame(
            ['Active', 'Terminated', 'Pending'],
            [$there->status, $missing->status, $pending->status],
        );
    }

    public function test_a_list_that_breaks_off_marks_nothing(): void
    {
        $this->whmcs()->create();
        $this->panel->script(['on' => 'GET /api/accounts', 'fault' => 'half', 'times' => 0]);
        $sync = $this->installation->syncAccounts();
        self::assertNotNull($sync->error);
        self::assertSame([], $sync->missing);
    }

    public function test_a_snapshot_is_one_value_and_a_month_one_for_each(): void
    {
        $service = $this->whmcs();
        $service->create();
        $gib = 1024 ** 3;
        foreach (['2026-11-29' => 1, '2026-11-30' => 2, '2026-12-01' => 3] as $day => $amount) {
            $this->panel->set(['usage' => ['examplec' => [
                'disk_bytes' => $amount * $gib, 'traffic_bytes' => $amount * $gib,
            ]]]);
            $this->installation->cron()->collectMetrics("$day 03:00:00");
        }
        $known = Cron::metricsOf($service);
        $months = array_values(array_filter($known, is_array(...)));
        self::assertSame([['2026-11', '2026-12']], array_map(array_keys(...), $months));
        self::assertSame([2.0, 3.0], array_map(floatval(...), array_values($months[0])));
        self::assertSame(3.0, (float) $known['disk']);
    }
}
