<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;
use WHMCS\Database\Capsule;

/** Sync Accounts: what is missing in the list, WHMCS offers to mark as terminated. */
final class ListAccountsTest extends PanelTestCase
{
    public function test_every_service_is_found_in_the_list(): void
    {
        $services = $this->services(5);
        $this->panel->set(['accounts_per_page' => 2]);
        $sync = $this->installation->syncAccounts();
        self::assertNull($sync->error);
        self::assertSame(array_column($services, 'id'), array_keys($sync->matched));
        self::assertSame([[], []], [$sync->missing, $sync->unknown]);
        self::assertSame(
            [
                'email' => 'ada@example.org',
                'username' => 'acc1',
                'domain' => 'acc1.com',
                'uniqueIdentifier' => $this->panel->account('s101')['id'],
                'product' => FakePanel::PACKAGE_ID,
                'primaryip' => '192.0.2.1',
                'created' => date('Y-m-d H:i:s', intdiv($this->panel->account('s101')['created_at'], 1_000_000)),
                'status' => 'Active',
            ],
            $sync->matched[101],
        );
    }

    public function test_a_service_is_known_by_what_never_changes(): void
    {
        [$service] = $this->services(1);
        $service->edit(['username' => 'renamed', 'domain' => 'renamed.com']);
        $sync = $this->installation->syncAccounts();
        self::assertSame([101], array_keys($sync->matched));
        $fields = opterius_MetaData();
        self::assertSame('customfield.Opterius Account ID', $fields['ListAccountsUniqueIdentifierField']);
        self::assertSame('Opterius Account ID', $fields['ListAccountsUniqueIdentifierDisplayName']);
        self::assertSame('configoption1', $fields['ListAccountsProductField']);
    }

    public function test_a_service_that_whmcs_has_written_no_account_id_for_is_found_all_the_same(): void
    {
        [$service, $other] = $this->services(2);
        $service->properties->save(['Opterius Account ID' => '']);
        $other->properties->save(['Opterius Account ID' => 'of an account that it had before']);
        $sync = $this->installation->syncAccounts();
        self::assertSame([101, 102], array_keys($sync->matched));
        self::assertSame($this->panel->account('s101')['id'], $service->properties->get('Opterius Account ID'));
    }

    public function test_listing_writes_nothing_that_is_right_already_and_nothing_to_services_that_are_not_this_servers(): void
    {
        [$known, $moved, $cancelled] = $this->services(3);
        $this->installation->server(null, ['id' => 2]);
        $moved->properties->save(['Opterius Account ID' => '']);
        $moved->edit(['server' => 2]);
        $cancelled->properties->save(['Opterius Account ID' => '']);
        $cancelled->edit(['domainstatus' => 'Cancelled']);
        Capsule::connection()->enableQueryLog();
        Capsule::connection()->flushQueryLog();
        self::assertSame([101], array_keys($this->installation->syncAccounts()->matched));
        foreach (Capsule::connection()->getQueryLog() as $query) {
            self::assertStringStartsWith('select', $query['query']);
        }
        self::assertSame(['', ''], [
            $moved->properties->get('Opterius Account ID'), $cancelled->properties->get('Opterius Account ID'),
        ]);
    }

    public function test_only_what_is_held_is_suspended(): void
    {
        [$active, $suspended, $stuck] = $this->services(3);
        self::assertSame('success', $suspended->suspend());
        $accounts = $this->panel->state()['accounts'];
        foreach ($accounts as &$account) {
            if ($account['external_ref'] === "s{$stuck->id}") {
                $account['status'] = 'needs_attention';
            }
        }
        $this->panel->set(['accounts' => $accounts]);
        $matched = $this->installation->syncAccounts()->matched;
        self::assertSame(
            ['Active', 'Suspended', 'Active'],
            array_map(static fn (Service $service): string => $matched[$service->id]['status'], [$active, $suspended, $stuck]),
        );
    }

