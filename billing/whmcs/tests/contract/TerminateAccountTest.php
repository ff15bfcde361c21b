<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;
use WHMCS\Authentication\CurrentUser;

require_once __DIR__ . '/CurrentUser.php';

final class TerminateAccountTest extends PanelTestCase
{
    protected function setUp(): void
    {
        parent::setUp();
        CurrentUser::nobody();
    }

    private function active(array $changes = []): Service
    {
        $service = $this->whmcs($changes);
        self::assertSame('success', $service->create());
        return $service;
    }

    public function test_it_names_the_account_by_its_reference_and_by_nothing_else(): void
    {
        $service = $this->active();
        self::assertSame('success', $service->terminate());
        self::assertSame('Terminated', $service->status);
        [$request] = $this->panel->requests('DELETE');
        self::assertSame(['/api/accounts/ref:s12', []], [$request['path'], $request['query']]);
        self::assertSame([], $this->panel->state()['accounts']);
    }

    public function test_an_account_that_we_removed_is_success_however_often_it_is_asked(): void
    {
        $service = $this->active();
        self::assertSame('success', $service->terminate());
        self::assertSame('success', $service->terminate());
        // A Panel that answers a repeat with 410 says the same.
        $this->panel->script(['on' => 'DELETE /api/accounts/ref:s12', 'fault' => 'reply', 'status' => 410, 'body' => [
            'code' => 'account_gone', 'detail' => 'The account was terminated.', 'terminated_at' => 1,
        ]]);
        self::assertSame('success', $service->terminate());
    }

    public function test_an_account_that_never_existed_is_an_error(): void
    {
        $service = $this->whmcs();
        $sentence = $service->terminate();
        self::assertSentence('The Panel has never had an account for this service (s12), so nothing was', $sentence);
        self::assertSame(['Pending', [$sentence]], [$service->status, $service->moduleQueue]);
    }

    public function test_another_web_servers_404_is_an_error(): void
    {
        $service = $this->active();
        $this->panel->script(['on' => '* *', 'fault' => 'html', 'status' => 404, 'times' => 0]);
        $sentence = $service->terminate(
            static fn (array $params): string => \WHMCS\Module\Server\Opterius\Module::terminateAccount($params, 2.0)
        );
        self::assertSentence('It is not known whether the account was terminated: ', $sentence);
        self::assertSame('Active', $service->status);
        self::assertCount(1, $this->panel->state()['accounts']);
    }

    public function test_a_stale_service_cannot_remove_who_has_its_names_now(): void
    {
        $stale = $this->active();
        $stale->terminate();
        $this->whmcs(['serviceid' => 40, 'userid' => 9])->create();
        self::assertSame('success', $stale->terminate());
        self::assertSame(['s40'], array_column($this->panel->state()['accounts'], 'external_ref'));
    }

    public function test_a_number_that_is_used_again_after_a_restored_backup_removes_nobody(): void
    {
        $this->active(['domain' => 'first.example', 'username' => 'first']);
        // The same number, another client's order: WHMCS knows nothing of the account that has it in the Panel.
        $service = $this->whmcs(['domain' => 'second.example', 'username' => 'second']);
        $sentence = $service->terminate();
        self::assertSentence('The account that the Panel has under the reference s12 is first (first.example)', $sentence);
        self::assertCount(1, $this->panel->state()['accounts']);
        self::assertSame([], $this->panel->requests('DELETE'));
    }

    public function test_an_account_whose_names_were_changed_in_whmcs_is_known_by_its_id(): void
    {
        $service = $this->active();
        $service->edit(['domain' => 'renamed.example', 'username' => 'renamed']);
        $service->overrides = [];
        self::assertSame('success', $service->terminate());
    }

    public function test_the_product_says_for_how_long_the_account_is_kept(): void
    {
        self::assertSame('success', $this->active(['configoption2' => ' 7 '])->terminate());
        self::assertSame(['keep_days' => '7'], $this->panel->requests('DELETE')[0]['query']);
        self::assertSame('success', $this->active(['serviceid' => 13, 'configoption2' => '0'])->terminate());
        self::assertNull($this->panel->state()['terminated'][1]['restorable_until']);
    }

    public function test_days_that_are_none_are_refused_before_anything_is_removed(): void
    {
        foreach (['a week', '366', '-1', '7.5'] as $days) {
            $service = $this->whmcs(['configoption2' => $days]);
            self::assertSentence('The setting Days Kept of this product is not a whole number', $service->terminate());
        }
        self::assertSame([], $this->panel->requests());
    }

    public function test_a_product_that_only_staff_terminates_survives_the_cron(): void
    {
        $service = $this->active(['configoption4' => 'staff']);
        $service->suspend('overdue');
        $service->edit(['nextduedate' => '2020-01-01']);
        $results = $this->installation->cron()->daily();
        self::assertSentence('Accounts of this product are terminated by staff only', $results['Terminate 12']);
        self::assertSame('Suspended', $service->status);
        self::assertCount(1, $this->panel->state()['accounts']);
        CurrentUser::staffInAClientsPlace();
        self::assertNotSame('success', $service->terminate());
        CurrentUser::staff();
        self::assertSame('success', $service->terminate());
    }
}
