<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\AccessHash;
use WHMCS\Module\Server\Opterius\Refusal;

final class AccessHashTest extends TestCase
{
    private const TOKEN = 'Abc_-0123456789abcdefghijklmnopqrstuvwxyzAB';
    private const PIN = 'q6EpGdKmgDhqPCGqvPaHlUnFxvS5e0qtXxWlkiUUlG4=';
    private const BACKUP = '/+EpGdKmgDhqPCGqvPaHlUnFxvS5e0qtXxWlkiUUlG4=';

    /** @dataProvider wellFormed */
    public function test_a_well_formed_hash_gives_its_token_and_pins(string $text, array $pins): void
    {
        $hash = AccessHash::parse($text);
        self::assertSame(self::TOKEN, $hash->token);
        self::assertSame($pins, $hash->pins);
    }

    public function wellFormed(): array
    {
        return [
            'verified by chain' => ['o1.' . self::TOKEN, []],
            'one pin' => ['o1.' . self::TOKEN . '.' . self::PIN, [self::PIN]],
            'with a backup pin' => [
                'o1.' . self::TOKEN . '.' . self::PIN . ',' . self::BACKUP,
                [self::PIN, self::BACKUP],
            ],
            'wrapped when it was pasted' => [
                " o1." . self::TOKEN . ".\r\n" . self::PIN . ",\n " . self::BACKUP . "\n",
                [self::PIN, self::BACKUP],
            ],
        ];
    }

    /** @dataProvider malformed */
    public function test_a_malformed_hash_is_refused_without_being_repeated(string $text): void
    {
        try {
            AccessHash::parse($text);
            self::fail('accepted');
        } catch (Refusal $refusal) {
            self::assertStringStartsWith('The Access Hash of this server is malformed', $refusal->getMessage());
            self::assertStringNotContainsString(self::TOKEN, $refusal->getMessage());
        }
    }

    public function malformed(): array
    {
        $token = self::TOKEN;
        $pin = self::PIN;
        return array_map(static fn (string $text): array => [$text], [
            'the bare token' => $token,
            'a WHM style key' => str_repeat('a1', 400),
            'a token too short' => 'o1.' . substr($token, 1),
            'a token too long' => 'o1.' . $token . 'x',
            // A pin that got lost must never silently mean "verify by chain", and the other way round.
            'an empty pin' => "o1.$token.",
            'half a pin' => "o1.$token." . substr($pin, 0, 20),
            'an empty backup pin' => "o1.$token.$pin,",
            'a pin in hex' => "o1.$token." . bin2hex(str_repeat('x', 32)),
            'a pin with curl\'s prefix' => "o1.$token.sha256//$pin",
            'a third part' => "o1.$token.$pin.$pin",
            'a semicolon' => "o1.$token.$pin;$pin",
        ]);
    }

    public function test_a_missing_hash_has_its_own_sentence(): void
    {
        $this->expectException(Refusal::class);
        $this->expectExceptionMessage('This server has no Access Hash.');
        AccessHash::parse(" \n");
    }

    public function test_a_hash_of_a_later_format_asks_for_a_newer_module(): void
    {
        $this->expectException(Refusal::class);
        $this->expectExceptionMessage('Update the module');
        AccessHash::parse('o2.' . self::TOKEN);
    }
}
