<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\Cron;
use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;
use WHMCS\Database\Capsule;
use WHMCS\UsageBilling\Contracts\Metrics\MetricInterface;

/** What accounts use, as it gets into WHMCS: the daily numbers of services, and the metrics of usage billing. */
final class UsageTest extends PanelTestCase
{
    private const MIB = 1_048_576;
    private const GIB = 1_073_741_824;

    public function test_one_question_and_one_write_serve_a_whole_server(): void
    {
        $services = $this->services(3);
        $this->measured(['acc1' => 1, 'acc2' => 2, 'acc3' => 3]);
        $asked = count($this->panel->requests());
        Capsule::connection()->enableQueryLog();
        $this->installation->cron()->updateUsage();
        self::assertCount($asked + 1, $this->panel->requests());
        self::assertSame(1, $this->writes());
        foreach ($services as $number => $service) {
            $row = $service->row();
            self::assertSame(
                [($number + 1) * 1024, 10240, ($number + 1) * 2048, 102400],
                [$row['diskusage'], $row['disklimit'], $row['bwusage'], $row['bwlimit']],
            );
        }
    }

    public function test_the_columns_are_whole_megabytes_and_the_time_is_that_of_the_measurement(): void
    {
        [$service] = $this->services(1);
        $this->panel->set(['usage' => ['acc1' => [
            'disk_bytes' => 1_610_612_736, 'traffic_bytes' => 524_287, 'measured_at' => 1_772_424_000_000_000,
        ]]]);
        $this->installation->cron()->updateUsage();
        $row = $service->row();
        self::assertSame([1536, 0], [$row['diskusage'], $row['bwusage']]);
        self::assertSame(date('Y-m-d H:i:s', 1_772_424_000), $row['lastupdate']);
    }

    public function test_a_part_of_the_disk_is_written_and_said_to_be_a_part(): void
    {
        [$service] = $this->services(1);
        $this->panel->set(['usage' => ['acc1' => ['disk_bytes' => 3 * self::GIB, 'disk_at_least' => true, 'traffic_bytes' => 0]]]);
        $this->installation->cron()->updateUsage();
        self::assertSame(3072, $service->row()['diskusage']);
        self::assertStringContainsString('at least', $this->notes());
        self::assertStringContainsString('service ' . $service->id, $this->notes());
    }

    public function test_unlimited_is_nought(): void
    {
        $package = $this->panel->state()['packages'][0];
        $this->panel->set(['packages' => [['limits' => ['disk_mib' => 0, 'bandwidth_gib' => 0]] + $package]]);
        [$service] = $this->services(1);
        $service->edit(['disklimit' => 5, 'bwlimit' => 5]);
        $this->measured(['acc1' => 1]);
        $this->installation->cron()->updateUsage();
        self::assertSame([0, 0], [$service->row()['disklimit'], $service->row()['bwlimit']]);
    }

    public function test_suspended_services_are_updated_and_ended_ones_are_not(): void
    {
        [$suspended, $cancelled] = $this->services(2);
        $suspended->suspend();
        $cancelled->edit(['domainstatus' => 'Cancelled']);
        $this->measured(['acc1' => 1, 'acc2' => 2]);
        $this->installation->cron()->updateUsage();
        self::assertSame(1024, $suspended->row()['diskusage']);
        self::assertSame(0, $cancelled->row()['diskusage']);
    }

    public function test_what_has_not_been_measured_yet_stays_as_it_was(): void
    {
        [$known, $unknown] = $this->services(2);
        $unknown->edit(['diskusage' => 77, 'disklimit' => 88, 'lastupdate' => '2026-01-01 00:00:00']);
        $this->measured(['acc1' => 1]);
        $this->installation->cron()->updateUsage();
        self::assertSame(1024, $known->row()['diskusage']);
        self::assertSame(
            [77, 88, '2026-01-01 00:00:00'],
            [$unknown->row()['diskusage'], $unknown->row()['disklimit'], $unknown->row()['lastupdate']],
        );
    }

    public function test_half_of_a_measurement_changes_half_of_the_columns(): void
    {
        [$service, $other] = $this->services(2);
        $service->edit(['bwusage' => 55]);
        $account = $this->panel->state()['accounts'];
        $row = static fn (array $account, ?int $disk, ?int $traffic): array => [
            'account_id' => $account['id'], 'external_ref' => $account['external_ref'], 'username' => $account['username'],
            'domain' => $account['domain'], 'status' => 'active', 'disk_bytes' => $disk, 'traffic_bytes' => $traffic,
            'measured_at' => 1_772_424_000_000_000, 'limits' => $account['limits'],
        ];
        $this->panel->script(['on' => 'GET /api/usage', 'fault' => 'reply', 'status' => 200, 'body' => [
            'data' => [$row($account[0], self::GIB, null), $row($account[1], null, self::GIB)],
            'page' => ['next' => null, 'total' => 2, 'snapshot' => '1'],
        ]]);
        $this->installation->cron()->updateUsage();
        self::assertSame([1024, 55], [$service->row()['diskusage'], $service->row()['bwusage']]);
        self::assertSame([0, 1024], [$other->row()['diskusage'], $other->row()['bwusage']]);
    }

