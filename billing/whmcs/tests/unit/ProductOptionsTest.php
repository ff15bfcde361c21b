<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Params;
use WHMCS\Module\Server\Opterius\ProductOptions;

/** The Module Settings, which WHMCS keeps by their position. */
final class ProductOptionsTest extends TestCase
{
    /** On the disks of every host: append to this list, and change nothing in it. */
    private const FROZEN = [
        1 => 'Package Name', 'Days Kept', 'Less Than Is Used', 'Who May Terminate', 'Limits Set By Hand', 'Server Name',
        'Disk Space', 'Files', 'Traffic', 'PHP Workers', 'PHP Memory', 'CPU', 'Memory', 'Processes',
    ];

    public function test_their_order_never_changes_and_there_are_not_too_many(): void
    {
        $names = array_keys(ProductOptions::described());
        self::assertSame(array_values(self::FROZEN), array_slice($names, 0, count(self::FROZEN)));
        self::assertLessThanOrEqual(24, count($names));
        self::assertSame(ProductOptions::described(), opterius_ConfigOptions());
    }

    public function test_each_is_of_a_type_that_whmcs_has_and_says_what_it_is(): void
    {
        foreach (ProductOptions::described() as $name => $option) {
            self::assertContains($option['Type'], ['text', 'password', 'yesno', 'dropdown', 'radio', 'textarea'], $name);
            self::assertNotSame('', $option['Description'], $name);
            if ($option['Type'] === 'dropdown') {
                self::assertArrayHasKey($option['Default'], $option['Options'], $name);
            }
        }
    }

    public function test_the_package_has_a_loader_and_is_all_that_simple_mode_shows(): void
    {
        $simple = array_filter(ProductOptions::described(), static fn (array $option): bool => isset($option['SimpleMode']));
        self::assertSame(['Package Name'], array_keys($simple));
        self::assertTrue(function_exists($simple['Package Name']['Loader']));
    }

    public function test_each_is_read_from_its_own_position(): void
    {
        $params = array_combine(
            array_map(static fn (int $number): string => "configoption$number", range(1, 24)),
            ['Starter', '7', 'apply', 'staff', 'keep', ' web2 ', ...array_map(strval(...), range(7, 24))],
        );
        $options = new ProductOptions(new Params($params));
        self::assertSame(['Starter', 7, 'web2'], [$options->package(), $options->keptDays(), $options->server()]);
        self::assertTrue($options->appliesLessThanIsUsed());
        self::assertTrue($options->onlyStaffTerminates());
        self::assertTrue($options->keepsLimitsSetByHand());
        self::assertSame([
            'disk_mib' => '7', 'files' => '8', 'bandwidth_gib' => '9', 'php_workers' => '10', 'php_memory_mib' => '11',
            'cpu_percent' => '12', 'memory_mib' => '13', 'processes' => '14',
        ], $options->limits());
    }

    public function test_a_product_that_was_never_saved_gets_the_careful_answer(): void
    {
        $options = new ProductOptions(new Params([]));
        self::assertNull($options->keptDays());
        self::assertFalse($options->appliesLessThanIsUsed());
        self::assertFalse($options->onlyStaffTerminates());
        self::assertFalse($options->keepsLimitsSetByHand());
        self::assertSame([''], array_values(array_unique($options->limits())));
    }
}
