<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use PHPUnit\Framework\TestCase;

/** That the Panel of these tests answers as the real one does, of which it is a copy. */
final class FakePanelTest extends TestCase
{
    private const CALLER = 'url=https%3A%2F%2Fbilling.example.com&directory=%2Fsrv%2Fwhmcs';

    private static ?FakePanel $started = null;

    private FakePanel $panel;

    protected function setUp(): void
    {
        self::$started ??= new FakePanel(Certificate::selfSigned());
        self::$started->reset();
        $this->panel = self::$started;
    }

    /** @return array{int, mixed} status and answer; 0 if there was none */
    private function ask(
        string $method,
        string $path,
        array|object|null $body = null,
        string $token = FakePanel::TOKEN,
        string $caller = self::CALLER,
    ): array {
        $curl = curl_init("https://127.0.0.1:{$this->panel->port}$path");
        curl_setopt_array($curl, [
            CURLOPT_CUSTOMREQUEST => $method, CURLOPT_RETURNTRANSFER => true, CURLOPT_PROXY => '',
            CURLOPT_CAINFO => $this->panel->certificate->file,
            CURLOPT_HTTPHEADER => [
                "Authorization: Bearer $token", "Opterius-Caller: $caller",
                ...$body === null ? [] : ['Content-Type: application/json'],
            ],
        ]);
        if ($body !== null) {
            curl_setopt($curl, CURLOPT_POSTFIELDS, json_encode($body, JSON_THROW_ON_ERROR));
        }
        $text = curl_exec($curl);
        $whole = $text !== false;
        return [
            $whole ? curl_getinfo($curl, CURLINFO_RESPONSE_CODE) : 0,
            $whole ? json_decode($text, true)['data'] ?? json_decode($text, true) ?? $text : null,
        ];
    }

    private function order(array $changes = []): array
    {
        return $this->ask('POST', '/api/accounts', $changes + [
            'username' => 'alice', 'domain' => 'Bücher.example', 'password' => 'password-1', 'package' => 'Starter',
            'external_ref' => 's12', 'client_ref' => 'c3', 'next_due_on' => '2026-12-31',
        ]);
    }

    private static function assertProblem(int $status, string $code, array $answer): void
    {
        self::assertSame([$status, $code], [$answer[0], $answer[1]['code'] ?? null], json_encode($answer));
        self::assertNotSame('', $answer[1]['detail']);
    }

    public function test_an_order_makes_one_account_however_often_it_comes(): void
    {
        [$status, $account] = $this->order();
        self::assertSame(
            [201, 'xn--bcher-kva.example', 's12', 'c3', '2026-12-31', 'active'],
            [
                $status, $account['domain'], $account['external_ref'], $account['client_ref'],
                $account['next_due_on'], $account['status'],
            ],
        );
        self::assertArrayNotHasKey('_prefix', $account);
        [$status, $again] = $this->order(['password' => 'password-2']);
        self::assertSame([200, $account['id']], [$status, $again['id']]);
        self::assertSame(['alice' => 'password-2'], $this->panel->state()['passwords']);
        self::assertProblem(409, 'external_ref_mismatch', $this->order(['username' => 'bob']));
    }

    public function test_names_are_taken_once_and_a_domain_with_all_that_is_below_it(): void
    {
        $this->panel->strangersAccount('alice', 'example.com');
        $taken = $this->order(['domain' => 'example.net']);
        self::assertProblem(409, 'username_taken', $taken);
        self::assertStringContainsString('another account on this server', $taken[1]['detail']);
        foreach (['example.com', 'shop.example.com'] as $domain) {
            self::assertProblem(409, 'domain_taken', $this->order(['username' => 'bob', 'domain' => $domain]));
        }
        $this->panel->set(['shared_parent_domains' => ['example.com']]);
        self::assertSame(201, $this->order(['username' => 'bob', 'domain' => 'shop.example.com'])[0]);
    }

