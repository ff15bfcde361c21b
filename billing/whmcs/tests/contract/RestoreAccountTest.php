<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;

final class RestoreAccountTest extends PanelTestCase
{
    private function terminated(array $changes = []): Service
    {
        $service = $this->whmcs($changes);
        self::assertSame('success', $service->create());
        self::assertSame('success', $service->terminate());
        return $service;
    }

    public function test_a_terminated_account_comes_back_and_whmcs_shows_it(): void
    {
        $service = $this->terminated();
        $id = $this->panel->state()['terminated'][0]['id'];
        self::assertSame('success', $service->adminButton('Restore'));
        self::assertSame('Active', $service->status);
        self::assertSame($id, $this->panel->account('s12')['id']);
        self::assertSame($id, $service->properties->get('Opterius Account ID'));
        // Again: it is there.
        self::assertSame('success', $service->adminButton('Restore'));
    }

    public function test_an_account_that_was_suspended_comes_back_suspended(): void
    {
        $service = $this->whmcs();
        $service->create();
        $service->suspend('overdue');
        $service->terminate();
        self::assertSame('success', $service->adminButton('Restore'));
        self::assertSame('Suspended', $service->status);
    }

    public function test_an_account_that_is_not_kept_any_more_cannot_come_back(): void
    {
        $service = $this->terminated(['configoption2' => '0']);
        $sentence = $service->adminButton('Restore');
        self::assertSentence('The account `examplec` (example.com) was terminated at', $sentence);
        self::assertStringContainsString('It cannot be restored any more. Press Create for a new account.', $sentence);
        self::assertSame('Terminated', $service->status);
    }

    public function test_names_that_others_have_by_now_are_in_the_way(): void
    {
        $service = $this->terminated();
        $this->panel->strangersAccount('examplec', 'other.example');
        self::assertSentence('The username `examplec` is already used', $service->adminButton('Restore'));
        self::assertSame('Terminated', $service->status);
    }
}
