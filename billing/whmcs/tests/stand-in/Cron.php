<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use WHMCS\Database\Capsule;
use WHMCS\UsageBilling\Contracts\Metrics\MetricInterface;
use WHMCS\UsageBilling\Contracts\Metrics\ProviderInterface;
use WHMCS\UsageBilling\Contracts\Metrics\UsageInterface;

/** What WHMCS does every night. */
final class Cron
{
    public function __construct(private readonly Whmcs $whmcs)
    {
    }

    /**
     * @param string $today          Y-m-d
     * @param int    $suspendAfter   days
     * @param int    $terminateAfter days
     *
     * @return array<string, string> the result of each command, by `Suspend 12` and the like
     */
    public function daily(?string $today = null, int $suspendAfter = 5, int $terminateAfter = 14): array
    {
        $today ??= gmdate('Y-m-d');
        $results = [
            ...$this->suspendOverdue(self::before($today, $suspendAfter), $today),
            ...$this->terminateOverdue(self::before($today, $terminateAfter)),
            ...$this->cancelAsAskedFor($today),
        ];
        $this->updateUsage();
        $this->collectMetrics();
        Hooks::run('DailyCronJob', []);
        return $results;
    }

    /** UsageUpdate runs once for every server that is active and not disabled, whatever products there are. */
    public function updateUsage(): void
    {
        foreach ($this->servers() as $server) {
            if (function_exists('opterius_UsageUpdate')) {
                opterius_UsageUpdate($this->paramsOf($server));
            }
        }
    }

    /** Takes the usage of all tenants of every server, and puts it down for the services that these are. */
    public function collectMetrics(?string $now = null): void
    {
        if (!function_exists('opterius_MetricProvider')) {
            return;
        }
        foreach ($this->servers() as $server) {
            $provider = opterius_MetricProvider($this->paramsOf($server));
            if (!$provider instanceof ProviderInterface) {
                throw new \UnexpectedValueException('MetricProvider must return a ProviderInterface.');
            }
            foreach ($provider->usage() as $tenant => $metrics) {
                $this->keep($server, (string) $tenant, $metrics, $now ?? gmdate('Y-m-d H:i:s'));
            }
        }
    }

    /**
     * What WHMCS knows of a service's metrics: of a snapshot the latest value, of a period one value for each.
     *
     * @return array<string, string|array<string, string>>
     */
    public static function metricsOf(Service $service): array
    {
        $known = [];
        $rows = Capsule::table('standin_metrics')->where('relid', $service->id)->orderBy('id')->get();
        foreach ($rows as $row) {
            if ($row->type === MetricInterface::TYPE_SNAPSHOT) {
                $known[$row->metric] = $row->value;
            } else {
                $known[$row->metric][$row->period] = $row->value;
            }
        }
        return $known;
    }

    /** @param array<mixed> $metrics */
    private function keep(int $server, string $tenant, array $metrics, string $now): void
    {
        $service = null;
        foreach (Capsule::table('tblhosting')->where('server', $server)->get() as $row) {
            $params = $this->whmcs->parameters->ofService((int) $row->id);
            $service = AccountSync::identifierOf($params) === $tenant ? (int) $row->id : $service;
        }
        foreach ($metrics as $metric) {
            if (!$metric instanceof MetricInterface || !$metric->usage() instanceof UsageInterface) {
                throw new \UnexpectedValueException("A metric of $tenant has no usage.");
            }
            if ($service === null) {
                continue;
            }
            $period = match ($metric->type()) {
                MetricInterface::TYPE_SNAPSHOT => $now,
                MetricInterface::TYPE_PERIOD_DAY => substr($now, 0, 10),
                MetricInterface::TYPE_PERIOD_MONTH => substr($now, 0, 7),
            };
            Capsule::table('standin_metrics')->updateOrInsert(
                [
                    'server' => $server, 'relid' => $service, 'tenant' => $tenant, 'metric' => $metric->systemName(),
                    'type' => $metric->type(), 'period' => $period,
                ],
                ['value' => (string) $metric->usage()->value()],
            );
        }
    }

    /** @return array<string, string> */
    private function suspendOverdue(string $due, string $today): array
    {
        return $this->each('Active', $due, 'Suspend', static function (Service $service) use ($today): ?string {
            $row = $service->row();
            $overridden = !$service->isAddon && $row['overideautosuspend'] === 'on'
                && ($row['overidesuspenduntil'] === '' || $row['overidesuspenduntil'] >= $today);
            return $overridden ? null : $service->suspend();
        });
    }

    /** @return array<string, string> */
    private function terminateOverdue(string $due): array
    {
        $terminate = static fn (Service $service): string => $service->terminate();
        return $this->each('Suspended', $due, 'Terminate', $terminate);
    }

    /** @return array<string, string> */
    private function each(string $status, string $due, string $name, callable $do): array
    {
        $results = [];
        $kinds = [['tblhosting', 'domainstatus', false], ['tblhostingaddons', 'status', true]];
        foreach ($kinds as [$table, $column, $isAddon]) {
            $rows = Capsule::table($table)->where($column, $status)->where('nextduedate', '<=', $due)->pluck('id');
            foreach ($rows as $id) {
                $result = $do(new Service($this->whmcs, (int) $id, $isAddon));
                $results += $result === null ? [] : [$name . ($isAddon ? ' add-on ' : ' ') . $id => $result];
            }
        }
        return $results;
    }

    /** @return array<string, string> */
    private function cancelAsAskedFor(string $today): array
    {
        $results = [];
        foreach (Capsule::table('tblcancelrequests')->get() as $request) {
            $service = new Service($this->whmcs, (int) $request->relid);
            $over = $request->type === 'Immediate' || $service->row()['nextduedate'] <= $today;
            if ($over && in_array($service->status, ['Active', 'Suspended'], true)) {
                $results["Terminate {$service->id}"] = $service->terminate();
            }
        }
        return $results;
    }

    /** @return list<int> */
    private function servers(): array
    {
        return Capsule::table('tblservers')
            ->where(['type' => Whmcs::MODULE, 'active' => 1, 'disabled' => 0])->orderBy('id')->pluck('id')->all();
    }

    private function paramsOf(int $server): array
    {
        $params = $this->whmcs->parameters->ofServer($server);
        $this->whmcs->moduleLog->watch($params);
        return $params;
    }

    private static function before(string $day, int $days): string
    {
        return gmdate('Y-m-d', strtotime("$day UTC -$days days"));
    }
}
