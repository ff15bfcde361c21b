<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Whmcs;
use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Opterius\AccessHash;
use WHMCS\Module\Server\Opterius\Address;
use WHMCS\Module\Server\Opterius\ModuleLog;
use WHMCS\Module\Server\Opterius\Panel;
use WHMCS\Module\Server\Opterius\Params;
use WHMCS\Module\Server\Opterius\Patience;
use WHMCS\Module\Server\Opterius\Secrets;

final class CreateAccountTest extends PanelTestCase
{
    private const PROBLEM = ['type' => 'about:blank', 'title' => 'A problem', 'retryable' => false];

    // The straight way.

    public function test_an_order_becomes_an_active_service(): void
    {
        $whmcs = $this->whmcs();
        self::assertSame('success', $whmcs->create());
        self::assertSame(['Active', 1], [$whmcs->status, $whmcs->welcomeMails]);
        $this->assertAccountsAndOrders(1, 1);
        $order = $this->panel->requests('POST')[0];
        self::assertSame([
            'username' => 'examplec',
            'domain' => 'example.com',
            'password' => 'Kx7dQ2mVw9',
            'external_ref' => 's12',
            'email' => 'ada@example.org',
            'client_ref' => 'c3',
            'next_due_on' => $whmcs->row()['nextduedate'],
            'package_id' => FakePanel::PACKAGE_ID,
        ], $order['body']);
        self::assertMatchesRegularExpression('/^[A-Za-z0-9._-]{8,64}$/D', $order['request_id']);
    }

    public function test_pressing_create_again_finds_the_same_account_and_sets_the_password(): void
    {
        self::assertSame('success', $this->whmcs()->create());
        self::assertSame('success', $this->whmcs(['password' => 'another-one-1'])->create());
        $this->assertAccountsAndOrders(1, 2);
        self::assertSame(['examplec' => 'another-one-1'], $this->panel->state()['passwords']);
    }

    public function test_a_package_can_be_given_by_its_exact_name(): void
    {
        self::assertSame('success', $this->whmcs(['configoption1' => 'Starter'])->create());
        self::assertSame('Starter', $this->panel->requests('POST')[0]['body']['package']);
    }

    public function test_a_package_name_that_whmcs_encoded_is_found(): void
    {
        $this->panel->set(['packages' => [['id' => 'x', 'name' => 'R&D "1"', 'limits' => []]]]);
        self::assertSame('success', $this->whmcs(['configoption1' => 'R&amp;D &quot;1&quot;'])->create());
        self::assertSame(
            ['R&amp;D &quot;1&quot;', 'R&D "1"'],
            array_column(array_column($this->panel->requests('POST'), 'body'), 'package'),
        );
    }

    public function test_a_package_that_is_really_called_so_is_taken_as_it_is(): void
    {
        $this->panel->set(['packages' => [['id' => 'x', 'name' => 'R&amp;D', 'limits' => []]]]);
        self::assertSame('success', $this->whmcs(['configoption1' => 'R&amp;D'])->create());
        $this->assertAccountsAndOrders(1, 1);
    }

    public function test_an_encoded_password_arrives_as_the_customer_typed_it(): void
    {
        self::assertSame('success', $this->whmcs(['password' => 'R&amp;D&lt;&quot;1&#039;&gt;x'])->create());
        self::assertSame(['examplec' => 'R&D<"1\'>x'], $this->panel->state()['passwords']);
    }

    public function test_the_account_is_made_on_the_server_that_the_product_names(): void
    {
        $this->panel->set(['servers' => [
            ['id' => 's1', 'name' => 'web1', 'hostname' => 'web1.test', 'reachable' => true],
            ['id' => 's2', 'name' => 'web2', 'hostname' => 'web2.test', 'reachable' => true],
        ]]);
        self::assertSame('success', $this->whmcs(['configoption6' => ' web2 '])->create());
        self::assertSame('web2', $this->panel->state()['accounts'][0]['server']['name']);
        $sentence = $this->whmcs(['configoption6' => 'web9', 'serviceid' => 13])->create();
        self::assertSentence('There is no server `web9`. Correct the setting Server Name of the product', $sentence);
    }

