<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;

/** The README says what shows each promise; what it names has to be there. */
final class ReadmeTest extends TestCase
{
    private static function readme(): string
    {
        return (string) file_get_contents(dirname(__DIR__, 2) . '/README.md');
    }

    public function test_every_test_that_it_names_is_there(): void
    {
        preg_match_all('/`(\w+Test)::(test_\w+)`/', self::readme(), $named, PREG_SET_ORDER);
        self::assertGreaterThan(80, count($named));
        foreach ($named as [, $class, $method]) {
            [$file] = glob(dirname(__DIR__) . "/{unit,contract,stand-in}/$class.php", GLOB_BRACE) ?: [null];
            self::assertNotNull($file, $class);
            self::assertStringContainsString("function $method(", (string) file_get_contents($file), $class);
        }
    }

    public function test_it_has_a_row_with_tests_for_each_promise(): void
    {
        $table = explode('## What it promises', self::readme())[1];
        preg_match_all('/^\| (\d+) \| [^|]+ \|[^|]*`\w+Test::test_\w+`[^|]*\|$/m', $table, $rows);
        self::assertSame(range(1, 48), array_map(intval(...), $rows[1]));
    }

    public function test_it_describes_every_setting_and_every_button(): void
    {
        foreach (array_keys(opterius_ConfigOptions()) as $setting) {
            self::assertStringContainsString($setting, self::readme());
        }
        foreach ([...array_keys(opterius_AdminCustomButtonArray()), ...array_keys(opterius_ClientAreaCustomButtonArray())] as $button) {
            self::assertStringContainsString($button, self::readme());
        }
    }
}
