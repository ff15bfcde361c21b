<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * The words for clients, in one language. The files in lang/ are named as WHMCS names its languages; what a file lacks
 * is said in English.
 */
final class Language
{
    public const DEFAULT = 'english';

    /** @param array<string, string> $words */
    private function __construct(public readonly string $name, private readonly array $words)
    {
    }

    /** The client's own language, if there is a file for it. */
    public static function of(Params $params): self
    {
        return self::named($params->language());
    }

    public static function named(string $name): self
    {
        $name = strtolower($name);
        $english = self::read(self::DEFAULT);
        $words = in_array($name, self::names(), true) ? self::read($name) : [];
        return $words === [] ? new self(self::DEFAULT, $english) : new self($name, $words + $english);
    }

    /** @return list<string> */
    public static function names(): array
    {
        $files = glob(self::folder() . '*.php') ?: [];
        return array_map(static fn (string $file): string => basename($file, '.php'), $files);
    }

    /** The words for a key; its parts in braces, such as `{used}`, are replaced. */
    public function say(string $key, string|int ...$parts): string
    {
        $replace = [];
        foreach ($parts as $name => $value) {
            $replace['{' . $name . '}'] = (string) $value;
        }
        return strtr($this->words[$key] ?? $key, $replace);
    }

    /** The words for a value that the Panel names, or the name itself where there are none for it. */
    public function word(string $group, string $value): string
    {
        return $this->words[$group . '.' . $value] ?? $value;
    }

    /** @param int $micros microseconds since 1970, as the Panel counts; shown in the time zone of WHMCS */
    public function date(int $micros): string
    {
        return $this->at('format.date', $micros);
    }

    public function time(int $micros): string
    {
        return $this->at('format.time', $micros);
    }

    public function size(int $bytes): string
    {
        return Size::bytes($bytes, $this->say('format.point'));
    }

    private function at(string $format, int $micros): string
    {
        $second = intdiv($micros, 1_000_000);
        return $this->say(
            $format,
            day: date('j', $second),
            month: $this->say('month.' . date('n', $second)),
            year: date('Y', $second),
            time: date('H:i', $second),
        );
    }

    /** @return list<string> */
    public function keys(): array
    {
        return array_keys($this->words);
    }

    private static function read(string $name): array
    {
        $words = include self::folder() . $name . '.php';
        return is_array($words) ? array_filter($words, 'is_string') : [];
    }

    private static function folder(): string
    {
        return dirname(__DIR__) . '/lang/';
    }
}