    public function test_a_service_that_has_moved_to_another_server_is_not_this_ones_to_update(): void
    {
        [$service] = $this->services(1);
        $this->measured(['acc1' => 1]);
        $this->installation->server(null, ['id' => 2, 'disabled' => 1]);
        $service->edit(['server' => 2]);
        $this->installation->cron()->updateUsage();
        self::assertSame(0, $service->row()['diskusage']);
    }

    public function test_an_add_on_is_updated_through_its_properties_and_its_service_is_not(): void
    {
        [$service] = $this->services(1);
        $addon = $this->whmcs(['serviceid' => 101, 'addonId' => 5, 'username' => 'second', 'domain' => 'second.com']);
        self::assertSame('success', $addon->create());
        $this->measured(['second' => 3]);
        $this->installation->cron()->updateUsage();
        $properties = $addon->properties;
        self::assertSame(
            ['3072', '10240', '6144', '102400'],
            array_map($properties->get(...), ['Disk Usage', 'Disk Limit', 'Bandwidth Usage', 'Bandwidth Limit']),
        );
        self::assertSame(0, $service->row()['diskusage']);
    }

    public function test_every_page_is_read(): void
    {
        $services = $this->services(5);
        $this->panel->set(['accounts_per_page' => 2]);
        $this->measured(['acc1' => 1, 'acc2' => 1, 'acc3' => 1, 'acc4' => 1, 'acc5' => 1]);
        $this->installation->cron()->updateUsage();
        foreach ($services as $service) {
            self::assertSame(1024, $service->row()['diskusage']);
        }
    }

    /** @dataProvider failures */
    public function test_while_the_panel_is_down_no_row_is_touched_and_somebody_can_find_out(array ...$rules): void
    {
        $services = $this->services(3);
        $this->measured(['acc1' => 1, 'acc2' => 2, 'acc3' => 3]);
        $this->panel->set(['accounts_per_page' => 2]);
        $before = array_map(static fn (Service $service): array => $service->row(), $services);
        $this->panel->script(...$rules);
        Capsule::connection()->flushQueryLog();
        Capsule::connection()->enableQueryLog();
        $this->installation->cron()->updateUsage();
        self::assertSame($before, array_map(static fn (Service $service): array => $service->row(), $services));
        self::assertSame(0, $this->writes());
        self::assertStringStartsWith(
            'Opterius: the use of the accounts was not updated.',
            (string) Capsule::table('tblactivitylog')->orderByDesc('id')->value('description'),
        );
    }

    public function failures(): array
    {
        return [
            'it drops the connection' => [['on' => 'GET /api/usage', 'fault' => 'drop_before', 'times' => 0]],
            'it breaks off' => [['on' => 'GET /api/usage', 'fault' => 'half']],
            'a proxy answers for it' => [['on' => 'GET /api/usage', 'fault' => 'html', 'status' => 502]],
            'it answers with something else' => [self::page(['x'], null, 1)],
            'it does not say how much there is' => [self::page([], null, null)],
            'its second page does not come' => [
                self::page([], 'next', 3),
                ['on' => 'GET /api/usage', 'fault' => 'drop_before', 'times' => 0],
            ],
            'a part of it is missing' => [self::page([], null, 3) + ['times' => 0]],
        ];
    }

    private static function page(array $data, ?string $next, ?int $total): array
    {
        return ['on' => 'GET /api/usage', 'fault' => 'reply', 'status' => 200, 'body' => [
            'data' => $data, 'page' => ['next' => $next, 'total' => $total, 'snapshot' => '1'],
        ]];
    }

    public function test_the_metrics_are_known_without_a_server(): void
    {
        $metrics = opterius_MetricProvider([])->metrics();
        self::assertSame(
            ['disk' => 'snapshot', 'bandwidth' => 'month', 'accounts' => 'snapshot'],
            array_map(static fn (MetricInterface $metric): string => $metric->type(), $metrics),
        );
        foreach ($metrics as $name => $metric) {
            self::assertSame($name, $metric->systemName());
            self::assertNull($metric->usage());
        }
        self::assertSame([], $this->panel->requests());
    }

