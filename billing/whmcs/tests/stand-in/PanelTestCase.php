<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use PHPUnit\Framework\TestCase;

/**
 * A test of a WHMCS whose server 1 is the fake Panel. Whatever it tests, no secret may leak and no TLS check may be off
 * without pins.
 */
abstract class PanelTestCase extends TestCase
{
    /** Seconds for an order, for tests in which the outcome stays open until the time is up. */
    protected const SHORT_BUDGET = 2.0;

    protected FakePanel $panel;
    protected Whmcs $installation;

    private static ?FakePanel $started = null;

    protected function setUp(): void
    {
        CurlWatch::$violations = [];
        CurlWatch::$refusePins = false;
        self::$started ??= new FakePanel(Certificate::selfSigned());
        self::$started->reset();
        $this->panel = self::$started;
        $this->installation = Whmcs::install();
        $this->serverForm();
    }

    protected function assertPostConditions(): void
    {
        foreach ($this->panel->state()['handed_out'] as $secret) {
            Whmcs::log()->lookBackFor('what the Panel handed out', $secret);
        }
        self::assertSame([], Whmcs::log()->leaks);
        self::assertSame([], CurlWatch::$violations);
        self::assertSame([], $this->panel->requests('GET', '/elsewhere'), 'a redirect was followed');
    }

    /**
     * Ends the Panel, so that nobody listens any more, and puts another one in its place that this test does not ask.
     *
     * @return int the port on which it listened
     */
    protected function endPanel(): int
    {
        $port = $this->panel->port;
        $this->panel->end();
        self::$started = null;
        $this->panel = new FakePanel(Certificate::selfSigned());
        return $port;
    }

    /** A service that waits to be created; what is given stands in its parameters, whatever its rows can hold. */
    protected function whmcs(array $changes = []): Service
    {
        $this->serverForm();
        return $this->installation->adopt($changes + ['serverid' => 1]);
    }

    /** Server 1 as the host has entered it. */
    private function serverForm(): void
    {
        $this->installation->server($this->panel, ['id' => 1, 'password' => encrypt('server-password-1')]);
    }

    /** What WHMCS calls the module with for such a service, without the model. */
    protected function params(array $changes = []): array
    {
        $params = $this->whmcs($changes)->params();
        return isset($changes['model']) ? $params : array_diff_key($params, ['model' => true]);
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
