<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;

/** What the staff see of an account in the service's record. */
final class ServiceTabTest extends PanelTestCase
{
    private const HOSTILE = '"><img src=x onerror=alert(1)>';

    public function test_it_shows_status_server_limits_use_and_the_last_operation(): void
    {
        $service = $this->active();
        $this->panel->set(['usage' => ['examplec' => [
            'disk_bytes' => 2_684_354_560, 'traffic_bytes' => 1_073_741_824, 'files' => 1234, 'processes' => 7,
        ]]]);
        $fields = array_map(self::text(...), $service->adminFields());
        self::assertSame(['Opterius', 'Account', 'Limits and Use', 'Last Operation', 'Drift'], array_keys($fields));
        self::assertSame('active', $fields['Opterius']);
        self::assertStringContainsString('Username examplec Domain example.com Package Starter Server web1 (web1.test)', $fields['Account']);
        self::assertStringContainsString('Addresses 192.0.2.1 Nameservers ns1.web1.test, ns2.web1.test PHP version newest (8.4 runs)', $fields['Account']);
        self::assertStringContainsString($this->panel->account('s12')['id'], $fields['Account']);
        self::assertStringContainsString('Disk Space 2.5 GiB 10 GiB', $fields['Limits and Use']);
        self::assertStringContainsString('Traffic 1 GiB 100 GiB', $fields['Limits and Use']);
        self::assertStringContainsString('Files 1234 unlimited', $fields['Limits and Use']);
        self::assertStringContainsString('PHP Memory 256 MiB', $fields['Limits and Use']);
        self::assertMatchesRegularExpression('/Create, [0-9: -]+: done .*site done 1.0 ms/', $fields['Last Operation']);
        self::assertStringContainsString($this->panel->state()['operations'][0]['id'], $fields['Last Operation']);
        self::assertStringContainsString('None', $fields['Drift']);
    }

    public function test_a_part_of_the_use_is_called_at_least(): void
    {
        $service = $this->active();
        $this->panel->set(['usage' => ['examplec' => [
            'disk_bytes' => 2_684_354_560, 'disk_at_least' => true, 'traffic_bytes' => 1_073_741_824, 'files' => 1234,
        ]]]);
        $text = self::text($service->adminFields()['Limits and Use']);
        self::assertStringContainsString('Disk Space at least 2.5 GiB 10 GiB', $text);
        self::assertStringContainsString('Files at least 1234 unlimited', $text);
        self::assertStringContainsString('Traffic 1 GiB 100 GiB', $text);
    }

    public function test_holds_are_shown_with_their_reasons(): void
    {
        $service = $this->active();
        $service->suspend('Overdue on Payment');
        $id = $this->panel->account('s12')['id'];
        $this->panel->asStaff('POST', "/api/accounts/$id/suspend", ['reason' => 'Sends spam', 'hold' => 'abuse']);
        $text = self::text($service->adminFields()['Opterius']);
        self::assertStringStartsWith('suspended', $text);
        self::assertMatchesRegularExpression('/Held for billing since [0-9: -]+ by token:whmcs: Overdue on Payment/', $text);
        self::assertMatchesRegularExpression('/Held for abuse since [0-9: -]+ by administrator: Sends spam/', $text);
    }

    public function test_an_operation_that_failed_is_shown_with_the_step_and_the_cause(): void
    {
        $service = $this->active();
        $this->panel->script(['on' => 'POST /api/accounts/*/suspend', 'fault' => 'ends', 'end' => 'rolled_back']);
        self::assertNotSame('success', $service->suspend());
        $text = self::text($service->adminFields()['Last Operation']);
        self::assertStringContainsString('failed; everything was undone', $text);
        self::assertStringContainsString('The dns zone step failed: the DNS server does not answer.', $text);
        self::assertStringContainsString('dns zone failed 1.0 ms the DNS server does not answer', $text);
    }

    public function test_an_operation_that_needs_attention_says_what_is_left(): void
    {
        $service = $this->active();
        $this->panel->script(['on' => 'POST /api/accounts/*/suspend', 'fault' => 'ends', 'end' => 'needs_attention']);
        self::assertNotSame('success', $service->suspend());
        $fields = array_map(self::text(...), $service->adminFields());
        self::assertStringContainsString('needs attention', $fields['Opterius']);
        self::assertStringContainsString('Not as it should be: dns zone', $fields['Last Operation']);
    }

    public function test_drift_is_shown_with_what_would_be_changed(): void
    {
        $service = $this->active();
        $account = ['drift' => [
            'found_at' => 1_772_424_000_000_000, 'mended' => false,
            'changes' => [['resource' => 'site', 'change' => 'document root: gone']],
            'conflicts' => [['step' => 'dns zone', 'code' => 'conflict', 'detail' => 'somebody made it', 'hint' => null]],
            'missing' => [['step' => 'home', 'detail' => 'the disk is full', 'hint' => null]],
        ]] + $this->panel->account('s12');
        $this->answer($account);
        $text = self::text($service->adminFields()['Drift']);
        self::assertStringContainsString('Reconcile mends it: site: document root: gone', $text);
        self::assertStringContainsString('In the way: dns zone, somebody made it', $text);
        self::assertStringContainsString('Missing: home, the disk is full', $text);
    }

