<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Whmcs;
use WHMCS\Database\Capsule;

/** What is said before somebody pays. */
final class CartCheckTest extends PanelTestCase
{
    protected function setUp(): void
    {
        parent::setUp();
        $this->installation->product(['id' => 1]);
    }

    /** @return list<string> */
    private function checkout(array ...$items): array
    {
        $items = $items === [] ? [['domain' => 'example.com']] : $items;
        return $this->installation->checkout(array_map(static fn (array $item): array => $item + ['pid' => 1], $items));
    }

    public function test_an_order_that_can_be_set_up_passes(): void
    {
        self::assertSame([], $this->checkout());
        [$request] = $this->panel->requests();
        self::assertSame('/api/availability', $request['path']);
        self::assertSame(['domain' => 'example.com', 'package_id' => FakePanel::PACKAGE_ID], $request['query']);
    }

    public function test_a_domain_that_somebody_has_is_named_without_saying_who(): void
    {
        $this->panel->strangersAccount('stranger', 'example.com');
        self::assertSame(
            ['The domain example.com is hosted with us already. Please choose another one, or contact us if it is yours.'],
            $this->checkout(),
        );
    }

    public function test_a_domain_that_cannot_be_one_is_named(): void
    {
        [$sentence] = $this->checkout(['domain' => 'co.uk']);
        self::assertStringStartsWith('The domain co.uk cannot be hosted: `co.uk` is a public suffix', $sentence);
    }

    public function test_an_international_domain_is_named_as_it_was_typed(): void
    {
        $this->panel->strangersAccount('stranger', 'xn--bcher-kva.example');
        [$sentence] = $this->checkout(['domain' => 'Bücher.example']);
        self::assertStringStartsWith('The domain Bücher.example is hosted with us already.', $sentence);
    }

    public function test_one_domain_twice_in_a_cart_is_told(): void
    {
        self::assertSame(
            ['The domain Example.com is in this order twice. Please remove it once, or choose another one.'],
            $this->checkout(['domain' => 'example.com'], ['domain' => 'Example.com']),
        );
    }

    public function test_a_username_that_the_client_wished_for_is_checked(): void
    {
        $field = Whmcs::put('tblcustomfields', [
            'type' => 'product', 'relid' => 1, 'fieldname' => 'Username|Wished name', 'fieldtype' => 'text',
        ]);
        $this->panel->strangersAccount('ada', 'stranger.example');
        $item = static fn (string $name): array => ['domain' => 'example.com', 'customfields' => [$field => $name]];
        self::assertSame(['The username ada is taken. Please choose another one.'], $this->checkout($item(' Ada')));
        self::assertStringStartsWith('The username 4u cannot be used: ', $this->checkout($item('4u'))[0]);
        self::assertSame([], $this->checkout($item('grace')));
        self::assertSame([], $this->checkout($item('')));
    }

    public function test_what_only_the_host_can_mend_is_told_to_the_host(): void
    {
        $this->panel->set(['packages' => []]);
        self::assertSame(['Starter Hosting cannot be ordered just now. Please contact us.'], $this->checkout());
        self::assertStringContainsString(
            'Opterius: a client could not order Starter Hosting: Package not found',
            Capsule::table('tblactivitylog')->pluck('description')->implode("\n"),
        );
    }

    public function test_a_full_server_is_told(): void
    {
        $this->panel->strangersAccount('stranger', 'stranger.example');
        $this->panel->set(['servers' => [
            ['id' => 's1', 'name' => 'web1', 'hostname' => 'web1.test', 'reachable' => true, 'max_accounts' => 1],
        ]]);
        self::assertSame(['Starter Hosting cannot be ordered just now. Please contact us.'], $this->checkout());
    }

    /** @dataProvider silences */
    public function test_an_order_passes_where_nobody_can_be_asked(array $rule): void
    {
        $this->panel->strangersAccount('stranger', 'example.com');
        $this->panel->script(['on' => 'GET /api/availability', 'times' => 0] + $rule);
        self::assertSame([], $this->checkout());
    }

    public function silences(): array
    {
        return [
            'no answer' => [['fault' => 'drop_before']],
            'an answer that never comes' => [['fault' => 'hang_before']],
            'a gateway' => [['fault' => 'html', 'status' => 502]],
            'half an answer' => [['fault' => 'half']],
            'a refusal' => [['fault' => 'reply', 'status' => 401, 'body' => ['code' => 'unauthorized']]],
        ];
    }

    public function test_an_order_passes_while_a_server_does_not_answer_the_panel(): void
    {
        $this->panel->set(['servers' => [
            ['id' => 's1', 'name' => 'web1', 'hostname' => 'web1.test', 'reachable' => false],
        ]]);
        self::assertSame([], $this->checkout());
    }

    public function test_an_order_passes_if_one_server_of_the_group_can_take_it(): void
    {
        $this->panel->strangersAccount('stranger', 'example.com');
        $other = new FakePanel($this->panel->certificate);
        $this->installation->server($other, ['id' => 2]);
        Capsule::table('tblservergroupsrel')->insert(['groupid' => 1, 'serverid' => 2]);
        self::assertSame([], $this->checkout());
        $other->strangersAccount('stranger', 'example.com');
        self::assertCount(1, $this->checkout());
    }

    public function test_other_products_and_an_empty_cart_are_none_of_our_business(): void
    {
        $this->installation->product(['id' => 2, 'servertype' => 'cpanel']);
        self::assertSame([], $this->checkout(['pid' => 2, 'domain' => 'example.com'], ['domain' => '']));
        self::assertSame([], $this->installation->checkout([]));
        self::assertSame([], $this->panel->requests());
    }

    public function test_what_is_said_is_safe_in_a_page(): void
    {
        [$sentence] = $this->checkout(['domain' => '<img src=x>.example']);
        self::assertStringContainsString('&lt;img src=x&gt;', $sentence);
        self::assertStringNotContainsString('<', $sentence);
    }
}
