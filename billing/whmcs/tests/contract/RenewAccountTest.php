<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;
use Opterius\Whmcs\StandIn\Whmcs;
use WHMCS\Module\Server\Opterius\Module;

final class RenewAccountTest extends PanelTestCase
{
    private function active(): Service
    {
        $service = $this->whmcs();
        self::assertSame('success', $service->create());
        return $service;
    }

    public function test_the_panel_hears_until_when_it_is_paid(): void
    {
        $service = $this->active();
        self::assertSame('success', $service->renew('2031-02-28'));
        self::assertSame('2031-02-28', $this->panel->account('s12')['next_due_on']);
        [$request] = $this->panel->requests('PATCH');
        self::assertSame(['client_ref' => 'c3', 'next_due_on' => '2031-02-28'], $request['body']);
        self::assertSame(['create'], array_column($this->panel->state()['operations'], 'kind'));
    }

    public function test_an_addon_has_a_date_of_its_own(): void
    {
        $service = $this->active();
        $addon = $this->installation->addon($service, ['id' => 7]);
        $addon->properties->save(['Domain' => 'second.example']);
        $addon->create();
        self::assertSame('success', $addon->renew('2030-01-31'));
        self::assertSame('2030-01-31', $this->panel->account('a7')['next_due_on']);
        self::assertSame($service->row()['nextduedate'], $this->panel->account('s12')['next_due_on']);
    }

    public function test_a_paid_renewal_is_no_failure_because_the_panel_cannot_be_told(): void
    {
        $service = $this->active();
        $brief = static fn (array $params): string => Module::renew($params, 1.5);
        $faults = [
            ['fault' => 'drop_before'],
            ['fault' => 'html', 'status' => 502],
            ['fault' => 'reply', 'status' => 503, 'body' => ['code' => 'server_unreachable', 'detail' => 'Down.']],
            ['fault' => 'reply', 'status' => 403, 'body' => ['code' => 'other_caller', 'detail' => 'A copy.']],
        ];
        foreach ($faults as $fault) {
            $this->panel->script(['on' => 'PATCH *', 'times' => 0] + $fault);
            self::assertSame('success', $service->renew('2031-02-28', $brief));
        }
        self::assertSame([], $service->moduleQueue);
        self::assertStringContainsString('The Panel was not told of the renewal.', Whmcs::log()->text());
        // The next renewal tells it.
        $this->panel->script();
        $service->renew('2032-02-28');
        self::assertSame('2032-02-28', $this->panel->account('s12')['next_due_on']);
    }

    public function test_a_renewal_of_an_account_that_is_not_there_is_a_failure(): void
    {
        $service = $this->active();
        $service->terminate();
        $sentence = $service->renew('2031-02-28');
        self::assertSentence('This service was renewed, but has no account. The account `examplec`', $sentence);
        self::assertSame([$sentence], $service->moduleQueue);
        self::assertSentence(
            'This service was renewed, but has no account. The Panel has never had',
            $this->whmcs(['serviceid' => 99])->renew(),
        );
    }
}