    public function test_the_limits_that_were_sold_beside_the_package_are_set(): void
    {
        $whmcs = $this->whmcs([
            'configoption7' => '20 GB',
            'configoption12' => 'unlimited',
            'configoptions' => ['disk_mib' => 51200, 'databases' => '3', 'mailboxes' => 0, 'Backups' => 'weekly'],
        ]);
        self::assertSame('success', $whmcs->create());
        self::assertSame(
            ['disk_mib' => 51200, 'cpu_percent' => 0, 'databases' => 3],
            $this->panel->state()['accounts'][0]['overrides'],
        );
        self::assertStringContainsString(
            'These configurable options mean nothing to the Panel: Backups',
            Whmcs::log()->text(),
        );
        // Again: nothing to set any more.
        self::assertSame('success', $whmcs->create());
        self::assertCount(1, $this->panel->requests('PUT'));
    }

    public function test_an_account_without_the_limits_that_were_sold_is_no_success(): void
    {
        $this->panel->script(['on' => 'PUT /api/accounts/*/package', 'fault' => 'reply', 'status' => 503, 'body' => [
            'code' => 'server_unreachable', 'detail' => 'The server web1 does not answer.',
        ]]);
        $whmcs = $this->whmcs(['configoption7' => '20 GB']);
        self::assertSentence(
            'The account was created, but does not yet have the limits that were sold. The server web1 does not answer.',
            $whmcs->create(),
        );
        self::assertSame('Pending', $whmcs->status);
        self::assertSame('success', $whmcs->create());
        self::assertSame(['disk_mib' => 20480], $this->panel->state()['accounts'][0]['overrides']);
        self::assertCount(1, $this->panel->state()['accounts']);
    }

    public function test_an_email_address_that_the_panel_does_not_take_costs_no_order(): void
    {
        $client = ['id' => 3, 'email' => "o'brien@example.org"];
        self::assertSame('success', $this->whmcs(['clientsdetails' => $client])->create());
        self::assertNull($this->panel->account('s12')['email']);
        self::assertStringContainsString('The order goes without the client\'s e-mail address.', Whmcs::log()->text());
        // With something else wrong beside it, all of it is told.
        $sentence = $this->whmcs(['clientsdetails' => $client, 'username' => '4u', 'serviceid' => 13])->create();
        self::assertSentence('2 fields are not valid: username, email.', $sentence);
    }

    public function test_limits_that_nobody_knows_to_be_set_are_no_success(): void
    {
        // The create is known to have been carried out under the same request id, which says nothing of the limits.
        $this->panel->script(['on' => 'PUT /api/accounts/*/package', 'fault' => 'drop_before', 'times' => 0]);
        self::assertSentence(
            'The account was created, but does not yet have the limits that were sold. It is not known whether the limits',
            $this->whmcs(['configoption7' => '20 GB'])->create(self::SHORT_BUDGET),
        );
    }

    // Add-ons and resellers.

    public function test_an_addon_is_ordered_under_its_own_reference(): void
    {
        self::assertSame('success', $this->whmcs(['addonId' => 7])->create());
        self::assertSame('a7', $this->panel->state()['accounts'][0]['external_ref']);
    }

