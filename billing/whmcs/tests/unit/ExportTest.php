<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Addon\Opterius\Download;
use WHMCS\Module\Addon\Opterius\Export;
use WHMCS\Module\Server\Opterius\Record;
use WHMCS\Module\Server\Opterius\Ref;

require_once dirname(__DIR__, 2) . '/modules/addons/opterius/autoload.php';

final class ExportTest extends TestCase
{
    public function test_it_is_the_table_that_the_command_on_the_server_reads(): void
    {
        $csv = Export::csv([
            new Record(Ref::service(12), 3, 1, 'Active', 'example.com', 'examplec', 'Starter', '2026-12-01', 12),
            new Record(Ref::addon(5), 4, 1, 'Cancelled', 'example.net', '', '', '', 12),
        ]);
        self::assertSame(
            "kind,id,client,status,domain,username,package,next_due_on\r\n"
            . "service,12,3,Active,example.com,examplec,Starter,2026-12-01\r\n"
            . "addon,5,4,Cancelled,example.net,,,\r\n",
            $csv,
        );
    }

    public function test_nothing_sold_is_a_table_without_rows(): void
    {
        self::assertSame("kind,id,client,status,domain,username,package,next_due_on\r\n", Export::csv([]));
    }

    /** @dataProvider texts */
    public function test_any_text_comes_back_as_one_field(string $text, string $back): void
    {
        $csv = Export::csv([new Record(Ref::service(12), 3, 1, 'Active', $text, 'u', $text, '', 12)]);
        $file = fopen('php://memory', 'w+');
        fwrite($file, $csv);
        rewind($file);
        fgetcsv($file, null, ',', '"', '');
        self::assertSame(['service', '12', '3', 'Active', $back, 'u', $back, ''], fgetcsv($file, null, ',', '"', ''));
        self::assertFalse(fgetcsv($file, null, ',', '"', ''));
    }

    public function texts(): array
    {
        return [
            ['plain', 'plain'],
            ['with, comma', 'with, comma'],
            ['with "quotes"', 'with "quotes"'],
            ["with 'these'", "with 'these'"],
            ["two\r\nlines", 'two lines'],
            ['back\\slash"', 'back\\slash"'],
            ['Größe 5', 'Größe 5'],
        ];
    }

    /** @dataProvider formulas */
    public function test_a_spreadsheet_takes_nothing_for_a_formula(string $text): void
    {
        $csv = Export::csv([new Record(Ref::service(12), 3, 1, 'Active', $text, $text, $text, '', 12)]);
        [, $line] = explode("\r\n", $csv);
        foreach (str_getcsv($line, ',', '"', '') as $field) {
            self::assertDoesNotMatchRegularExpression('/^[\s\0]*[=+\-@\t\r|%]/', $field);
        }
    }

    public function formulas(): array
    {
        return [
            ['=HYPERLINK("https://evil.example","x")'],
            ['+1+1'],
            ['-1+1'],
            ['@SUM(1)'],
            ["\t=1+1"],
            ["\r\n=1+1"],
            ["\0=1+1"],
            [' =1+1'],
            ['|cmd'],
            ['%00'],
        ];
    }

    public function test_it_is_sent_as_a_file_that_nobody_keeps(): void
    {
        $headers = Download::headers();
        self::assertSame('text/csv; charset=utf-8', $headers['Content-Type']);
        self::assertStringStartsWith('attachment; filename="opterius-whmcs-', $headers['Content-Disposition']);
        self::assertSame('no-store', $headers['Cache-Control']);
    }
}
