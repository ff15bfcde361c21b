<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Limits;
use WHMCS\Module\Server\Opterius\Refusal;

final class LimitsTest extends TestCase
{
    private static function chosen(string $option, string $value): array
    {
        return Limits::read([], [$option => $value])[0];
    }

    /** @dataProvider understood */
    public function test_what_people_write_is_understood(string $option, string $value, string $limit, ?int $number): void
    {
        self::assertSame([$limit => $number], self::chosen($option, $value));
        self::assertSame([$limit => $number], self::chosen(htmlspecialchars($option), htmlspecialchars($value)));
    }

    public function understood(): array
    {
        $cases = [
            // The Panel's own names, whose numbers are in the unit that they end in.
            ['disk_mib', '2048', 'disk_mib', 2048],
            ['disk_mib|Disk Space', '2048|2 GB', 'disk_mib', 2048],
            ['bandwidth_gib', '100', 'bandwidth_gib', 100],
            ['memory_mib', '512', 'memory_mib', 512],
            ['php_memory_mib', '256 MB', 'php_memory_mib', 256],
            ['cpu_percent', '150', 'cpu_percent', 150],
            ['cpu_percent', '150%', 'cpu_percent', 150],
            ['files', '100000', 'files', 100000],
            ['php_workers', '4', 'php_workers', 4],
            ['processes', '40', 'processes', 40],
            ['sub_sites', '3', 'sub_sites', 3],
            ['databases', '3', 'databases', 3],
            ['mailboxes', '10', 'mailboxes', 10],
            // The words of people.
            ['Disk Space', '20 GB', 'disk_mib', 20480],
            ['disk space', '1.5GB', 'disk_mib', 1536],
            ['Disk', '1,5 GiB', 'disk_mib', 1536],
            ['Disk Space (GB)', '20', 'disk_mib', 20480],
            ['disk_gib|Disk Space', '20', 'disk_mib', 20480],
            ['Disk GB', '20 TB', 'disk_mib', 20971520],
            ['Traffic', '2 TB', 'bandwidth_gib', 2048],
            ['Bandwidth (GB)', '100', 'bandwidth_gib', 100],
            ['RAM', '1 GB', 'memory_mib', 1024],
            ['Memory (MB)', '768', 'memory_mib', 768],
            ['Inodes', '50000', 'files', 50000],
            ['Email Accounts', '25', 'mailboxes', 25],
            ['Databases', '5 Databases', 'databases', 5],
            ['CPU', '200 %', 'cpu_percent', 200],
            // Unlimited, and nothing.
            ['Databases', 'Unlimited', 'databases', 0],
            ['Disk Space', ' unlimited ', 'disk_mib', 0],
            ['disk_mib', 'unlimited|As much as you like', 'disk_mib', 0],
            ['Databases', '0', 'databases', null],
            ['Disk Space', '0', 'disk_mib', null],
            ['Disk Space', '', 'disk_mib', null],
            ['Disk Space', 'default|As the package says', 'disk_mib', null],
        ];
        return array_combine(array_map(static fn (array $case): string => "$case[0] = $case[1]", $cases), $cases);
    }

    /** @dataProvider unclear */
    public function test_what_is_not_clear_is_refused_and_named(string $option, string $value): void
    {
        try {
            self::chosen($option, $value);
            self::fail('It was taken for ' . json_encode(self::chosen($option, $value)));
        } catch (Refusal $refusal) {
            self::assertStringStartsWith("The configurable option $option reads `$value`", $refusal->getMessage());
        }
    }

    public function unclear(): array
    {
        $cases = [
            ['Disk Space', '20'], ['Disk Space', '20 boxes'], ['Disk Space', '-1'], ['Disk Space', '1e3 GB'],
            ['Disk Space', 'lots'], ['Disk Space', 'yes'], ['Disk Space', '0.0001 MB'], ['Disk Space', '0.3 MB'],
            ['RAM', '2'], ['Traffic', '500 MB'], ['Traffic', '0.5 GB'], ['Databases', '5.5'], ['Databases', '-1'],
            ['Databases', '007'], ['Databases', '5k'], ['CPU', '2 GHz'], ['cpu_percent', 'two'], ['Files', '1 GB'],
            ['Disk Space', '99999999999 GB'], ['Disk Space', '999999999 TB'], ['Databases', '9999999999'],
        ];
        return array_combine(array_map(static fn (array $case): string => "$case[0] = $case[1]", $cases), $cases);
    }

    public function test_a_setting_of_the_product_says_what_it_means(): void
    {
        $settings = ['disk_mib' => '20 GB', 'files' => ' ', 'cpu_percent' => 'unlimited', 'processes' => '25'];
        self::assertSame(
            ['disk_mib' => 20480, 'cpu_percent' => 0, 'processes' => 25],
            Limits::read($settings, [])[0],
        );
        foreach (['0', 'default', '20'] as $text) {
            try {
                Limits::read(['disk_mib' => $text], []);
                self::fail($text);
            } catch (Refusal $refusal) {
                self::assertSame(
                    "The setting Disk Space of this product reads `$text`, which is not a limit. Write a size with its "
                    . 'unit such as 20 GB or 512 MB, or unlimited, or leave it empty for what the package says.',
                    $refusal->getMessage(),
                );
            }
        }
    }

    public function test_options_that_are_none_are_left_alone_and_named(): void
    {
        foreach (['Operating System', 'Extra Disk', 'Disk Speed', 'Databases per hour', 'diskmibs', ''] as $option) {
            self::assertSame([[], [$option]], Limits::read([], [$option => '5']));
        }
    }

    public function test_two_options_for_one_limit_are_refused(): void
    {
        $this->expectExceptionMessage('The configurable options disk_mib and Disk Space set the same limit.');
        Limits::read([], ['disk_mib' => '1024', 'Disk Space' => '1 GB']);
    }
}
