<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\PanelTestCase;

require_once __DIR__ . '/Driver.php';

/** The module in a PHP of its own, as the command-line driver starts it. */
final class OrderDriverTest extends PanelTestCase
{
    public function test_it_creates_an_account_and_writes_the_log(): void
    {
        $log = tempnam(sys_get_temp_dir(), 'log');
        try {
            [$status, $printed] = Driver::run($this->params(), ['CreateAccount', '--log', $log]);
            $lines = file($log);
        } finally {
            unlink($log);
        }
        $id = $this->panel->state()['accounts'][0]['id'];
        self::assertSame(0, $status);
        self::assertSame([
            'result' => 'success',
            'status' => 'Active',
            'saved' => ['Opterius Account ID' => $id, 'Dedicated IP' => '192.0.2.1'],
            'leaks' => [],
        ], $printed);
        self::assertCount(1, $lines);
        self::assertSame('CreateAccount', json_decode($lines[0], true)['action']);
    }

    public function test_it_reports_what_the_other_functions_return_or_throw(): void
    {
        [, $printed] = Driver::run($this->params(), ['TestConnection']);
        self::assertSame(['success' => true, 'error' => ''], $printed['result']);
        [, $printed] = Driver::run($this->params(), ['PackageLoader']);
        self::assertSame([FakePanel::PACKAGE_ID], array_keys($printed['result']));
        $this->panel->set(['packages' => []]);
        [$status, $printed] = Driver::run($this->params(), ['PackageLoader']);
        self::assertSame(0, $status);
        self::assertStringStartsWith('The Panel has no package yet.', $printed['exception']);
    }

    public function test_a_php_without_intl_sends_an_international_domain_as_it_was_sold(): void
    {
        [, $printed] = Driver::run(
            $this->params(['domain' => 'bücher.example']),
            ['CreateAccount'],
            ['-d', 'disable_functions=idn_to_ascii'],
        );
        self::assertSame('success', $printed['result']);
        self::assertSame('bücher.example', $this->panel->requests('POST')[0]['body']['domain']);
        self::assertSame('xn--bcher-kva.example', $this->panel->account('s12')['domain']);
    }
}