    public function test_an_account_that_no_service_is_for_can_be_imported_into_its_product(): void
    {
        [$service] = $this->services(1);
        $service->edit(['domainstatus' => 'Cancelled']);
        $sync = $this->installation->syncAccounts();
        [$unknown] = $sync->unknown;
        self::assertSame('acc1', $sync->import($unknown, 3)->row()['username']);
    }

    public function test_a_product_whose_package_was_typed_is_found_by_the_name(): void
    {
        $this->installation->product(['id' => 1, 'configoption1' => 'Starter']);
        $this->services(1);
        self::assertSame('Starter', $this->installation->syncAccounts()->matched[101]['product']);
    }

    /** @dataProvider failures */
    public function test_a_list_that_is_not_whole_is_an_error_and_no_list(string $error, array ...$rules): void
    {
        $this->services(5);
        $this->panel->set(['accounts_per_page' => 2]);
        $this->panel->script(...$rules);
        $sync = $this->installation->syncAccounts();
        self::assertSentence($error, (string) $sync->error);
        self::assertSame([[], []], [$sync->missing, $sync->unknown]);
        $sync->markMissingAsTerminated();
        self::assertSame('Active', (new Service($this->installation, 101))->status);
    }

    public function failures(): array
    {
        $on = ['on' => 'GET /api/accounts'];
        $changing = 'The accounts changed while they were read';
        return [
            'the Panel is down' => ['127.0.0.1:', $on + ['fault' => 'drop_before', 'times' => 0]],
            'a page breaks off' => ['127.0.0.1:', $on + ['fault' => 'half']],
            'a page is garbled' => ['127.0.0.1:', $on + ['fault' => 'truncate']],
            'a page is from a proxy' => ['127.0.0.1:', $on + ['fault' => 'html', 'status' => 502]],
            'a page is from another web server' => ['127.0.0.1:', $on + ['fault' => 'html', 'status' => 404]],
            'the second page does not come' => [
                '127.0.0.1:', self::page([], 'next', 5, '1'), $on + ['fault' => 'drop_before', 'times' => 0],
            ],
            'the list is shorter than it says' => [$changing, self::page([], null, 5, '1') + ['times' => 0]],
            'the list is longer than it says' => [$changing, self::page([['id' => 'x']], null, 0, '1') + ['times' => 0]],
            'an account is in it twice' => [
                $changing, self::page([['id' => 'x'], ['id' => 'x']], null, 2, '1') + ['times' => 0],
            ],
            'its pages are of different moments' => [
                $changing,
                ...array_merge(...array_fill(0, 4, [
                    self::page([['id' => 'x']], 'next', 2, '1'), self::page([['id' => 'y']], null, 2, '2'),
                ])),
            ],
            'it does not say of which moment it is' => ['127.0.0.1:', self::page([], null, 0, null)],
            'it does not say how long it is' => ['127.0.0.1:', self::page([], null, null, '1')],
            'it holds something else' => ['127.0.0.1:', self::page(['x'], null, 1, '1')],
            'the token may not read it' => [
                'The token `whmcs` may not do this',
                $on + ['fault' => 'reply', 'status' => 403, 'body' => [
                    'code' => 'forbidden', 'detail' => 'The token `whmcs` may not do this.',
                ]],
            ],
        ];
    }

    public function test_a_list_that_changes_while_it_is_read_is_read_again(): void
    {
        $this->services(5);
        $this->panel->set(['accounts_per_page' => 2]);
        $this->panel->script(self::page([['id' => 'gone']], null, 5, '1'));
        $sync = $this->installation->syncAccounts();
        self::assertNull($sync->error);
        self::assertCount(5, $sync->matched);
    }

    public function test_no_accounts_at_all_is_a_list_too(): void
    {
        $sync = $this->installation->syncAccounts();
        self::assertNull($sync->error);
        self::assertSame([], $sync->unknown);
    }

    private static function page(array $data, ?string $next, ?int $total, ?string $snapshot): array
    {
        return ['on' => 'GET /api/accounts', 'fault' => 'reply', 'status' => 200, 'body' => [
            'data' => $data, 'page' => ['next' => $next, 'total' => $total, 'snapshot' => $snapshot],
        ]];
    }

    /** @return list<Service> */
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
}
