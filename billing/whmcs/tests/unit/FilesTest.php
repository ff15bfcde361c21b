<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use Opterius\Whmcs\StandIn\NewerSyntax;
use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Module;

/** The files that hosts get. */
final class FilesTest extends TestCase
{
    /** @return iterable<string, array{string}> */
    public function sources(): iterable
    {
        $modules = dirname(__DIR__, 2) . '/modules';
        $files = new \RecursiveIteratorIterator(new \RecursiveDirectoryIterator(
            $modules,
            \FilesystemIterator::SKIP_DOTS,
        ));
        foreach ($files as $file) {
            if ($file->getExtension() === 'php') {
                yield substr($file->getPathname(), strlen($modules) + 1) => [$file->getPathname()];
            }
        }
    }

    /** @dataProvider sources */
    public function test_every_file_is_php_8_1(string $file): void
    {
        self::assertSame([], NewerSyntax::in((string) file_get_contents($file)));
    }

    /** @dataProvider sources */
    public function test_every_file_is_as_whmcs_asks(string $file): void
    {
        $text = (string) file_get_contents($file);
        self::assertStringStartsWith("<?php\n", $text);
        self::assertStringContainsString('declare(strict_types=1);', $text);
        self::assertStringNotContainsString('?>', $text);
        self::assertStringNotContainsString("\r", $text);
        self::assertStringEndsWith("\n", $text);
        self::assertTrue(mb_check_encoding($text, 'UTF-8'));
    }

    public function test_whoever_calls_a_file_from_outside_gets_nothing(): void
    {
        foreach ($this->sources() as $name => [$file]) {
            if (!str_contains($name, '/lib/') && !str_contains($name, '/lang/')) {
                exec('php -d display_errors=stdout ' . escapeshellarg($file) . ' 2>&1', $printed);
                self::assertSame(['This file cannot be accessed directly'], $printed, $name);
                $printed = [];
            }
        }
    }

    /** @dataProvider newer */
    public function test_what_only_a_later_php_knows_is_found(string $code, string $what): void
    {
        self::assertSame([$what . ' in line 1'], NewerSyntax::in('<?php ' . $code));
    }

    public function newer(): array
    {
        return [
            ['readonly class A {}', 'a readonly class'],
            ['trait A { const B = 1; }', 'a constant in a trait'],
            ['function a((A&B)|null $c) {}', 'a type in disjunctive normal form'],
            ['function a(): null {}', 'the type null alone'],
            ['function a(false $b) {}', 'the type false alone'],
            ['class A { public true $b; }', 'the type true alone'],
            ['$a = json_validate("");', 'json_validate()'],
            ['new \Random\Randomizer();', 'Random\Randomizer'],
            ['const A = B::C->value;', 'a property in a constant expression'],
            ['function a($b = B::C->value) {}', 'a property in a constant expression'],
        ];
    }

    public function test_what_php_8_1_knows_is_left_alone(): void
    {
        self::assertSame([], NewerSyntax::in(<<<'PHP'
            <?php
            enum Suit: string { case A = 'a'; const B = self::A; }
            final class C {
                public function __construct(private readonly array $d, private A&B $e = new B()) {}
                public function f(#[\SensitiveParameter] string|null|false $g): never { throw new $g(strlen(...)); }
            }
            PHP));
    }

    public function test_module_panel_and_archive_have_one_version(): void
    {
        $root = dirname(__DIR__, 4);
        preg_match('/^version = "([^"]+)"$/m', (string) file_get_contents($root . '/Cargo.toml'), $panel);
        self::assertSame($panel[1], Module::VERSION);
        $folder = sys_get_temp_dir() . '/opterius-zip-' . bin2hex(random_bytes(8));
        try {
            exec('SOURCE_DATE_EPOCH=1800000000 ' . escapeshellarg(dirname(__DIR__, 2) . '/build-zip') . ' '
                . escapeshellarg($folder), $printed, $status);
            self::assertSame([0, [$folder . '/opterius-whmcs-' . Module::VERSION . '.zip']], [$status, $printed]);
        } finally {
            array_map(unlink(...), glob($folder . '/*') ?: []);
            @rmdir($folder);
        }
    }
}