    public function test_all_that_is_wrong_with_a_request_is_told_at_once(): void
    {
        $answer = $this->ask('POST', '/api/accounts', [
            'username' => 'Alice!', 'domain' => 'com', 'password' => 'short', 'package' => 'Starter', 'nonsense' => 1,
        ]);
        self::assertProblem(422, 'invalid_request', $answer);
        self::assertSame(
            ['username', 'domain', 'password', 'external_ref', 'nonsense'],
            array_column($answer[1]['errors'], 'field'),
        );
        // PHP writes an empty array as a list, which is no object.
        self::assertProblem(422, 'invalid_request', $this->ask('POST', '/api/accounts', []));
        self::assertProblem(415, 'unsupported_media_type', $this->ask('POST', '/api/accounts'));
    }

    public function test_a_token_sees_its_own_accounts_alone(): void
    {
        $stranger = $this->panel->strangersAccount('bob', 'example.net');
        self::assertProblem(404, 'not_found', $this->ask('GET', '/api/accounts/' . $stranger['id']));
        self::assertProblem(404, 'not_found', $this->ask('DELETE', '/api/accounts/' . $stranger['id']));
        self::assertSame([200, []], $this->ask('GET', '/api/accounts'));
    }

    public function test_an_abuse_hold_outlives_the_bills_payment(): void
    {
        $this->order();
        [, $account] = $this->ask('POST', '/api/accounts/ref:s12/suspend', ['reason' => 'Overdue']);
        self::assertSame('suspended', $account['status']);
        $this->panel->asStaff('POST', '/api/accounts/' . $account['id'] . '/suspend', ['reason' => 'spam']);
        [$status, $account] = $this->ask('POST', '/api/accounts/ref:s12/unsuspend');
        self::assertSame([200, 'suspended'], [$status, $account['status']]);
        self::assertSame('The account stays suspended: abuse (spam).', $account['notice']);
        $refused = $this->ask('POST', '/api/accounts/ref:s12/unsuspend', ['hold' => 'abuse']);
        self::assertProblem(403, 'forbidden', $refused);
        $this->panel->asStaff('POST', '/api/accounts/' . $account['id'] . '/unsuspend');
        self::assertSame('active', $this->ask('GET', '/api/accounts/ref:s12')[1]['status']);
    }

    public function test_a_terminated_account_is_gone_and_not_unknown(): void
    {
        [, $account] = $this->order();
        [$status, $left] = $this->ask('DELETE', '/api/accounts/ref:s12?keep_days=3');
        self::assertSame([200, 'terminated'], [$status, $left['status']]);
        self::assertSame([200, $left], $this->ask('DELETE', '/api/accounts/ref:s12'));
        $gone = $this->ask('GET', '/api/accounts/ref:s12');
        self::assertProblem(410, 'account_gone', $gone);
        self::assertSame($left['restorable_until'], $gone[1]['restorable_until']);
        self::assertProblem(404, 'not_found', $this->ask('GET', '/api/accounts/ref:s13'));
        // The names are free, and the same order is one for a new account.
        [$status, $next] = $this->order();
        self::assertSame([201, $account['id']], [$status, $next['previous']['id']]);
        self::assertProblem(409, 'external_ref_taken', $this->ask('POST', "/api/accounts/{$account['id']}/restore"));
        $this->ask('DELETE', '/api/accounts/ref:s12?keep_days=0');
        $restored = $this->ask('POST', "/api/accounts/{$account['id']}/restore", ['username' => 'alice2']);
        self::assertSame([200, 'alice2'], [$restored[0], $restored[1]['username']]);
        self::assertProblem(410, 'account_gone', $this->ask('POST', "/api/accounts/{$next['id']}/restore"));
    }

