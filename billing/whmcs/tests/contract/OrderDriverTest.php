<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\Certificate;
use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\PanelTestCase;

/** The module in a PHP of its own, as the command-line driver starts it. */
final class OrderDriverTest extends PanelTestCase
{
    /**
     * @param list<string> $php options for PHP itself
     *
     * @return array{int, array} the exit status and what was printed
     */
    private static function order(array $params, array $arguments, array $php = []): array
    {
        $command = ['php', ...$php, dirname(__DIR__) . '/order.php', ...$arguments];
        $process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
        fwrite($pipes[0], json_encode($params, JSON_THROW_ON_ERROR));
        fclose($pipes[0]);
        $output = stream_get_contents($pipes[1]);
        self::assertSame('', stream_get_contents($pipes[2]));
        return [proc_close($process), json_decode($output, true, 512, JSON_THROW_ON_ERROR)];
    }

    public function test_it_creates_an_account_and_writes_the_log(): void
    {
        $log = tempnam(sys_get_temp_dir(), 'log');
        try {
            [$status, $printed] = self::order($this->params(), ['CreateAccount', '--log', $log]);
            $lines = file($log);
        } finally {
            unlink($log);
        }
        $id = $this->panel->state()['accounts'][0]['id'];
        self::assertSame(0, $status);
        self::assertSame([
            'result' => 'success',
            'status' => 'Active',
            'saved' => ['Opterius Account ID' => $id],
            'leaks' => [],
        ], $printed);
        self::assertCount(1, $lines);
        self::assertSame('CreateAccount', json_decode($lines[0], true)['action']);
    }

    public function test_it_reports_what_the_other_functions_return_or_throw(): void
    {
        [, $printed] = self::order($this->params(), ['TestConnection']);
        self::assertSame(['success' => true, 'error' => ''], $printed['result']);
        [, $printed] = self::order($this->params(), ['PackageLoader']);
        self::assertSame([FakePanel::PACKAGE_ID], array_keys($printed['result']));
        $this->panel->set(['packages' => []]);
        [$status, $printed] = self::order($this->params(), ['PackageLoader']);
        self::assertSame(0, $status);
        self::assertStringStartsWith('The Panel has no package yet.', $printed['exception']);
    }

    public function test_a_chain_that_an_authority_vouches_for_needs_no_pins(): void
    {
        // Only a PHP of its own can be told to trust the test's certificate; the module itself has no such switch.
        $trust = ['-d', 'curl.cainfo=' . $this->panel->certificate->file];
        $hash = ['serveraccesshash' => 'o1.' . FakePanel::TOKEN];
        [, $printed] = self::order($this->params($hash), ['TestConnection'], $trust);
        self::assertSame(['success' => true, 'error' => ''], $printed['result']);
    }

    public function test_a_chain_for_another_name_is_refused(): void
    {
        $certificate = Certificate::selfSigned('DNS:other.example');
        $this->panel = new FakePanel($certificate);
        $trust = ['-d', 'curl.cainfo=' . $certificate->file];
        $hash = ['serveraccesshash' => 'o1.' . FakePanel::TOKEN];
        [, $printed] = self::order($this->params($hash), ['TestConnection'], $trust);
        self::assertFalse($printed['result']['success']);
        self::assertStringContainsString('could not be verified (SSL: no alternative', $printed['result']['error']);
        self::assertSame([], $this->panel->requests());
    }
}
