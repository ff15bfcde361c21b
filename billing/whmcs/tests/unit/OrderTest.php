<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Order;
use WHMCS\Module\Server\Opterius\Params;
use WHMCS\Module\Server\Opterius\Refusal;

final class OrderTest extends TestCase
{
    private const PARAMS = [
        'serviceid' => 12,
        'domain' => 'example.com',
        'username' => 'examplec',
        'password' => 'Kx7dQ2mVw9',
        'configoption1' => 'Starter',
    ];

    private static function order(array $changes = []): Order
    {
        return Order::fromParams(new Params(array_replace(self::PARAMS, $changes)));
    }

    public function test_it_asks_for_what_was_sold_and_nothing_else(): void
    {
        self::assertSame([
            'username' => 'examplec',
            'domain' => 'example.com',
            'password' => 'Kx7dQ2mVw9',
            'package' => 'Starter',
            'external_ref' => 's12',
        ], self::order()->body());
    }

    public function test_services_and_addons_of_one_number_are_different_orders(): void
    {
        self::assertSame('s12', self::order(['addonId' => 0])->ref);
        self::assertSame('s12', self::order(['serviceid' => '12', 'addonId' => ''])->ref);
        self::assertSame('a12', self::order(['serviceid' => 7, 'addonId' => 12])->ref);
    }

    public function test_an_id_is_sent_as_an_id_and_a_name_byte_for_byte(): void
    {
        $id = '01890000-0000-7000-8000-000000000001';
        self::assertSame($id, self::order(['configoption1' => $id])->body()['package_id']);
        self::assertArrayNotHasKey('package', self::order(['configoption1' => $id])->body());
        foreach (['Starter ', 'STARTER', 'R&D', 'Ünï ✓', 'a &amp; b', $id . 'x', '12'] as $name) {
            self::assertSame($name, self::order(['configoption1' => $name])->body()['package']);
        }
    }

    public function test_only_an_encoded_name_has_a_decoded_form(): void
    {
        self::assertNull(self::order(['configoption1' => 'R&D'])->withDecodedPackage());
        $decoded = self::order(['configoption1' => 'R&amp;D'])->withDecodedPackage();
        self::assertSame('R&D', $decoded->body()['package']);
    }

    public function test_a_domain_is_sent_as_it_was_sold(): void
    {
        self::assertSame('Bücher.Example', self::order(['domain' => ' Bücher.Example. '])->body()['domain']);
        self::assertSame('xn--bcher-kva.example', self::order(['domain' => 'xn--bcher-kva.example'])->body()['domain']);
    }

    public function test_the_customers_address_is_sent_where_there_is_one(): void
    {
        self::assertSame('a@b.example', self::order(['clientsdetails' => ['email' => 'a@b.example']])->body()['email']);
        foreach ([[], ['clientsdetails' => ['email' => '']], ['clientsdetails' => 'x']] as $changes) {
            self::assertArrayNotHasKey('email', self::order($changes)->body());
        }
    }

    /** @dataProvider incomplete */
    public function test_what_is_missing_is_named(array $changes, string $message): void
    {
        $this->expectException(Refusal::class);
        $this->expectExceptionMessage($message);
        self::order($changes);
    }

    public function incomplete(): array
    {
        return [
            'service' => [['serviceid' => 0], 'WHMCS did not say which service this is.'],
            'domain' => [['domain' => ' '], 'This service has no domain.'],
            'username' => [['username' => ''], 'This service has no username.'],
            'password' => [['password' => ''], 'This service has no password.'],
            'package' => [['configoption1' => ' '], 'This product has no package.'],
            'text' => [['password' => "\xff\xfe1234567"], 'bytes that are not UTF-8'],
        ];
    }

    public function test_an_account_is_the_ordered_one_only_if_ref_username_and_domain_agree(): void
    {
        $account = ['external_ref' => 's12', 'username' => 'examplec', 'domain' => 'example.com'];
        self::assertTrue(self::order(['domain' => 'Example.COM'])->isFor($account));
        foreach (['external_ref' => 's13', 'username' => 'other', 'domain' => 'example.net'] as $field => $other) {
            self::assertFalse(self::order()->isFor(array_replace($account, [$field => $other])));
            self::assertFalse(self::order()->isFor(array_diff_key($account, [$field => 0])));
        }
    }
}
