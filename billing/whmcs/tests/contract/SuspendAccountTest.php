<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;

final class SuspendAccountTest extends PanelTestCase
{
    private function active(): Service
    {
        $service = $this->whmcs();
        self::assertSame('success', $service->create());
        return $service;
    }

    private function holds(): array
    {
        return array_column($this->panel->state()['accounts'][0]['holds'], 'reason', 'hold');
    }

    public function test_the_reason_is_carried_to_the_panel(): void
    {
        $service = $this->active();
        self::assertSame('success', $service->suspend('Invoice #17 is 10 days overdue'));
        self::assertSame('Suspended', $service->status);
        self::assertSame(['billing' => 'Invoice #17 is 10 days overdue'], $this->holds());
    }

    /** @dataProvider reasons */
    public function test_any_reason_becomes_one_that_the_panel_takes(string $given, string $kept): void
    {
        $service = $this->active();
        self::assertSame('success', $service->suspend($given));
        self::assertSame(['billing' => $kept], $this->holds());
    }

    public function reasons(): array
    {
        return [
            'none' => ['', 'Suspended by billing; no reason was given.'],
            'only blanks' => [" \t\n", 'Suspended by billing; no reason was given.'],
            'several lines' => ["Overdue.\r\n\r\nThird reminder. ", 'Overdue. Third reminder.'],
            'encoded' => ['R&amp;D &lt;overdue&gt; &quot;17&quot;', 'R&D <overdue> "17"'],
            'what cannot be seen' => ["a\u{200b}b\u{202e}c\u{2028}d\x07e", 'a b c d e'],
            'no UTF-8' => ["\xff overdue", '? overdue'],
            'too long' => [str_repeat('ü', 600), str_repeat('ü', 500)],
            'a blank where it is cut' => [str_repeat('x', 499) . ' and more', str_repeat('x', 499)],
        ];
    }

    public function test_suspending_again_changes_the_reason_and_nothing_else(): void
    {
        $service = $this->active();
        $service->suspend('first');
        self::assertSame('success', $service->suspend('first'));
        self::assertSame('success', $service->suspend('second'));
        self::assertSame(['billing' => 'second'], $this->holds());
    }

    public function test_an_account_that_is_held_for_abuse_can_be_held_for_billing_too(): void
    {
        $service = $this->active();
        $this->panel->asStaff('POST', '/api/accounts/ref:s12/suspend', ['reason' => 'phishing']);
        self::assertSame('success', $service->suspend('overdue'));
        self::assertSame(['abuse' => 'phishing', 'billing' => 'overdue'], $this->holds());
    }

    public function test_an_account_that_is_gone_or_never_was_is_a_sentence(): void
    {
        $service = $this->whmcs();
        self::assertSentence('The Panel has never had an account for this service (s12).', $service->suspend());
        $service->create();
        $service->terminate();
        $sentence = $service->suspend();
        self::assertSentence('The account `examplec` (example.com) was terminated at', $sentence);
        self::assertStringContainsString('Press Restore to bring it back', $sentence);
    }
}