    public function test_limits_that_the_package_does_not_decide_and_that_nobody_enforces_are_marked(): void
    {
        $service = $this->active();
        $this->answer([
            'overrides' => ['disk_mib' => 20480], 'limits' => ['disk_mib' => 20480, 'cpu_percent' => 50],
            'enforcement' => ['disk_mib' => 'enforced', 'cpu_percent' => 'not enforced on this server'],
        ] + $this->panel->account('s12'));
        $text = self::text($service->adminFields()['Limits and Use']);
        self::assertMatchesRegularExpression('/Disk Space (0 B )?20 GiB not the package\'s/', $text);
        self::assertStringContainsString('CPU 50 % not enforced on this server', $text);
    }

    public function test_a_service_without_an_account_says_so(): void
    {
        $service = $this->whmcs();
        self::assertSame(['Opterius' => 'The Panel has no account for this service. Create makes one.'], $service->adminFields());
    }

    public function test_a_removed_account_says_until_when_it_can_come_back(): void
    {
        $service = $this->active();
        $service->terminate();
        $fields = $service->adminFields();
        self::assertMatchesRegularExpression(
            '/^Removed on [0-9: -]+\. Restore brings it back, until [0-9: -]+\.$/',
            $fields['Opterius'],
        );
        self::assertStringContainsString('Terminate', self::text($fields['Last Operation']));
    }

    public function test_an_account_that_cannot_come_back_is_not_said_to(): void
    {
        $service = $this->active();
        $this->panel->set(['terminated_kept_days' => 0]);
        $service->terminate();
        self::assertStringEndsWith('It cannot be restored; Create makes a new account.', $service->adminFields()['Opterius']);
    }

    /** @dataProvider failures */
    public function test_the_record_of_the_service_comes_though_the_panel_does_not_answer(array $rule, string $part): void
    {
        $service = $this->active();
        $this->panel->script(['on' => '*', 'times' => 0] + $rule);
        $fields = $service->adminFields();
        self::assertSame(['Opterius'], array_keys($fields));
        self::assertStringContainsString($part, $fields['Opterius']);
    }

    public function failures(): array
    {
        return [
            'it drops the connection' => [['fault' => 'drop_before'], 'dropped the connection'],
            'it never answers' => [['fault' => 'hang_before'], 'did not answer in time'],
            'a proxy answers for it' => [['fault' => 'html', 'status' => 502], 'HTTP 502'],
        ];
    }

    public function test_a_server_form_that_is_not_complete_is_explained(): void
    {
        $service = $this->active();
        $service->overrides = ['serveraccesshash' => ''];
        self::assertSentence('This server has no Access Hash.', $service->adminFields()['Opterius']);
    }

    public function test_nothing_that_anybody_has_entered_becomes_part_of_the_page(): void
    {
        $service = $this->active();
        $text = self::HOSTILE;
        $this->answer([
            'username' => $text, 'domain' => $text, 'status' => $text, 'php_version' => $text, 'php_runs' => $text . ' ', 'nameservers' => [$text],
            'ipv4' => [$text], 'ipv6' => [$text], 'package' => ['name' => $text], 'server' => ['name' => $text, 'hostname' => $text],
            'holds' => [['hold' => $text, 'reason' => $text, 'by' => $text]], 'limits' => [$text => 5],
            'enforcement' => [$text => $text], 'overrides' => [$text => 5],
            'drift' => [
                'found_at' => $text, 'changes' => [['resource' => $text, 'change' => $text]],
                'conflicts' => [['step' => $text, 'detail' => $text]], 'missing' => [['step' => $text, 'detail' => $text]],
            ],
        ] + $this->panel->account('s12'));
        $this->panel->script(
            ...$this->rules,
            ...[['on' => 'GET /api/operations', 'fault' => 'reply', 'status' => 200, 'body' => ['data' => [[
                'id' => $text, 'kind' => $text, 'outcome' => $text, 'request_id' => $text, 'left' => [$text],
                'error' => ['code' => $text, 'detail' => $text, 'hint' => $text],
                'steps' => [['name' => $text, 'state' => $text, 'direction' => $text, 'detail' => $text]],
            ]]]]],
        );
        $html = implode('', $service->adminFields());
        self::assertStringNotContainsString('<img', $html);
        self::assertGreaterThan(25, substr_count($html, '&lt;img'));
    }

    public function test_there_is_nothing_to_save_so_nothing_saves(): void
    {
        self::assertFalse(function_exists('opterius_AdminServicesTabFieldsSave'));
        $service = $this->active();
        foreach ($service->adminFields() as $html) {
            self::assertDoesNotMatchRegularExpression('/<(input|select|textarea|form|button)/', $html);
        }
    }

    /** @var list<array> */
    private array $rules = [];

    private function answer(array $account): void
    {
        $this->rules = [[
            'on' => 'GET /api/accounts/ref:s12', 'fault' => 'reply', 'status' => 200, 'body' => ['data' => $account],
        ]];
        $this->panel->script(...$this->rules);
    }

    private function active(): Service
    {
        $service = $this->whmcs();
        self::assertSame('success', $service->create());
        return $service;
    }

    private static function text(string $html): string
    {
        $text = html_entity_decode((string) preg_replace('~<[^>]+>~', ' ', $html), ENT_QUOTES | ENT_HTML5);
        return trim((string) preg_replace('/\s+/', ' ', $text));
    }
}