    public function test_limits_below_what_is_used_are_refused_with_the_numbers(): void
    {
        $this->order();
        $this->panel->set(['usage' => ['alice' => ['disk_bytes' => 200 * 1024 ** 2 + 1]]]);
        $change = ['package' => 'Starter', 'limits' => ['disk_mib' => 100, 'mailboxes' => 5]];
        $refused = $this->ask('PUT', '/api/accounts/ref:s12/package', $change);
        self::assertProblem(409, 'limits_below_use', $refused);
        self::assertSame('disk_mib', $refused[1]['field']);
        self::assertStringContainsString('201 MiB are used, and its override allows 100', $refused[1]['detail']);
        [, $account] = $this->ask('PUT', '/api/accounts/ref:s12/package', $change + ['force' => true]);
        self::assertSame(['disk_mib' => 100, 'mailboxes' => 5], $account['overrides']);
        [, $account] = $this->ask('PUT', '/api/accounts/ref:s12/package', [
            'package' => 'Starter', 'limits' => ['mailboxes' => 7], 'keep_overrides' => false,
        ]);
        self::assertSame(
            [['mailboxes' => 7], ['disk_mib' => 100], 10240],
            [$account['overrides'], $account['dropped_overrides'], $account['limits']['disk_mib']],
        );
    }

    public function test_a_plan_changes_nothing(): void
    {
        self::assertFalse($this->ask('POST', '/api/accounts?plan=true', [
            'username' => 'alice', 'domain' => 'example.com', 'password' => 'password-1', 'package' => 'Starter',
            'external_ref' => 's12',
        ])[1]['empty']);
        self::assertSame([], $this->panel->state()['accounts']);
        $this->order();
        $before = $this->panel->account('s12');
        foreach ([['POST', 'suspend', ['reason' => 'x']], ['POST', 'repair', null], ['DELETE', '', null]] as $change) {
            [$method, $path, $body] = $change;
            $path = rtrim("/api/accounts/ref:s12/$path", '/');
            self::assertSame(200, $this->ask($method, "$path?plan=true", $body)[0], $path);
        }
        self::assertSame($before, $this->panel->account('s12'));
    }

    public function test_drift_is_shown_and_repaired(): void
    {
        $this->order();
        self::assertTrue($this->ask('GET', '/api/accounts/ref:s12/plan')[1]['empty']);
        $this->panel->set(['drift' => ['alice' => ['changes' => [['resource' => 'site', 'change' => 'made anew']]]]]);
        self::assertSame('made anew', $this->ask('GET', '/api/accounts/ref:s12/plan')[1]['changes'][0]['change']);
        self::assertNotNull($this->ask('GET', '/api/accounts/ref:s12')[1]['drift']);
        self::assertSame(200, $this->ask('POST', '/api/accounts/ref:s12/repair')[0]);
        self::assertTrue($this->ask('GET', '/api/accounts/ref:s12/plan')[1]['empty']);
    }

    public function test_an_operation_that_goes_on_keeps_others_out_and_is_done_when_it_is_done(): void
    {
        $this->order();
        $this->panel->script(['on' => 'POST *suspend', 'fault' => 'async', 'polls' => 2, 'end' => 'committed']);
        [$status, $operation] = $this->ask('POST', '/api/accounts/ref:s12/suspend', ['reason' => 'Overdue']);
        self::assertSame([202, 'suspend', 'running'], [$status, $operation['kind'], $operation['outcome']]);
        $busy = $this->ask('PUT', '/api/accounts/ref:s12/password', ['password' => 'password-2']);
        self::assertProblem(409, 'operation_running', $busy);
        self::assertSame($operation['id'], $busy[1]['operation_id']);
        $outcomes = [];
        for ($poll = 0; $poll < 3; $poll++) {
            $outcomes[] = $this->ask('GET', '/api/operations/' . $operation['id'])[1]['outcome'];
        }
        self::assertSame(['running', 'running', 'committed'], $outcomes);
        self::assertSame('suspended', $this->panel->account('s12')['status']);
    }

