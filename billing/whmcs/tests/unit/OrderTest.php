<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Order;
use WHMCS\Module\Server\Opterius\Params;
use WHMCS\Module\Server\Opterius\Ref;
use WHMCS\Module\Server\Opterius\Refusal;

final class OrderTest extends TestCase
{
    private static function order(
        string $username = 'examplec',
        string $domain = 'example.com',
        string $password = 'Kx7dQ2mVw9',
        array $params = [],
        ?string $nextDueOn = null,
    ): Order {
        return Order::from(Ref::service(12), new Params($params), $username, $domain, $password, $nextDueOn);
    }

    public function test_it_asks_for_what_was_sold_and_nothing_else(): void
    {
        self::assertSame([
            'username' => 'examplec',
            'domain' => 'example.com',
            'password' => 'Kx7dQ2mVw9',
            'external_ref' => 's12',
        ], self::order()->body());
    }

    public function test_what_whmcs_knows_beside_it_is_sent_along(): void
    {
        $params = ['clientsdetails' => ['id' => 3, 'email' => ' a@b.example ']];
        self::assertSame(
            ['email' => 'a@b.example', 'client_ref' => 'c3', 'next_due_on' => '2026-12-31'],
            array_slice(self::order(params: $params, nextDueOn: '2026-12-31')->body(), 4),
        );
        self::assertSame('c9', self::order(params: ['userid' => '9'])->body()['client_ref']);
        foreach ([[], ['clientsdetails' => ['email' => '']], ['clientsdetails' => 'x', 'userid' => 0]] as $nothing) {
            self::assertCount(4, self::order(params: $nothing)->body());
        }
    }

    public function test_a_username_is_sent_in_small_letters(): void
    {
        self::assertSame('examplec', self::order(username: 'ExampleC')->body()['username']);
    }

    /** @dataProvider incomplete */
    public function test_what_is_missing_is_named(array $arguments, string $message): void
    {
        $this->expectException(Refusal::class);
        $this->expectExceptionMessage($message);
        self::order(...$arguments);
    }

    public function incomplete(): array
    {
        return [
            'domain' => [['domain' => ''], 'This service has no domain.'],
            'password' => [['password' => ''], 'This service has no password.'],
            'a password' => [['password' => "\xff\xfe1234567"], 'bytes that are not UTF-8'],
            'a domain' => [['domain' => "\xff.example"], 'bytes that are not UTF-8'],
        ];
    }

    public function test_an_account_is_the_ordered_one_only_if_ref_username_and_domain_agree(): void
    {
        $account = ['external_ref' => 's12', 'username' => 'examplec', 'domain' => 'example.com'];
        self::assertTrue(self::order(domain: 'Example.COM')->isFor($account));
        foreach (['external_ref' => 's13', 'username' => 'other', 'domain' => 'example.net'] as $field => $other) {
            self::assertFalse(self::order()->isFor(array_replace($account, [$field => $other])));
            self::assertFalse(self::order()->isFor(array_diff_key($account, [$field => 0])));
        }
    }
}
