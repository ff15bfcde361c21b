<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Params;
use WHMCS\Module\Server\Opterius\Ref;

final class RefTest extends TestCase
{
    public function test_services_and_add_ons_are_named_apart(): void
    {
        self::assertSame('s12', (string) Ref::of(new Params(['serviceid' => 12, 'addonId' => 0])));
        self::assertSame('a5', (string) Ref::of(new Params(['serviceid' => '12', 'addonId' => '5'])));
        self::assertNull(Ref::of(new Params([])));
    }

    public function test_a_name_is_read_back_as_what_it_was_given_to(): void
    {
        foreach ([Ref::service(12), Ref::addon(12)] as $ref) {
            self::assertEquals($ref, Ref::parse((string) $ref));
        }
    }

    public function test_a_name_that_this_module_does_not_give_is_none(): void
    {
        foreach (['', 's', 's0', 's-1', 's1 ', "s1\n", 'S1', 'x1', 's01', 's1.5', 's9999999999999999999', null, 12] as $not) {
            self::assertNull(Ref::parse($not));
        }
    }
}
