<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Entities;

require_once __DIR__ . '/NastyPasswords.php';

final class EntitiesTest extends TestCase
{
    public function test_a_value_arrives_whether_or_not_it_was_encoded_on_the_way(): void
    {
        foreach (NastyPasswords::some() as $password) {
            self::assertSame($password, Entities::decode($password));
            self::assertSame($password, Entities::decode(htmlspecialchars($password, ENT_QUOTES)));
            self::assertSame($password, Entities::decode(htmlspecialchars($password, ENT_QUOTES | ENT_HTML5)));
            self::assertSame($password, Entities::decode(htmlspecialchars($password, ENT_COMPAT)));
        }
    }

    public function test_it_is_decoded_once_only(): void
    {
        self::assertSame('a&lt;b', Entities::decode('a&amp;lt;b'));
    }

    public function test_entities_beside_bare_characters_are_left_alone(): void
    {
        foreach (['a&lt;b"c', '<&amp;>', 'x&amp;y&z', '&eacute;', '&#100;'] as $value) {
            self::assertSame($value, Entities::decode($value));
        }
    }
}
