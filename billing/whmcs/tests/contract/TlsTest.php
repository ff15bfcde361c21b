<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\Certificate;
use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\PanelTestCase;

require_once __DIR__ . '/Driver.php';

/** Whom the module talks to: the Panel whose key is pinned, or the one that an authority vouches for, and nobody else. */
final class TlsTest extends PanelTestCase
{
    private const GOOD = ['success' => true, 'error' => ''];

    private static function hash(string ...$pins): string
    {
        return 'o1.' . FakePanel::TOKEN . ($pins === [] ? '' : '.' . implode(',', $pins));
    }

    private static function noPin(): string
    {
        return base64_encode(str_repeat('w', 32));
    }

    private function test(array $changes): array
    {
        return opterius_TestConnection($this->params($changes));
    }

    private function assertRefused(string $start, array $changes): void
    {
        $result = $this->test($changes);
        self::assertFalse($result['success']);
        self::assertSentence($start, $result['error']);
        self::assertSame([], $this->panel->requests(), 'something was sent');
    }

    // Pins.

    public function test_the_right_pin_is_enough_for_a_certificate_that_nobody_signed(): void
    {
        self::assertSame(self::GOOD, $this->test([
            'serveraccesshash' => self::hash($this->panel->certificate->pin()),
        ]));
    }

    public function test_the_right_pin_is_enough_whatever_the_server_is_called(): void
    {
        $this->panel = new FakePanel(Certificate::selfSigned('DNS:other.example'));
        self::assertSame(self::GOOD, $this->test([
            'serveraccesshash' => self::hash($this->panel->certificate->pin()),
        ]));
    }

    public function test_a_wrong_pin_is_refused_before_anything_is_sent(): void
    {
        $this->assertRefused('The TLS key of 127.0.0.1:', ['serveraccesshash' => self::hash(self::noPin())]);
    }

    public function test_a_wrong_pin_is_refused_though_an_authority_vouches_for_the_certificate(): void
    {
        [, $printed] = Driver::run(
            $this->params(['serveraccesshash' => self::hash(self::noPin())]),
            ['TestConnection'],
            ['-d', 'curl.cainfo=' . $this->panel->certificate->file],
        );
        self::assertStringStartsWith('The TLS key of 127.0.0.1:', $printed['result']['error']);
        self::assertSame([], $this->panel->requests());
    }

    public function test_an_empty_pin_is_malformed_and_never_means_any_key(): void
    {
        foreach (['.', '.,', '.' . self::noPin() . ',', '.=', '. '] as $pins) {
            $this->assertRefused(
                'The Access Hash of this server is malformed',
                ['serveraccesshash' => self::hash() . $pins],
            );
        }
    }

    public function test_the_backup_pin_survives_a_key_roll_over(): void
    {
        $next = Certificate::selfSigned();
        $hash = ['serveraccesshash' => self::hash($this->panel->certificate->pin(), $next->pin())];
        self::assertSame(self::GOOD, $this->test($hash));
        $this->panel = new FakePanel($next);
        self::assertSame(self::GOOD, $this->test($hash));
        $this->panel = new FakePanel(Certificate::selfSigned());
        $this->assertRefused('The TLS key of 127.0.0.1:', $hash);
    }

    // Chains.

    public function test_the_right_chain_needs_no_pin(): void
    {
        self::assertSame(self::GOOD, $this->byChain('IP:127.0.0.1', '-1 day', '+1 day'));
    }

    public function test_a_chain_that_no_known_authority_begins_is_refused(): void
    {
        $this->assertRefused('The TLS certificate of 127.0.0.1:', ['serveraccesshash' => self::hash()]);
    }

    public function test_a_chain_for_another_name_is_refused(): void
    {
        $result = $this->byChain('DNS:other.example', '-1 day', '+1 day');
        self::assertStringContainsString('could not be verified (SSL: no alternative', $result['error']);
    }

    public function test_an_expired_certificate_is_refused(): void
    {
        $result = $this->byChain('IP:127.0.0.1', '-3 days', '-1 day');
        self::assertStringContainsString('could not be verified', $result['error']);
        self::assertStringContainsString('expired', $result['error']);
    }

    /** @return array{success: bool, error: string} what a PHP says that trusts the test's own authority */
    private function byChain(string $name, string $from, string $until): array
    {
        $authority = Certificate::selfSigned('DNS:authority.example');
        $this->panel = new FakePanel(self::issued($authority, $name, $from, $until));
        [, $printed] = Driver::run(
            $this->params(['serveraccesshash' => self::hash()]),
            ['TestConnection'],
            ['-d', 'curl.cainfo=' . $authority->file],
        );
        if (!$printed['result']['success']) {
            self::assertSame([], $this->panel->requests(), 'something was sent');
        }
        return $printed['result'];
    }

    /** A certificate that an authority has signed for a name and a time. */
    private static function issued(Certificate $authority, string $name, string $from, string $until): Certificate
    {
        $made = Certificate::selfSigned($name);
        $folder = sys_get_temp_dir() . '/authority' . bin2hex(random_bytes(8));
        mkdir($folder, 0700);
        file_put_contents("$folder/index", '');
        file_put_contents("$folder/config", implode("\n", [
            '[ca]', 'default_ca = one', '[one]', "database = $folder/index", "new_certs_dir = $folder",
            'default_md = sha256', 'policy = any', 'rand_serial = yes', 'x509_extensions = leaf',
            '[any]', 'commonName = supplied', '[leaf]', "subjectAltName = $name", '',
        ]));
        $time = static fn (string $when): string => gmdate('ymdHis\Z', strtotime($when));
        $commands = [
            ['openssl', 'req', '-new', '-key', $made->key, '-subj', '/CN=test', '-out', "$folder/request"],
            [
                'openssl', 'ca', '-batch', '-notext', '-config', "$folder/config", '-cert', $authority->file,
                '-keyfile', $authority->key, '-startdate', $time($from), '-enddate', $time($until),
                '-in', "$folder/request", '-out', $made->file,
            ],
        ];
        foreach ($commands as $command) {
            exec(implode(' ', array_map(escapeshellarg(...), $command)) . ' 2>&1', $output, $status);
            self::assertSame(0, $status, implode("\n", $output));
        }
        array_map(unlink(...), glob("$folder/*"));
        rmdir($folder);
        return $made;
    }

    // Neither http nor anywhere else.

    public function test_a_server_that_speaks_http_gets_nothing_to_hear(): void
    {
        $command = ['python3', '-u', '-m', 'http.server', '--bind', '127.0.0.1', '--directory', '/proc/self/fd', '0'];
        $process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
        try {
            self::assertSame(1, preg_match('/port (\d+)/', (string) fgets($pipes[1]), $match));
            $result = $this->test([
                'serverport' => $match[1], 'serversecure' => '', 'serverhttpprefix' => 'http',
            ]);
        } finally {
            proc_terminate($process);
        }
        $heard = (string) stream_get_contents($pipes[2]);
        proc_close($process);
        self::assertFalse($result['success']);
        self::assertStringContainsString('does not complete a TLS handshake', $result['error']);
        self::assertStringNotContainsString('/api/', $heard);
    }

    public function test_a_redirect_is_not_followed_and_takes_no_token_along(): void
    {
        $this->panel->script(['on' => '* *', 'fault' => 'redirect', 'times' => 0]);
        $result = $this->test([]);
        self::assertSentence("127.0.0.1:{$this->panel->port} sends us elsewhere (HTTP 302)", $result['error']);
        self::assertCount(1, $this->panel->requests());
    }
}