    public function test_there_are_no_metrics_of_what_does_not_exist(): void
    {
        $names = array_keys(opterius_MetricProvider([])->metrics());
        self::assertSame([], array_intersect($names, ['mailboxes', 'databases', 'domains', 'sub_sites']));
    }

    public function test_the_cron_collects_what_every_service_uses_in_one_question(): void
    {
        [$first, $second] = $this->services(2);
        $this->measured(['acc1' => 1, 'acc2' => 3]);
        $asked = count($this->panel->requests());
        $this->installation->cron()->collectMetrics('2026-03-02 04:00:00');
        self::assertCount($asked + 1, $this->panel->requests());
        self::assertSame(
            ['disk' => '1', 'bandwidth' => ['2026-03' => '2'], 'accounts' => '1'],
            Cron::metricsOf($first),
        );
        self::assertSame('3', Cron::metricsOf($second)['disk']);
    }

    public function test_traffic_is_kept_by_the_month_and_disk_space_is_not(): void
    {
        [$service] = $this->services(1);
        $this->measured(['acc1' => 1]);
        $this->installation->cron()->collectMetrics('2026-03-02 04:00:00');
        $this->measured(['acc1' => 2]);
        $this->installation->cron()->collectMetrics('2026-03-31 04:00:00');
        $this->panel->set(['usage' => ['acc1' => ['disk_bytes' => 3 * self::GIB, 'traffic_bytes' => 0]]]);
        $this->installation->cron()->collectMetrics('2026-04-01 04:00:00');
        self::assertSame(['2026-03' => '4', '2026-04' => '0'], Cron::metricsOf($service)['bandwidth']);
        self::assertSame('3', Cron::metricsOf($service)['disk']);
    }

    public function test_what_has_not_been_measured_is_not_billed_as_nought(): void
    {
        [$known, $unknown] = $this->services(2);
        $this->measured(['acc1' => 1]);
        $this->installation->cron()->collectMetrics();
        self::assertArrayHasKey('disk', Cron::metricsOf($known));
        self::assertArrayNotHasKey('disk', Cron::metricsOf($unknown));
        self::assertArrayNotHasKey('bandwidth', Cron::metricsOf($unknown));
    }

    public function test_while_the_panel_is_down_nothing_is_collected(): void
    {
        [$service] = $this->services(1);
        $this->measured(['acc1' => 1]);
        $this->installation->cron()->collectMetrics();
        $before = Cron::metricsOf($service);
        $this->panel->script(['on' => '*', 'fault' => 'drop_before', 'times' => 0]);
        $this->installation->cron()->collectMetrics();
        self::assertSame($before, Cron::metricsOf($service));
    }

    public function test_one_service_alone_can_be_asked_for(): void
    {
        [$service] = $this->services(1);
        $this->panel->set(['usage' => ['acc1' => ['disk_bytes' => 1_610_612_736, 'traffic_bytes' => 123_456_789]]]);
        self::assertSame(['disk' => 1.5, 'bandwidth' => 0.115, 'accounts' => 1], $service->metrics());
    }

    public function test_a_tenant_that_is_no_account_has_no_usage(): void
    {
        $provider = opterius_MetricProvider($this->params());
        foreach (['', 'acc1', '../../self', null, [], '0189-', str_repeat('x', 36)] as $tenant) {
            self::assertSame([], $provider->tenantUsage($tenant));
        }
        self::assertSame([], $this->panel->requests('GET', '/api/self'));
    }

    /** @return list<Service> services 101, 102, … with the accounts acc1, acc2, … */
    private function services(int $count): array
    {
        $services = [];
        for ($number = 1; $number <= $count; $number++) {
            $services[] = $service = $this->installation->service([
                'id' => 100 + $number, 'username' => "acc$number", 'domain' => "acc$number.com",
            ]);
            self::assertSame('success', $service->create());
        }
        return $services;
    }

    /** @param array<string, int> $usage by username, in GiB; traffic is twice the disk space */
    private function measured(array $usage): void
    {
        $this->panel->set(['usage' => array_map(static fn (int $gib): array => [
            'disk_bytes' => $gib * self::GIB, 'traffic_bytes' => 2 * $gib * self::GIB,
        ], $usage)]);
    }

    /** How many statements have written to services. */
    private function writes(): int
    {
        return count(array_filter(
            Capsule::connection()->getQueryLog(),
            static fn (array $query): bool => stripos($query['query'], 'update') === 0
                && str_contains($query['query'], 'tblhosting'),
        ));
    }

    /** What the module noted in the Module Log. */
    private function notes(): string
    {
        return implode("\n", array_column($this->installation->moduleLog->entries, 'processed'));
    }
}
