<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Params;
use WHMCS\Module\Server\Opterius\Refusal;
use WHMCS\Module\Server\Opterius\Sale;

final class SaleTest extends TestCase
{
    private static function sale(array $params): Sale
    {
        return Sale::fromParams(new Params($params + ['configoption1' => 'Starter']));
    }

    public function test_an_id_is_sent_as_an_id_and_a_name_byte_for_byte(): void
    {
        $id = '01890000-0000-7000-8000-000000000001';
        self::assertSame(['package_id' => $id], self::sale(['configoption1' => $id])->package());
        foreach (['Starter ', 'STARTER', 'R&D', 'Ünï ✓', 'a &amp; b', $id . 'x', '12'] as $name) {
            self::assertSame(['package' => $name], self::sale(['configoption1' => $name])->package());
        }
    }

    public function test_only_an_encoded_name_has_a_decoded_form(): void
    {
        self::assertNull(self::sale(['configoption1' => 'R&D'])->withDecodedPackage());
        self::assertSame(
            ['package' => 'R&D'],
            self::sale(['configoption1' => 'R&amp;D'])->withDecodedPackage()->package(),
        );
    }

    public function test_the_client_may_choose_the_package(): void
    {
        foreach (['package', 'Package', 'package|Your package'] as $option) {
            $chosen = self::sale(['configoptions' => [$option => 'Pro|The big one']]);
            self::assertSame([['package' => 'Pro'], []], [$chosen->package(), $chosen->otherOptions]);
        }
        self::assertSame(['package' => 'Starter'], self::sale(['configoptions' => ['package' => ' ']])->package());
    }

    public function test_the_clients_choice_goes_before_the_products_setting_and_that_before_the_package(): void
    {
        $sale = self::sale([
            'configoption7' => '10 GB',
            'configoption8' => '1000',
            'configoptions' => ['disk_mib' => '20480', 'processes' => '0', 'Colour' => 'red'],
        ]);
        self::assertSame(['disk_mib' => 20480, 'files' => 1000, 'processes' => null], $sale->limits);
        self::assertSame(['disk_mib' => 20480, 'files' => 1000], $sale->overrides());
        self::assertSame(['Colour'], $sale->otherOptions);
    }

    public function test_what_cannot_be_sold_is_refused(): void
    {
        foreach ([
            'This product has no package.' => ['configoption1' => ' '],
            'This product is a reseller account' => ['producttype' => 'reselleraccount'],
        ] as $start => $params) {
            try {
                self::sale($params);
                self::fail($start);
            } catch (Refusal $refusal) {
                self::assertStringStartsWith($start, $refusal->getMessage());
            }
        }
    }
}
