<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Domain;

final class DomainTest extends TestCase
{
    public function test_both_forms_of_an_international_name_are_one_a_label(): void
    {
        foreach (['bücher.example', 'BÜCHER.example', 'xn--bcher-kva.example', 'XN--BCHER-KVA.EXAMPLE'] as $domain) {
            self::assertSame('xn--bcher-kva.example', Domain::ascii($domain));
        }
        // As today's registries have it: not `strasse`.
        self::assertSame('xn--strae-oqa.example', Domain::ascii('straße.example'));
    }

    public function test_what_cannot_be_a_name_stays_as_it_is_for_the_panel_to_refuse(): void
    {
        foreach (['', '..', 'a b', '-x-.example', str_repeat('a', 70) . '.example'] as $text) {
            self::assertSame($text, Domain::ascii($text));
        }
    }

    public function test_what_stands_around_a_name_is_taken_off(): void
    {
        self::assertSame('example.com', Domain::clean(" example.com.\n"));
        self::assertSame('a&b.example', Domain::clean('a&amp;b.example'));
    }
}
