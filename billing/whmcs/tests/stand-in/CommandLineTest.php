<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

/** The driver in a PHP of its own, as the end-to-end tests start it. */
final class CommandLineTest extends PanelTestCase
{
    /**
     * @param list<string> $arguments
     *
     * @return array{int, array|null, string} the exit status, what was printed, and what was complained of
     */
    private static function order(array $given, string ...$arguments): array
    {
        $command = ['php', dirname(__DIR__) . '/order.php', ...$arguments];
        $process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
        fwrite($pipes[0], json_encode($given, JSON_THROW_ON_ERROR));
        fclose($pipes[0]);
        $printed = (string) stream_get_contents($pipes[1]);
        $complaints = (string) stream_get_contents($pipes[2]);
        return [proc_close($process), json_decode($printed, true), $complaints];
    }

    public function test_a_script_drives_a_service_through_its_whole_life(): void
    {
        $other = ['id' => '01890000-0000-7000-8000-000000000002', 'name' => 'Business', 'limits' => ['disk_mib' => 1]];
        $this->panel->set(['packages' => [...$this->panel->state()['packages'], $other]]);
        $steps = [
            ['action' => 'CreateAccount'],
            ['action' => 'CreateAccount'],
            ['action' => 'ChangePassword', 'params' => ['newpassword' => 'another & one']],
            ['action' => 'ChangePackage', 'params' => ['configoption1' => $other['id']]],
            ['action' => 'SuspendAccount', 'params' => ['suspendreason' => 'Overdue & more']],
            ['action' => 'UnsuspendAccount'],
            ['action' => 'Renew', 'params' => ['nextduedate' => '2027-01-31']],
            ['action' => 'TerminateAccount'],
            ['action' => 'TerminateAccount'],
        ];
        $params = $this->params();
        unset($params['password'], $params['configoption1']);
        [$status, $printed, $complaints] = self::order(['params' => $params, 'script' => $steps], 'Script');
        self::assertSame([0, '', []], [$status, $complaints, $printed['leaks']]);
        self::assertSame(array_fill(0, 9, 'success'), array_column($printed['steps'], 'result'));
        self::assertSame(
            [
                'Active', 'Active', 'Active', 'Active', 'Suspended', 'Active', 'Active', 'Terminated', 'Terminated',
            ],
            array_column($printed['steps'], 'status'),
        );
        $left = $this->panel->state()['terminated'][0];
        self::assertSame(
            ['Business', 'another & one', '2027-01-31'],
            [$left['package']['name'], $left['_password'], $left['next_due_on']],
        );
    }

    public function test_a_database_in_a_file_goes_on_where_the_last_call_ended(): void
    {
        $file = sys_get_temp_dir() . '/opterius-order-' . bin2hex(random_bytes(8)) . '.sqlite';
        $params = $this->params();
        unset($params['username'], $params['password'], $params['domain']);
        $names = ['username' => null, 'password' => null, 'domain' => 'a-shop.example'];
        try {
            [, $printed] = self::order($names + $params, 'CreateAccount', '--database', $file);
            self::assertSame(['success', 'Active'], [$printed['result'], $printed['status']]);
            $this->panel->script(['on' => 'POST *suspend', 'fault' => 'html', 'status' => 502, 'times' => 0]);
            [, $printed] = self::order($params, 'SuspendAccount', '--database', $file);
            self::assertSame('Active', $printed['status']);
            [, $printed] = self::order($params, 'ModuleQueue', '--database', $file);
            self::assertSame('SuspendAccount', $printed['result'][0]['moduleAction']);
            $this->panel->script();
            [, $printed] = self::order($params, 'Retry', '--database', $file);
            self::assertSame([['SuspendAccount' => 'success'], 'Suspended'], [$printed['result'], $printed['status']]);
            [, $printed] = self::order($params, 'ListAccounts', '--database', $file);
            self::assertSame([12], array_keys($printed['result']['matched']));
            // The same database in another directory is a copy.
            [, $printed] = self::order($params, 'TerminateAccount', '--database', $file, '--directory', '/srv/copy');
            self::assertNotSame('success', $printed['result']);
            self::assertSame('suspended', $this->panel->account('s12')['status']);
            self::assertSame('ashop', $this->panel->account('s12')['username']);
        } finally {
            @unlink($file);
        }
    }

    public function test_every_other_page_and_click_can_be_asked_for(): void
    {
        $this->panel->set(['usage' => ['examplec' => ['disk_bytes' => 3 * 1024 ** 2, 'traffic_bytes' => 1024 ** 2]]]);
        $steps = array_map(static fn (string $action): array => ['action' => $action], [
            'CreateAccount', 'ServiceSingleSignOn', 'AdminSingleSignOn', 'CustomActions', 'ClientArea',
            'AdminServicesTabFields', 'AdminCustomButtonArray', 'ClientAreaCustomButtonArray', 'UsageUpdate',
            'MetricProvider', 'ConfigOptions', 'Cron', 'AdminHome', 'AddonModule',
        ]);
        [$status, $printed, $complaints] = self::order(['params' => $this->params(), 'script' => $steps], 'Script');
        self::assertSame([0, ''], [$status, $complaints]);
        $results = array_column($printed['steps'], 'result', 'action');
        self::assertCount(count($steps), $results, 'none threw');
        self::assertStringStartsWith('https://127.0.0.1:', $results['ServiceSingleSignOn']['redirect']);
        self::assertStringStartsWith('https://127.0.0.1:', $results['AdminSingleSignOn']['redirect']);
        self::assertNotSame([], $results['CustomActions']);
        self::assertStringContainsString('<', $results['ClientArea']);
        self::assertSame([3, 1, 10240], [
            $results['UsageUpdate']['diskusage'], $results['UsageUpdate']['bwusage'],
            $results['UsageUpdate']['disklimit'],
        ]);
        self::assertArrayHasKey('disk', $results['MetricProvider']);
    }

    public function test_what_is_called_wrongly_says_how_it_is_called(): void
    {
        foreach ([[[], 'Nonsense'], [[], 'CreateAccount', '--what', 'x'], [['script' => [[]]], 'Script']] as $call) {
            [$status, $printed, $complaints] = self::order(...$call);
            self::assertSame([2, null], [$status, $printed]);
            self::assertStringContainsString('usage: php order.php ACTION', $complaints);
        }
    }
}