    public function test_an_addon_is_an_account_beside_its_services(): void
    {
        $service = $this->whmcs();
        self::assertSame('success', $service->create());
        $addon = $this->installation->addon($service, ['id' => 7]);
        $addon->properties->save(['Domain' => 'second.example']);
        self::assertSame('success', $addon->create());
        self::assertSame('Active', $addon->status);
        $account = $this->panel->state()['accounts'][1];
        self::assertSame(['a7', 'second.example', 'c3'], [
            $account['external_ref'], $account['domain'], $account['client_ref'],
        ]);
        // What WHMCS did not have is now in the fields of the add-on.
        self::assertSame($account['username'], $addon->properties->get('Username'));
        self::assertSame($account['id'], $addon->properties->get('Opterius Account ID'));
        self::assertSame('192.0.2.1', $addon->properties->get('Dedicated IP'));
        $password = $addon->properties->get('Password');
        self::assertSame($password, $this->panel->state()['passwords'][$account['username']]);
        self::assertStringNotContainsString($password, Whmcs::log()->text());
        // Again: the same account, name and password.
        self::assertSame('success', $addon->create());
        self::assertCount(2, $this->panel->state()['accounts']);
        self::assertSame($password, $this->panel->state()['passwords'][$account['username']]);
    }

    public function test_an_addon_with_its_services_domain_says_where_to_enter_another(): void
    {
        $service = $this->whmcs();
        $service->create();
        $addon = $this->installation->addon($service);
        $sentence = $addon->create();
        self::assertSentence('The domain `example.com` already belongs to the account', $sentence);
        self::assertStringContainsString('enter a domain of its own in its field Domain', $sentence);
        self::assertSame('example.com', $addon->properties->get('Domain'));
        $addon->properties->save(['Domain' => 'second.example']);
        self::assertSame('success', $addon->create());
    }

    public function test_a_reseller_account_is_refused_with_a_sentence(): void
    {
        $whmcs = $this->whmcs(['producttype' => 'reselleraccount']);
        self::assertSentence('This product is a reseller account, which Opterius does not have yet.', $whmcs->create());
        self::assertSame([], $this->panel->requests());
    }

    public function test_one_client_on_two_servers_has_two_accounts_of_one_number(): void
    {
        $other = new FakePanel($this->panel->certificate);
        $this->installation->server($other, ['id' => 2]);
        self::assertSame('success', $this->whmcs()->create());
        $moved = $this->installation->adopt(['serverid' => 2]);
        self::assertSame('success', $moved->create());
        self::assertSame('success', $moved->suspend('moved'));
        self::assertSame('suspended', $other->state()['accounts'][0]['status']);
        self::assertSame('active', $this->panel->state()['accounts'][0]['status']);
    }

    // What WHMCS does not know.

    public function test_a_client_without_a_last_name_is_a_client(): void
    {
        self::assertSame('success', $this->whmcs(['clientsdetails' => ['id' => 3, 'lastname' => '']])->create());
        self::assertArrayNotHasKey('email', $this->panel->requests('POST')[0]['body']);
    }

    public function test_a_service_without_a_domain_says_so(): void
    {
        $sentence = $this->whmcs(['domain' => ' '])->create();
        self::assertSentence('This service has no domain. Enter one in the service record. Then press', $sentence);
        self::assertSame([], $this->panel->requests());
    }