    public function test_what_is_undone_leaves_the_account_as_it_was(): void
    {
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'ends', 'end' => 'rolled_back']);
        self::assertProblem(502, 'provisioning_failed', $this->order());
        self::assertSame([], $this->panel->state()['accounts']);
        $this->order();
        $this->panel->script(['on' => 'DELETE *', 'fault' => 'ends', 'end' => 'rolled_back']);
        $failed = $this->ask('DELETE', '/api/accounts/ref:s12');
        self::assertProblem(502, 'provisioning_failed', $failed);
        self::assertStringContainsString('The account was not terminated.', $failed[1]['detail']);
        self::assertSame('active', $this->panel->account('s12')['status']);
    }

    public function test_what_can_go_neither_way_waits_for_a_person(): void
    {
        $this->order();
        $this->panel->script(['on' => 'DELETE *', 'fault' => 'ends', 'end' => 'needs_attention']);
        $stuck = $this->ask('DELETE', '/api/accounts/ref:s12');
        self::assertProblem(500, 'needs_attention', $stuck);
        self::assertSame('needs_attention', $this->ask('GET', '/api/accounts/ref:s12')[1]['status']);
        self::assertProblem(500, 'needs_attention', $this->ask('POST', '/api/accounts/ref:s12/unsuspend'));
        [$status, $operation] = $this->ask('POST', "/api/operations/{$stuck[1]['operation_id']}/retry");
        self::assertSame([200, 'committed'], [$status, $operation['outcome']]);
        self::assertProblem(410, 'account_gone', $this->ask('GET', '/api/accounts/ref:s12'));
    }

    public function test_a_server_that_does_not_answer_is_asked_for_nothing(): void
    {
        $this->order();
        $this->panel->set(['servers' => [['reachable' => false] + $this->panel->state()['servers'][0]]]);
        self::assertProblem(503, 'server_unreachable', $this->order(['username' => 'bob', 'domain' => 'example.net',
            'external_ref' => 's13']));
        self::assertProblem(503, 'server_unreachable', $this->ask('DELETE', '/api/accounts/ref:s12'));
        self::assertSame('active', $this->panel->account('s12')['status']);
        // The Panel's own record needs no server.
        self::assertSame(200, $this->ask('PATCH', '/api/accounts/ref:s12', ['next_due_on' => null])[0]);
        self::assertNull($this->panel->account('s12')['next_due_on']);
    }

    public function test_availability_reserves_nothing_and_suggests_a_free_name(): void
    {
        $this->order();
        [$status, $answer] = $this->ask('GET', '/api/availability?' . http_build_query([
            'domain' => 'bücher.example', 'username' => 'alice', 'package' => 'starter',
        ]));
        self::assertSame([200, false, 'alice2'], [$status, $answer['orderable'], $answer['suggestion']]);
        self::assertSame(
            ['domain_taken', 'username_taken', 'package_not_found', null],
            [
                $answer['domain']['problem']['code'], $answer['username']['problem']['code'],
                $answer['package']['problem']['code'], $answer['server']['problem'],
            ],
        );
        [, $answer] = $this->ask('GET', '/api/availability?domain=4ever-young.example');
        self::assertSame([true, 'everyoung', null], [$answer['orderable'], $answer['suggestion'], $answer['username']]);
        $this->panel->set(['servers' => [['max_accounts' => 1] + $this->panel->state()['servers'][0]]]);
        [, $answer] = $this->ask('GET', '/api/availability?domain=example.net');
        self::assertSame([false, 'server_full'], [$answer['orderable'], $answer['server']['problem']['code']]);
        self::assertProblem(409, 'server_full', $this->order(['username' => 'bob', 'domain' => 'example.net',
            'external_ref' => 's13']));
    }

    public function test_a_copy_of_the_installation_changes_nothing(): void
    {
        $this->order();
        $copy = 'url=https%3A%2F%2Fstaging.example.com&directory=%2Fsrv%2Fcopy';
        $refused = $this->ask('DELETE', '/api/accounts/ref:s12', null, FakePanel::TOKEN, $copy);
        self::assertProblem(403, 'other_caller', $refused);
        [, $self] = $this->ask('GET', '/api/self', null, FakePanel::TOKEN, $copy);
        self::assertSame(
            ['https://staging.example.com in /srv/copy', false],
            [$self['caller']['calls_from'], $self['caller']['allowed']],
        );
        $this->panel->allow('https://staging.example.com', '/srv/copy');
        self::assertSame(200, $this->ask('DELETE', '/api/accounts/ref:s12', null, FakePanel::TOKEN, $copy)[0]);
        // The same address written otherwise is the same address.
        $same = 'url=HTTPS%3A%2F%2FBilling.example.com%2F&directory=%2Fsrv%2Fwhmcs%2F';
        self::assertTrue($this->ask('GET', '/api/self', null, FakePanel::TOKEN, $same)[1]['caller']['allowed']);
        self::assertProblem(422, 'invalid_request', $this->ask('GET', '/api/self', null, FakePanel::TOKEN, 'nonsense'));
    }

    public function test_a_new_token_retires_the_old_one_when_it_is_first_used(): void
    {
        [$status, $made] = $this->ask('POST', '/api/self/token');
        self::assertSame([201, $this->panel->accessHash($made['token'])], [$status, $made['access_hash']]);
        self::assertSame(200, $this->ask('GET', '/api/self')[0]);
        self::assertSame(200, $this->ask('GET', '/api/self', null, $made['token'])[0]);
        self::assertProblem(401, 'unauthorized', $this->ask('GET', '/api/self'));
    }

    public function test_a_sign_in_link_works_once(): void
    {
        $this->order();
        $elsewhere = $this->ask('POST', '/api/accounts/ref:s12/sign-in', ['target' => '/etc']);
        self::assertProblem(422, 'invalid_request', $elsewhere);
        [$status, $link] = $this->ask('POST', '/api/accounts/ref:s12/sign-in', ['target' => 'usage']);
        self::assertSame(201, $status);
        $path = parse_url($link['url'], PHP_URL_PATH);
        self::assertSame([303, 410], [$this->ask('GET', $path)[0], $this->ask('GET', $path)[0]]);
        self::assertSame('usage', $this->panel->state()['sign_ins'][0]['target']);
        self::assertSame(201, $this->ask('POST', '/api/self/sign-in', new \stdClass())[0]);
    }

    public function test_usage_of_all_is_one_list_of_what_is_known(): void
    {
        $this->order();
        $this->order(['username' => 'bob', 'domain' => 'example.net', 'external_ref' => 's13']);
        $this->panel->set(['usage' => ['bob' => ['disk_bytes' => 5, 'traffic_bytes' => 6]]]);
        [, $all] = $this->ask('GET', '/api/usage?limit=10000');
        self::assertSame([['s12', null, null], ['s13', 5, 6]], array_map(
            static fn (array $one): array => [$one['external_ref'], $one['disk_bytes'], $one['traffic_bytes']],
            $all,
        ));
        self::assertSame(0, $this->ask('GET', '/api/accounts/ref:s12/usage')[1]['disk_bytes'], 'that one measures now');
        $this->ask('DELETE', '/api/accounts/ref:s12');
        self::assertCount(1, $this->ask('GET', '/api/usage')[1]);
    }

    public function test_lists_come_in_pages_that_leave_nothing_out(): void
    {
        foreach (['alice', 'bob', 'carol'] as $at => $username) {
            $this->order(['username' => $username, 'domain' => "$username.example", 'external_ref' => "s$at"]);
        }
        $this->panel->set(['accounts_per_page' => 2]);
        foreach (['/api/accounts', '/api/usage'] as $path) {
            $curl = fn (string $query): array => json_decode($this->raw($path . $query), true);
            $first = $curl('');
            self::assertSame([2, 3], [count($first['data']), $first['page']['total']]);
            $second = $curl('?cursor=' . $first['page']['next']);
            self::assertSame([1, null], [count($second['data']), $second['page']['next']]);
        }
    }

    public function test_a_token_without_the_scope_is_refused(): void
    {
        $this->panel->set(['scopes' => ['self.read']]);
        self::assertProblem(403, 'forbidden', $this->order());
        self::assertProblem(401, 'unauthorized', $this->ask('GET', '/api/self', null, 'another'));
        self::assertProblem(404, 'not_found', $this->ask('GET', '/api/nothing'));
        self::assertProblem(405, 'method_not_allowed', $this->ask('PUT', '/api/self'));
    }

    /** @dataProvider faults */
    public function test_a_fault_hits_the_request_that_it_is_for_and_is_used_up(
        array $rule,
        bool $carriedOut,
        int $status,
    ): void {
        $this->order();
        $this->panel->script($rule + ['on' => 'POST /api/accounts/*/suspend']);
        self::assertSame(200, $this->ask('GET', '/api/self')[0]);
        self::assertSame($status, $this->ask('POST', '/api/accounts/ref:s12/suspend', ['reason' => 'Overdue'])[0]);
        self::assertSame($carriedOut ? 'suspended' : 'active', $this->panel->account('s12')['status']);
        // Whoever asks lets a running operation end.
        self::assertSame(200, $this->ask('GET', '/api/accounts/ref:s12')[0]);
        self::assertSame(200, $this->ask('POST', '/api/accounts/ref:s12/suspend', ['reason' => 'Overdue'])[0]);
    }

    public function faults(): array
    {
        return [
            [['fault' => 'drop_before'], false, 0],
            [['fault' => 'drop_after'], true, 0],
            [['fault' => 'half'], true, 0],
            [['fault' => 'truncate'], true, 200],
            [['fault' => 'html', 'status' => 502], false, 502],
            [['fault' => 'redirect'], false, 302],
            [['fault' => 'delay', 'seconds' => 0.01], true, 200],
            [['fault' => 'async', 'polls' => 0, 'end' => 'committed'], false, 202],
            [['fault' => 'reply', 'status' => 429, 'body' => [], 'headers' => ['Retry-After' => '1']], false, 429],
        ];
    }

    public function test_a_fault_may_last(): void
    {
        $this->panel->script(['on' => '* *', 'fault' => 'drop_before', 'times' => 0]);
        $answers = [$this->ask('GET', '/api/self')[0], $this->order()[0], $this->ask('GET', '/api/self')[0]];
        self::assertSame([0, 0, 0], $answers);
        $this->panel->script(['on' => 'GET /api/self', 'fault' => 'html', 'status' => 500, 'times' => 2]);
        self::assertSame(
            [500, 500, 200],
            [$this->ask('GET', '/api/self')[0], $this->ask('GET', '/api/self')[0], $this->ask('GET', '/api/self')[0]],
        );
    }

    public function test_nothing_is_left_of_a_test_when_the_next_one_begins(): void
    {
        $this->order();
        $this->panel->script(['on' => 'GET /api/self', 'fault' => 'drop_before', 'times' => 0]);
        $this->panel->set(['scopes' => ['self.read']]);
        $this->panel->reset();
        self::assertSame(
            [[], [], 16],
            [$this->panel->state()['accounts'], $this->panel->requests(), count($this->panel->state()['scopes'])],
        );
        self::assertSame(200, $this->ask('GET', '/api/self')[0]);
        self::assertSame(201, $this->order()[0]);
    }

    public function test_requests_can_be_looked_at_afterwards(): void
    {
        $this->order();
        $this->ask('GET', '/api/accounts?external_ref=s12');
        self::assertSame('s12', $this->panel->requests('GET', '/api/accounts')[0]['query']['external_ref']);
        self::assertSame(self::CALLER, $this->panel->requests('POST', '*')[0]['headers']['opterius-caller']);
        self::assertSame('alice', $this->panel->requests('POST')[0]['body']['username']);
        self::assertSame(1, $this->panel->changes());
    }

    private function raw(string $path): string
    {
        $curl = curl_init("https://127.0.0.1:{$this->panel->port}$path");
        curl_setopt_array($curl, [
            CURLOPT_RETURNTRANSFER => true, CURLOPT_PROXY => '', CURLOPT_CAINFO => $this->panel->certificate->file,
            CURLOPT_HTTPHEADER => ['Authorization: Bearer ' . FakePanel::TOKEN],
        ]);
        return (string) curl_exec($curl);
    }
}
