<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;

final class UnsuspendAccountTest extends PanelTestCase
{
    private function suspended(): Service
    {
        $service = $this->whmcs();
        self::assertSame('success', $service->create());
        self::assertSame('success', $service->suspend('overdue'));
        return $service;
    }

    public function test_a_client_who_has_paid_is_active_again(): void
    {
        $service = $this->suspended();
        self::assertSame('success', $service->unsuspend());
        self::assertSame('Active', $service->status);
        self::assertSame('active', $this->panel->state()['accounts'][0]['status']);
        // Again, and of an account that nobody suspended: it is so already.
        self::assertSame('success', $service->unsuspend());
    }

    public function test_the_hosts_own_hold_stays_and_staff_hear_why(): void
    {
        $service = $this->suspended();
        $this->panel->asStaff('POST', '/api/accounts/ref:s12/suspend', ['reason' => 'phishing pages']);
        $sentence = $service->unsuspend();
        self::assertSentence(
            'Billing holds this account no longer, but it stays suspended by the host itself: abuse since '
            . gmdate('Y-m-d') . ' (phishing pages). Ask the host\'s staff',
            $sentence,
        );
        self::assertSame(['Suspended', [$sentence]], [$service->status, $service->moduleQueue]);
        self::assertSame(['abuse'], array_column($this->panel->state()['accounts'][0]['holds'], 'hold'));
        // Once the host lifts it, the very same button finds the account active.
        self::assertNotSame('success', $service->unsuspend());
        $this->panel->asStaff('POST', '/api/accounts/ref:s12/unsuspend');
        self::assertSame(['UnsuspendAccount' => 'success'], $service->retry());
        self::assertSame('Active', $service->status);
    }

    public function test_what_holds_the_account_is_asked_for_where_only_the_operation_was_seen(): void
    {
        $service = $this->suspended();
        $this->panel->asStaff('POST', '/api/accounts/ref:s12/suspend', ['reason' => 'phishing pages']);
        $this->panel->script(
            ['on' => 'POST /api/accounts/ref:s12/unsuspend', 'fault' => 'drop_after'],
            ['on' => 'POST /api/accounts/ref:s12/unsuspend', 'fault' => 'drop_before', 'times' => 2],
        );
        self::assertSentence('Billing holds this account no longer, but it stays suspended', $service->unsuspend());
    }
}