    public function test_a_service_without_a_username_gets_one_that_is_free_and_keeps_it(): void
    {
        $this->whmcs(['serviceid' => 1, 'domain' => 'example.net', 'username' => 'example'])->create();
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'reply', 'status' => 503, 'body' => [
            'code' => 'server_unreachable', 'detail' => 'The server web1 does not answer.',
        ]]);
        $whmcs = $this->whmcs(['username' => '']);
        self::assertNotSame('success', $whmcs->create());
        self::assertSame('example2', $whmcs->row()['username']);
        self::assertSame('success', $whmcs->create());
        self::assertSame('example2', $this->panel->state()['accounts'][1]['username']);
    }

    public function test_a_service_whose_username_was_lost_finds_it_again(): void
    {
        $this->whmcs(['username' => 'chosen'])->create();
        $whmcs = $this->whmcs(['username' => '']);
        self::assertSame('success', $whmcs->create());
        self::assertSame('chosen', $whmcs->row()['username']);
        self::assertCount(1, $this->panel->state()['accounts']);
    }

    public function test_a_username_is_made_up_where_the_panel_gives_none(): void
    {
        $this->panel->script(
            ['on' => 'GET /api/accounts/ref:s12', 'fault' => 'html', 'status' => 502],
            ['on' => 'GET /api/availability', 'fault' => 'html', 'status' => 502],
        );
        self::assertSame('success', $this->whmcs(['username' => ''])->create());
        self::assertSame('example12', $this->panel->state()['accounts'][0]['username']);
    }

    public function test_a_service_that_is_free_has_no_due_date(): void
    {
        $whmcs = $this->whmcs();
        $whmcs->edit(['nextduedate' => '0000-00-00']);
        self::assertSame('success', $whmcs->create());
        self::assertArrayNotHasKey('next_due_on', $this->panel->requests('POST')[0]['body']);
    }

    public function test_an_international_domain_is_sent_as_an_a_label_and_shown_as_it_was_sold(): void
    {
        foreach (['Bücher.Example', 'xn--bcher-kva.example', ' bücher.example. '] as $number => $domain) {
            $service = $this->whmcs(['domain' => $domain]);
            self::assertSame('success', $service->create(), $domain);
            self::assertSame('xn--bcher-kva.example', $this->panel->requests('POST')[$number]['body']['domain']);
            self::assertSame($domain, $service->row()['domain']);
        }
        self::assertCount(1, $this->panel->state()['accounts']);
    }

    // What is written back.

    public function test_the_id_and_the_address_of_the_account_are_saved(): void
    {
        $whmcs = $this->whmcs(['domain' => 'Example.COM']);
        $whmcs->create();
        self::assertSame(
            ['Opterius Account ID' => $this->panel->state()['accounts'][0]['id'], 'Dedicated IP' => '192.0.2.1'],
            $whmcs->properties->saved,
        );
        self::assertSame('192.0.2.1', $whmcs->row()['dedicatedip']);
        self::assertSame('Example.COM', $whmcs->row()['domain']);
    }

    public function test_a_returning_client_gets_a_new_account_and_staff_hear_what_could_be_restored(): void
    {
        $whmcs = $this->whmcs();
        $whmcs->create();
        $former = $this->panel->state()['accounts'][0]['id'];
        self::assertSame('success', $whmcs->terminate());
        self::assertSame('success', $whmcs->create());
        $now = $this->panel->state()['accounts'][0]['id'];
        self::assertNotSame($former, $now);
        self::assertSame($now, $whmcs->properties->get('Opterius Account ID'));
        $until = gmdate('Y-m-d', intdiv($this->panel->state()['terminated'][0]['restorable_until'], 1_000_000));
        $told = "The former account of this service ($former) was terminated and can be restored until $until";
        self::assertStringContainsString($told, Whmcs::log()->text());
        self::assertStringContainsString($told, $this->activity());
        self::assertStringContainsString('Service ID: 12', $this->activity());
    }

    private function activity(): string
    {
        return Capsule::table('tblactivitylog')->pluck('description')->implode("\n");
    }

    public function test_a_username_that_the_panel_changed_is_saved(): void
    {
        $this->panel->set(['username_suffix' => '1']);
        $whmcs = $this->whmcs();
        self::assertSame('success', $whmcs->create());
        self::assertSame('examplec1', $whmcs->properties->get('Username'));
    }

    public function test_a_failure_to_save_does_not_fail_the_order(): void
    {
        $whmcs = $this->whmcs();
        $whmcs->properties->broken = true;
        self::assertSame('success', $whmcs->create());
        self::assertStringContainsString(
            'WHMCS did not save Opterius Account ID, Dedicated IP: SQLSTATE',
            Whmcs::log()->text(),
        );
    }

    public function test_a_service_without_a_model_is_fine(): void
    {
        self::assertSame('success', opterius_CreateAccount($this->params()));
        self::assertSame('success', opterius_CreateAccount($this->params(['model' => null])));
    }

    // Answers that say no.

    public function test_an_unknown_package_starts_with_the_words_that_the_instructions_name(): void
    {
        $whmcs = $this->whmcs(['configoption1' => 'starter']);
        self::assertSentence('Package not found: there is no package `starter`;', $whmcs->create());
        self::assertSame('Pending', $whmcs->status);
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'reply', 'status' => 404, 'body' => [
            'code' => 'package_not_found', 'detail' => 'There is no such package',
        ] + self::PROBLEM]);
        self::assertSentence('Package not found: There is no such package.', $whmcs->create());
        // A name with a blank behind it cannot be any package's, which the Panel says in other words.
        $detail = '`Starter ` is not a package name: it starts or ends with white space';
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'reply', 'status' => 422, 'body' => [
            'code' => 'invalid_request', 'detail' => $detail . '.', 'field' => 'package',
            'errors' => [['field' => 'package', 'code' => 'invalid', 'detail' => $detail]],
        ] + self::PROBLEM]);
        self::assertSentence("Package not found: $detail. Choose the package in the product's", $whmcs->create());
    }

    public function test_a_retired_package_says_what_to_do_and_is_no_matter_to_who_has_it(): void
    {
        $whmcs = $this->whmcs();
        self::assertSame('success', $whmcs->create());
        $packages = $this->panel->state()['packages'];
        $this->panel->set(['packages' => [['retired' => true] + $packages[0]]]);
        self::assertSame('success', $whmcs->create());
        $sentence = $this->whmcs(['serviceid' => 99, 'domain' => 'example.net', 'username' => 'other'])->create();
        self::assertSentence('The package `Starter` is retired: accounts that have it keep it, and no other gets it. Choose '
            . "another package in the product's Module Settings", $sentence);
    }

    public function test_a_taken_username_and_a_taken_domain_say_what_to_do(): void
    {
        $this->whmcs(['serviceid' => 1])->create();
        $sentence = $this->whmcs(['domain' => 'example.net'])->create();
        self::assertSentence('The username `examplec` is already used by the account ', $sentence);
        self::assertStringContainsString('Give this service another username and order it again.', $sentence);
        $sentence = $this->whmcs(['username' => 'other'])->create();
        self::assertSentence('The domain `example.com` already belongs to the account ', $sentence);
        self::assertStringContainsString('(`s1`). Order another domain', $sentence);
        $this->assertAccountsAndOrders(1, 3);
    }

    /** @dataProvider definite */
    public function test_a_definite_no_is_told_at_once(int $status, array $problem, string $start, string $within): void
    {
        $this->panel->script([
            'on' => 'POST /api/accounts', 'fault' => 'reply', 'status' => $status, 'body' => $problem + self::PROBLEM,
        ]);
        $sentence = $this->whmcs()->create();
        self::assertSentence($start, $sentence);
        self::assertStringContainsString($within, $sentence);
        self::assertCount(1, $this->panel->requests());
    }

    public function definite(): array
    {
        return [
            'provisioning failed' => [
                502,
                ['code' => 'provisioning_failed', 'operation_id' => 'op-1',
                    'detail' => 'The step dns zone failed; everything was undone'],
                'The step dns zone failed; everything was undone. ',
                ' Operation op-1. (request',
            ],
            'server unreachable' => [
                503,
                ['code' => 'server_unreachable', 'detail' => 'The server web1 does not answer.', 'hint' => 'Wait.'],
                'The server web1 does not answer. Wait. (request',
                '',
            ],
            'needs attention' => [
                500,
                ['code' => 'needs_attention', 'operation_id' => 'op-2', 'detail' => 'The zone could not be removed.'],
                'The zone could not be removed. Somebody with access to the Panel has to look',
                'Operation op-2.',
            ],
            'another order' => [
                409,
                ['code' => 'external_ref_mismatch', 'detail' => 'The username differs: a, not b.'],
                'The username differs: a, not b. An account for this service exists already',
                '',
            ],
            'suspended' => [
                409,
                ['code' => 'account_suspended', 'detail' => 'The account is suspended.'],
                'The account is suspended. Unsuspend the account instead',
                '',
            ],
            'field errors' => [
                422,
                ['code' => 'invalid_request', 'detail' => 'The request is not valid.', 'errors' => [
                    ['field' => 'username', 'code' => 'reserved', 'detail' => '`root` is reserved.'],
                    ['field' => 'password', 'code' => 'short', 'detail' => 'Use 8 to 128 characters'],
                ]],
                'The request is not valid. username: `root` is reserved. password: Use 8 to 128 characters. (request',
                '',
            ],
            'token' => [
                401,
                ['code' => 'unauthorized', 'detail' => 'The token has expired.'],
                'The Panel refused the token in the Access Hash. The token has expired. Create a new WHMCS token',
                '',
            ],
            'too many requests' => [
                429,
                ['code' => 'too_many_requests', 'detail' => 'Too many requests.'],
                'Too many requests. Wait a minute',
                '',
            ],
            'markup in a message' => [
                422,
                ['code' => 'invalid_request', 'detail' => "`<img src=x>\n` is not a domain."],
                '`‹img src=x› ` is not a domain.',
                '',
            ],
        ];
    }

    /** @dataProvider putOff */
    public function test_an_order_that_was_put_off_is_sent_again_in_the_cron_while_there_is_time(array $waits, int $sends, string $text): void
    {
        $this->panel->script(...self::putOffFor(...$waits));
        $sentence = $this->whmcs()->create();
        self::assertCount($sends, $this->panel->requests('POST', '/api/accounts'));
        if ($text === 'success') {
            self::assertSame('success', $sentence);
            self::assertNotNull($this->panel->account('s12'));
        } else {
            self::assertSentence($text, $sentence);
            self::assertNull($this->panel->account('s12'));
        }
    }

    public function putOff(): array
    {
        $told = 'The token `whmcs` has sent too many requests. Wait a minute and press Create again: nothing was done.';
        return [
            'a short wait' => [['1'], 2, 'success'],
            'a longer wait' => [['6'], 2, 'success'],
            'again and again' => [['0', '0', '1'], 4, 'success'],
            'longer than there is time' => [['1', '60'], 2, $told],
            'no number' => [['Fri, 31 Dec 1999 23:59:59 GMT'], 1, $told],
        ];
    }

    /** @dataProvider putOffAtABrowser */
    public function test_what_was_put_off_is_sent_once_more_at_a_browser_and_only_after_a_short_wait(
        array $waits,
        int $sends,
        int $status,
    ): void {
        $this->panel->script(...self::putOffFor(...$waits));
        $params = new Params($this->params());
        $panel = new Panel(
            Address::fromParams($params),
            AccessHash::parse($params->text('serveraccesshash')),
            'r1',
            new ModuleLog('CreateAccount', Secrets::fromParams($params)),
            new Patience(Patience::budget('fpm-fcgi'), 'fpm-fcgi'),
        );
        // An empty order, which the Panel refuses once it looks at it.
        self::assertSame($status, $panel->post('/api/accounts', [], 20.0)->status);
        self::assertCount($sends, $this->panel->requests('POST', '/api/accounts'));
    }

    public function putOffAtABrowser(): array
    {
        return [
            'a short wait' => [['1'], 2, 422],
            'a longer wait' => [['6'], 1, 429],
            'again and again' => [['0', '0', '0'], 2, 429],
        ];
    }

    private static function putOffFor(string ...$waits): array
    {
        return array_map(static fn (string $wait): array => [
            'on' => 'POST /api/accounts', 'fault' => 'reply', 'status' => 429, 'headers' => ['Retry-After' => $wait],
            'body' => ['code' => 'too_many_requests', 'detail' => 'The token `whmcs` has sent too many requests.', 'hint' => 'x'],
        ], $waits);
    }

    public function test_a_panel_that_nobody_reached_is_a_definite_failure(): void
    {
        $sentence = $this->whmcs(['serverhostname' => 'no.such.invalid'])->create();
        self::assertSentence('The name no.such.invalid cannot be resolved.', $sentence);
    }

    // Answers that got lost.

    /** @dataProvider lost */
    public function test_a_lost_answer_ends_in_success_with_one_account(array ...$rules): void
    {
        $this->panel->script(...array_map(
            static fn (array $rule): array => $rule + ['on' => 'POST /api/accounts'],
            $rules,
        ));
        $whmcs = $this->whmcs();
        self::assertSame('success', $whmcs->create());
        self::assertSame(['Active', 1], [$whmcs->status, $whmcs->welcomeMails]);
        $this->assertAccountsAndOrders(1, count($rules) + 1);
        self::assertSame(['examplec' => 'Kx7dQ2mVw9'], $this->panel->state()['passwords']);
    }

    public function lost(): array
    {
        return [
            'dropped before it was carried out' => [['fault' => 'drop_before']],
            'dropped after it was carried out' => [['fault' => 'drop_after']],
            'asked before the first one arrives' => [['fault' => 'late']],
            'half an answer' => [['fault' => 'half']],
            'half a document' => [['fault' => 'truncate']],
            'a gateway page' => [['fault' => 'html', 'status' => 502]],
            'another server\'s 404' => [['fault' => 'html', 'status' => 404]],
            'another server\'s 200' => [['fault' => 'html', 'status' => 200]],
            'a redirect' => [['fault' => 'redirect']],
            'an internal error' => [['fault' => 'reply', 'status' => 500, 'body' => ['code' => 'internal']]],
            'a 5xx of an unknown code' => [['fault' => 'reply', 'status' => 504, 'body' => ['code' => 'new']]],
            'twice' => [['fault' => 'drop_after'], ['fault' => 'drop_after']],
            'late and again' => [['fault' => 'late'], ['fault' => 'half']],
        ];
    }

    public function test_an_active_account_is_success_even_if_no_order_is_ever_answered(): void
    {
        $this->panel->script(...array_fill(0, 3, ['on' => 'POST /api/accounts', 'fault' => 'drop_after']));
        self::assertSame('success', $this->whmcs()->create());
        $this->assertAccountsAndOrders(1, 3);
    }

    public function test_a_panel_that_answers_too_late_is_asked_what_became_of_the_order(): void
    {
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'hang_after']);
        // The order gets seven eighths of the time; the rest has to be enough to ask on a busy machine.
        self::assertSame('success', $this->whmcs()->create(12.0));
        self::assertCount(1, $this->panel->state()['accounts']);
    }

    public function test_a_question_without_an_answer_leaves_time_to_order_again(): void
    {
        $this->panel->script(
            ['on' => 'POST /api/accounts', 'fault' => 'drop_before'],
            ['on' => 'GET /api/accounts', 'fault' => 'hang_before'],
        );
        self::assertSame('success', $this->whmcs()->create());
        $this->assertAccountsAndOrders(1, 2);
    }

    public function test_a_running_operation_is_waited_for(): void
    {
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'async', 'polls' => 2, 'end' => 'committed']);
        self::assertSame('success', $this->whmcs()->create());
        self::assertCount(3, $this->panel->requests('GET', '/api/accounts'));
        self::assertCount(1, $this->panel->state()['accounts']);
    }

    public function test_an_active_account_that_is_being_changed_is_waited_for(): void
    {
        $busy = [
            'id' => 'x', 'external_ref' => 's12', 'username' => 'examplec', 'domain' => 'example.com',
            'status' => 'active', 'operation' => ['id' => 'y', 'kind' => 'password', 'outcome' => 'running'],
        ];
        $this->panel->script(
            ['on' => 'POST /api/accounts', 'fault' => 'drop_after'],
            ['on' => 'GET /api/accounts', 'fault' => 'reply', 'status' => 200, 'body' => ['data' => [$busy]]],
        );
        self::assertSame('success', $this->whmcs()->create());
        self::assertCount(2, $this->panel->requests('GET', '/api/accounts'));
        $this->assertAccountsAndOrders(1, 2);
    }

    public function test_an_operation_that_was_rolled_back_gives_its_own_error(): void
    {
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'async', 'polls' => 1, 'end' => 'rolled_back']);
        $sentence = $this->whmcs()->create();
        self::assertSentence('The dns zone step failed: the DNS server does not answer. Everything was undone.', $sentence);
        self::assertStringContainsString($this->panel->state()['operations'][0]['id'], $sentence);
        $this->assertAccountsAndOrders(0, 1);
    }

    public function test_an_operation_that_goes_on_running_says_that_create_may_be_pressed_again(): void
    {
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'async', 'polls' => 999, 'end' => 'committed']);
        $whmcs = $this->whmcs();
        $sentence = $whmcs->create(self::SHORT_BUDGET);
        $operation = $this->panel->state()['operations'][0]['id'];
        self::assertSentence("The Panel is still creating this account. Operation $operation. Wait", $sentence);
        self::assertStringContainsString('press Create again: that is safe', $sentence);
        self::assertSame(['Pending', 0], [$whmcs->status, $whmcs->welcomeMails]);
        self::assertSame([$sentence], $whmcs->moduleQueue);
        $this->assertAccountsAndOrders(1, 1);
    }

    public function test_an_order_that_nothing_is_known_of_never_counts_as_failed_or_done(): void
    {
        $silent = ['POST /api/accounts', 'GET /api/accounts', 'GET /api/operations'];
        $this->panel->script(...array_merge(...array_fill(0, 20, array_map(
            static fn (string $on): array => ['on' => $on, 'fault' => 'drop_before'],
            $silent,
        ))));
        $sentence = $this->whmcs()->create(self::SHORT_BUDGET);
        self::assertSentence('It is not known whether the account was created: ', $sentence);
        self::assertStringContainsString('press Create again: that is safe', $sentence);
        self::assertLessThanOrEqual(3, count($this->panel->requests('POST')));
    }

    public function test_an_older_attempts_failure_is_not_taken_for_this_ones(): void
    {
        $this->panel->set(['operations' => [[
            'id' => 'old', 'account_id' => 'gone', 'kind' => 'create', 'external_ref' => 's12',
            'outcome' => 'rolled_back', 'request_id' => 'an-older-request',
            'error' => ['code' => 'provisioning_failed', 'detail' => 'The old failure.'],
        ]]]);
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'drop_before']);
        self::assertSame('success', $this->whmcs()->create());
    }

    public function test_a_refusal_of_the_repeated_order_is_definite(): void
    {
        $this->whmcs(['serviceid' => 1])->create();
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'drop_before']);
        self::assertSentence('The username `examplec` is already used by', $this->whmcs()->create());
    }

    public function test_every_request_of_a_call_carries_one_id_that_the_sentence_names(): void
    {
        $this->panel->script(
            ['on' => 'POST /api/accounts', 'fault' => 'drop_before'],
            ['on' => 'POST /api/accounts', 'fault' => 'reply', 'status' => 409, 'body' => [
                'code' => 'domain_taken', 'detail' => 'Taken.',
            ] + self::PROBLEM],
        );
        $sentence = $this->whmcs()->create();
        $ids = array_unique(array_column($this->panel->requests(), 'request_id'));
        self::assertCount(1, $ids);
        self::assertStringEndsWith('(request ' . $ids[0] . ')', $sentence);
    }

    public function test_202_alone_is_never_success(): void
    {
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'reply', 'status' => 202, 'body' => [
            'data' => ['id' => 'x', 'status' => 'active', 'username' => 'examplec'],
        ]]);
        $whmcs = $this->whmcs();
        self::assertNotSame('success', $whmcs->create(self::SHORT_BUDGET));
        self::assertSame('Pending', $whmcs->status);
    }
}
