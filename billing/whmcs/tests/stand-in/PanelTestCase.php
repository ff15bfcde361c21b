<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use PHPUnit\Framework\TestCase;

/** A test against the fake Panel. Whatever it tests, no secret may leak and no TLS check may be off without pins. */
abstract class PanelTestCase extends TestCase
{
    /** Seconds for an order, for tests in which the outcome stays open until the time is up. */
    protected const SHORT_BUDGET = 2.0;

    protected FakePanel $panel;

    private static ?Certificate $certificate = null;

    protected function setUp(): void
    {
        Whmcs::log(new: true);
        CurlWatch::$violations = [];
        CurlWatch::$refusePins = false;
        self::$certificate ??= Certificate::selfSigned();
        $this->panel = new FakePanel(self::$certificate);
    }

    protected function assertPostConditions(): void
    {
        self::assertSame([], Whmcs::log()->leaks);
        self::assertSame([], CurlWatch::$violations);
        self::assertSame([], $this->panel->requests('GET', '/elsewhere'), 'a redirect was followed');
    }

    protected function params(array $changes = []): array
    {
        $params = Whmcs::params($this->panel, $changes);
        Whmcs::log()->watch($params);
        return $params;
    }

    protected function whmcs(array $changes = []): Whmcs
    {
        return new Whmcs($this->params($changes));
    }

    /** How many accounts the Panel has, and how many orders it has seen. */
    protected function assertAccountsAndOrders(int $accounts, int $orders): void
    {
        self::assertCount($accounts, $this->panel->state()['accounts']);
        self::assertCount($orders, $this->panel->requests('POST', '/api/accounts'));
    }

    protected static function assertSentence(string $start, string $sentence): void
    {
        self::assertStringStartsWith($start, $sentence);
        self::assertMatchesRegularExpression(
            '/\.\s\(request [0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\)$/D',
            $sentence,
        );
    }
}
