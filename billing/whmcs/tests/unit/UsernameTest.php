<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Ref;
use WHMCS\Module\Server\Opterius\Username;

final class UsernameTest extends TestCase
{
    /** @dataProvider names */
    public function test_a_name_is_made_of_the_wish_or_the_domain_and_the_services_number(
        string $wish,
        string $domain,
        string $username,
    ): void {
        self::assertSame($username, Username::made($wish, $domain, Ref::service(12)));
    }

    public function names(): array
    {
        return [
            'a domain' => ['', 'example.com', 'example12'],
            'capitals' => ['', 'Example.COM', 'example12'],
            'a wish' => ['ada', 'example.com', 'ada12'],
            'a long domain' => ['', 'a-very-long-name-for-a-site.example', 'averylongnamef12'],
            'digits first' => ['', '4you.example', 'u4you12'],
            'digits only' => ['', '123.example', 'u12312'],
            'an A-label' => ['', 'xn--bcher-kva.example', 'bcherkva12'],
            'a U-label' => ['', 'Bücher.example', 'bcherkva12'],
            'one letter' => ['', 'x.example', 'xu12'],
            'signs only' => ['', '---.example', 'uu12'],
            'nothing at all' => ['', '', 'uu12'],
        ];
    }

    public function test_it_is_always_one_that_the_panel_can_take(): void
    {
        mt_srand(20260101);
        $letters = ['a', 'Z', '0', '9', '-', '.', 'é', '日', '&', ' ', '_', '<'];
        for ($number = 0; $number < 500; $number++) {
            $text = implode('', array_map(static fn (): string => $letters[mt_rand(0, 11)], range(0, mt_rand(0, 30))));
            foreach ([Ref::service(mt_rand(1, 2_000_000_000)), Ref::addon(mt_rand(1, 99))] as $ref) {
                self::assertMatchesRegularExpression('/^[a-z][a-z0-9]{2,15}$/D', Username::made('', $text, $ref), $text);
                self::assertMatchesRegularExpression('/^[a-z][a-z0-9]{2,15}$/D', Username::made($text, '', $ref), $text);
            }
        }
    }

    public function test_services_and_addons_of_one_domain_get_different_names(): void
    {
        $names = [];
        foreach ([Ref::service(12), Ref::addon(12), Ref::service(13), Ref::service(1)] as $ref) {
            $names[] = Username::made('', 'example.com', $ref);
        }
        self::assertSame(['example12', 'examplea12', 'example13', 'example1'], $names);
    }
}
