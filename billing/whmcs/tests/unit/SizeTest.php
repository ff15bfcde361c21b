<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Size;

final class SizeTest extends TestCase
{
    /** @dataProvider sizes */
    public function test_a_size_is_shown_in_the_unit_that_suits_it(int $bytes, string $shown): void
    {
        self::assertSame($shown, Size::bytes($bytes));
    }

    public function sizes(): array
    {
        return [
            [0, '0 B'],
            [1023, '1023 B'],
            [1024, '1 KiB'],
            [1536, '1.5 KiB'],
            [1_048_575, '1 MiB'],
            [10 * Size::GIB, '10 GiB'],
            [10 * Size::GIB + 300 * Size::MIB, '10.3 GiB'],
            [2_199_023_255_552, '2 TiB'],
            [PHP_INT_MAX, '8388608 TiB'],
        ];
    }

    public function test_limits_come_in_mebibytes(): void
    {
        self::assertSame('10 GiB', Size::mib(10240));
        self::assertSame('512 MiB', Size::mib(512));
    }
}
