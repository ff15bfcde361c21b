<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

use WHMCS\UsageBilling\Contracts\Metrics\MetricInterface;
use WHMCS\UsageBilling\Contracts\Metrics\ProviderInterface;
use WHMCS\UsageBilling\Metrics\Metric;
use WHMCS\UsageBilling\Metrics\Units\Accounts;
use WHMCS\UsageBilling\Metrics\Units\GigaBytes;
use WHMCS\UsageBilling\Metrics\Usage as Amount;

/**
 * What usage billing can price. Only what the Panel measures is in it, and what it has not measured yet is left out: a
 * zero would be billed as one.
 */
final class MetricProvider implements ProviderInterface
{
    private const DISK = 'disk';
    private const TRAFFIC = 'bandwidth';
    private const ACCOUNTS = 'accounts';

    public function __construct(#[\SensitiveParameter] private readonly array $params, private readonly float $budget)
    {
    }

    /**
     * WHMCS asks for these while a product is set up, with no server at hand.
     *
     * @return array<string, MetricInterface>
     */
    public function metrics(): array
    {
        return [
            // What is there now, and is never set back.
            self::DISK => new Metric(self::DISK, 'Disk Space', MetricInterface::TYPE_SNAPSHOT, new GigaBytes()),
            // The Panel counts traffic by calendar month and begins anew with each.
            self::TRAFFIC => new Metric(
                self::TRAFFIC,
                'Bandwidth',
                MetricInterface::TYPE_PERIOD_MONTH,
                new GigaBytes(),
            ),
            self::ACCOUNTS => new Metric(
                self::ACCOUNTS,
                'Accounts',
                MetricInterface::TYPE_SNAPSHOT,
                new Accounts('Accounts'),
            ),
        ];
    }

    /** @return array<string, array<string, MetricInterface>> by account id; nothing if the Panel does not answer */
    public function usage(): array
    {
        return Action::perform(
            'MetricProvider',
            $this->params,
            $this->budget,
            function (Action $action): array {
                $tenants = [];
                $parts = [];
                foreach ((new Listing($action->panel(), $action->patience))->usage() as $usage) {
                    $tenants[$usage['account_id']] = $this->measured($usage);
                    if (($usage['disk_at_least'] ?? null) === true) {
                        $parts[] = $usage['account_id'];
                    }
                }
                // A metric is a number: who is billed by it is billed for the least that was used.
                if ($parts !== []) {
                    $action->log->note('The disk use of these is at least what is told: not all of their files could be counted. '
                        . implode(', ', $parts));
                }
                return $tenants;
            },
            static fn (): array => [],
        );
    }

    /**
     * @param mixed $tenant the account's id, as ListAccounts gives it
     *
     * @return array<string, MetricInterface> nothing if the Panel does not answer
     */
    public function tenantUsage($tenant): array
    {
        return Action::perform(
            'MetricProvider',
            $this->params,
            $this->budget,
            function (Action $action) use ($tenant): array {
                if (!is_string($tenant) || preg_match('/^[0-9a-f-]{36}$/D', $tenant) !== 1) {
                    throw new Refusal('This service has no Opterius Account ID. Press Create: that finds its account.');
                }
                $panel = $action->panel();
                $reply = $panel->get('/api/accounts/' . $tenant . '/usage', [], $action->patience->left());
                return $this->measured(
                    $reply->data() ?? throw new Refusal(Explanation::of($reply, $panel->address)),
                );
            },
            static fn (): array => [],
        );
    }

    /** @return array<string, MetricInterface> */
    private function measured(array $usage): array
    {
        $usage = Usage::of($usage, []);
        $at = $usage->measuredAt === null ? null : $usage->measuredAt / 1e6;
        $values = [
            self::DISK => self::gigabytes($usage->diskBytes),
            self::TRAFFIC => self::gigabytes($usage->trafficBytes),
            self::ACCOUNTS => 1,
        ];
        $measured = [];
        foreach ($this->metrics() as $name => $metric) {
            if ($values[$name] !== null) {
                $measured[$name] = $metric->withUsage(new Amount($values[$name], $at));
            }
        }
        return $measured;
    }

    private static function gigabytes(?int $bytes): ?float
    {
        return $bytes === null ? null : round($bytes / Size::GIB, 4);
    }
}
