<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * The Access Hash of a server: `o1.<token>.<pin>[,<backup pin>]`, or `o1.<token>` where the certificate is verified by
 * its chain. A pin is the base64 SHA-256 of the Panel's public key; the backup pin lets the Panel change its key
 * without an edit here.
 */
final class AccessHash
{
    /** @param list<string> $pins */
    private function __construct(
        #[\SensitiveParameter] public readonly string $token,
        public readonly array $pins,
    ) {
    }

    /** @throws Refusal */
    public static function parse(#[\SensitiveParameter] string $text): self
    {
        $text = self::withoutSpace($text);
        if ($text === '') {
            throw new Refusal(
                'This server has no Access Hash. Create a WHMCS token in the Opterius Panel and paste its Access Hash '
                . 'into Setup > Servers > this server > Access Hash.'
            );
        }
        if (preg_match('/^o[2-9]\./', $text) === 1) {
            throw new Refusal(
                'The Access Hash of this server was made by a newer Opterius than this module knows. '
                . 'Update the module in modules/servers/opterius.'
            );
        }
        $pin = '[A-Za-z0-9+\/]{43}=';
        if (preg_match('/^o1\.([A-Za-z0-9_-]{43})(?:\.(' . $pin . '(?:,' . $pin . ')?))?$/D', $text, $match) !== 1) {
            throw new Refusal(
                'The Access Hash of this server is malformed: a part is missing or was altered when it was pasted. '
                . 'It reads o1.TOKEN.PIN,PIN as one piece; copy it again from the Opterius Panel, or create a new '
                . 'WHMCS token there.'
            );
        }
        return new self($match[1], isset($match[2]) ? explode(',', $match[2]) : []);
    }

    /** No part of an Access Hash contains white space, but a pasted one often does. */
    public static function withoutSpace(#[\SensitiveParameter] string $text): string
    {
        return (string) preg_replace('/\s+/', '', $text);
    }
}
