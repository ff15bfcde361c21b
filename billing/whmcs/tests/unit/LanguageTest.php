<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Language;
use WHMCS\Module\Server\Opterius\Params;

final class LanguageTest extends TestCase
{
    public function test_every_language_says_everything_that_english_says_with_the_same_parts(): void
    {
        $english = self::words('english');
        self::assertContains('german', Language::names());
        foreach (Language::names() as $name) {
            $words = self::words($name);
            self::assertSame(array_keys($english), array_keys($words), $name);
            foreach ($english as $key => $text) {
                self::assertSame(self::parts($text), self::parts($words[$key]), "$name: $key");
            }
        }
    }

    public function test_a_language_that_has_no_file_is_english(): void
    {
        foreach (['', 'klingon', '../../../../etc/passwd', '../lang/german', 'german.php', "german\0"] as $name) {
            self::assertSame('english', Language::named($name)->name);
        }
        self::assertSame('german', Language::named('German')->name);
    }

    public function test_the_language_is_the_clients(): void
    {
        $of = static fn (mixed $client): string => Language::of(new Params(['clientsdetails' => $client]))->name;
        self::assertSame('german', $of(['language' => 'german']));
        self::assertSame('english', $of(['language' => '']));
        self::assertSame('english', $of(['language' => []]));
        self::assertSame('english', $of('german'));
    }

    public function test_numbers_and_dates_are_written_as_the_language_writes_them(): void
    {
        $zone = date_default_timezone_get();
        date_default_timezone_set('Europe/Berlin');
        try {
            $at = 1_772_454_240_000_000; // 2 March 2026, 12:24 UTC
            self::assertSame('2 March 2026, 13:24', Language::named('english')->time($at));
            self::assertSame('2. März 2026, 13:24 Uhr', Language::named('german')->time($at));
            self::assertSame('2. März 2026', Language::named('german')->date($at));
        } finally {
            date_default_timezone_set($zone);
        }
        self::assertSame('1.5 GiB', Language::named('english')->size(1_610_612_736));
        self::assertSame('1,5 GiB', Language::named('german')->size(1_610_612_736));
    }

    /** @return array<string, string> */
    private static function words(string $name): array
    {
        return include dirname(__DIR__, 2) . "/modules/servers/opterius/lang/$name.php";
    }

    /** @return list<string> */
    private static function parts(string $text): array
    {
        preg_match_all('/\{\w+\}/', $text, $found);
        sort($found[0]);
        return $found[0];
    }
}
