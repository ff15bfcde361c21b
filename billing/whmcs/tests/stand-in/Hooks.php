<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

/** The hooks: a lower priority runs first, and every result is handed back. */
final class Hooks
{
    /** @var array<string, list<array{int, callable}>> */
    private static array $registered = [];

    /** @var array<string, list<array{int, callable}>> what the module's own hooks.php registered */
    private static array $ofTheModule = [];

    /** @var list<array{string, mixed}> every run, by its point and what it was given */
    public static array $runs = [];

    public static function add(string $point, int $priority, callable $hook): void
    {
        self::$registered[$point][] = [$priority, $hook];
        usort(self::$registered[$point], static fn (array $a, array $b): int => $a[0] <=> $b[0]);
    }

    /** What is registered by now is the module's own, and stays. */
    public static function keep(): void
    {
        self::$ofTheModule = self::$registered;
    }

    /** Forgets what a test has registered. */
    public static function reset(): void
    {
        self::$registered = self::$ofTheModule;
        self::$runs = [];
    }

    /** @return list<mixed> what the hooks returned, nulls left out */
    public static function run(string $point, mixed $vars): array
    {
        self::$runs[] = [$point, $vars];
        $results = array_map(static fn (array $entry): mixed => $entry[1]($vars), self::$registered[$point] ?? []);
        return array_values(array_filter($results, static fn (mixed $result): bool => $result !== null));
    }

    public static function has(string $point): bool
    {
        return (self::$registered[$point] ?? []) !== [];
    }
}
