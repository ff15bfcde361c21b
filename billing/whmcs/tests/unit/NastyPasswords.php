<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

/** Passwords in which every character is one that some encoding changes. */
final class NastyPasswords
{
    private const ALPHABET = [
        '&', '<', '>', '"', "'", '#', '%', ':', '\\', '$', ' ', '/', '+', '=', '?', ';', '%2', '&am', 'a', 'Z', '7',
        'é', 'ß', '日', '😀',
    ];

    /** @return list<string> the same ones in every run, so that a failure can be looked at */
    public static function some(int $count = 400): array
    {
        mt_srand(20260101);
        $passwords = ['a&b<c>d"e\'f', 'p#w%20:x\\y$z', '  two words  ', '&&&&&&&&', '""""""""', 'пароль€日本'];
        while (count($passwords) < $count) {
            $password = '';
            for ($length = mt_rand(8, 24); $length > 0; $length--) {
                $password .= self::ALPHABET[mt_rand(0, count(self::ALPHABET) - 1)];
            }
            $passwords[] = $password;
        }
        return $passwords;
    }
}
