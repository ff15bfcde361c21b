<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\PanelTestCase;
use WHMCS\Module\Server\Opterius\Module;

/** The Test Connection button names the one thing that is wrong. */
final class TestConnectionTest extends PanelTestCase
{
    private const GOOD = ['success' => true, 'error' => ''];

    private function assertWrong(string $start, array $changes = [], float $budget = 15.0): void
    {
        $result = Module::testConnection($this->params($changes), $budget);
        self::assertFalse($result['success']);
        self::assertSentence($start, $result['error']);
    }

    public function test_a_working_server_passes(): void
    {
        self::assertSame(self::GOOD, opterius_TestConnection($this->params()));
    }

    public function test_the_backup_pin_alone_is_enough(): void
    {
        $hash = 'o1.' . FakePanel::TOKEN . '.' . base64_encode(str_repeat('w', 32)) . ','
            . $this->panel->certificate->pin();
        self::assertSame(self::GOOD, opterius_TestConnection($this->params(['serveraccesshash' => $hash])));
    }

    public function test_a_name_that_does_not_resolve(): void
    {
        $this->assertWrong('The name no.such.invalid cannot be resolved.', ['serverhostname' => 'no.such.invalid']);
    }

    public function test_a_port_that_nobody_listens_on(): void
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        $port = explode(':', stream_socket_get_name($socket, false))[1];
        fclose($socket);
        $this->assertWrong("Nothing accepts connections at 127.0.0.1:$port.", ['serverport' => $port]);
    }

    public function test_something_that_accepts_and_stays_silent(): void
    {
        // A listening socket that nobody accepts from: the kernel takes the connection, the handshake never comes.
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        $port = explode(':', stream_socket_get_name($socket, false))[1];
        $this->assertWrong(
            "127.0.0.1:$port cannot be reached: the connection timed out.",
            ['serverport' => $port],
            self::SHORT_BUDGET,
        );
    }

    public function test_a_panel_that_takes_the_request_and_stays_silent(): void
    {
        $this->panel->script(['on' => 'GET /api/self', 'fault' => 'hang_before']);
        $this->assertWrong(
            "127.0.0.1:{$this->panel->port} took the request but did not answer in time.",
            [],
            self::SHORT_BUDGET,
        );
    }

    public function test_a_certificate_that_no_authority_signed(): void
    {
        $this->assertWrong(
            "The TLS certificate of 127.0.0.1:{$this->panel->port} could not be verified",
            ['serveraccesshash' => 'o1.' . FakePanel::TOKEN],
        );
        self::assertSame([], $this->panel->requests());
    }

    public function test_a_key_that_is_not_the_pinned_one(): void
    {
        $hash = 'o1.' . FakePanel::TOKEN . '.' . base64_encode(str_repeat('w', 32));
        $this->assertWrong(
            "The TLS key of 127.0.0.1:{$this->panel->port} is not the one pinned",
            ['serveraccesshash' => $hash],
        );
        self::assertSame([], $this->panel->requests());
    }

    public function test_a_token_that_the_panel_refuses(): void
    {
        $this->panel->set(['token' => 'another']);
        $this->assertWrong('The Panel refused the token in the Access Hash. The token is not valid.');
    }

    public function test_each_scope_that_is_missing_is_named_with_what_it_is_for(): void
    {
        $all = $this->panel->state()['scopes'];
        self::assertCount(16, $all);
        foreach ($all as $scope) {
            if ($scope === 'self.read') {
                continue; // Without it nothing can be asked at all, which the Panel says itself.
            }
            $this->panel->set(['scopes' => array_values(array_diff($all, [$scope]))]);
            $result = opterius_TestConnection($this->params());
            self::assertMatchesRegularExpression(
                '/^The token in the Access Hash lacks ' . preg_quote($scope) . ' \([A-Za-z ]+\)\. Create a new WHMCS/',
                $result['error'],
            );
        }
        $this->panel->set(['scopes' => []]);
        $this->assertWrong('The token `whmcs` may not do this: it has no scope `self.read`.');
        $this->panel->set(['scopes' => ['self.read', 'self.rotate', 'packages.read']]);
        $this->assertWrong(
            'The token in the Access Hash lacks self.sign_in (signing staff in), accounts.read (seeing what became of a '
            . 'change), accounts.create (Create), accounts.suspend (Suspend and Unsuspend), accounts.package (Change',
        );
    }

    public function test_a_token_that_has_expired(): void
    {
        $this->panel->set(['expires_at' => 1]);
        $this->assertWrong('The Panel refused the token in the Access Hash. The token `whmcs` has expired.');
    }

    public function test_another_version_of_the_api(): void
    {
        $this->panel->set(['api_version' => 2]);
        $this->assertWrong('The Panel speaks version 2 of its API and this module version 1. Update the module');
        $this->panel->set(['api_version' => 0]);
        $this->assertWrong('The Panel speaks version 0 of its API and this module version 1. Update the Panel.');
    }

    public function test_clocks_that_disagree(): void
    {
        $this->panel->set(['clock_skew' => 3630]);
        $this->assertWrong('The clock of the Panel is 60 minutes ahead of the clock of WHMCS.');
        $this->panel->set(['clock_skew' => -630]);
        $this->assertWrong('The clock of the Panel is 10 minutes behind the clock of WHMCS.');
        $this->panel->set(['clock_skew' => 240]);
        self::assertSame(self::GOOD, opterius_TestConnection($this->params()));
    }

    public function test_a_panel_without_packages(): void
    {
        $this->panel->set(['packages' => []]);
        $this->assertWrong('The Panel has no package yet.');
    }

    public function test_a_server_that_the_panel_cannot_reach(): void
    {
        $this->panel->set(['servers' => [['id' => 's1', 'name' => 'web1', 'reachable' => false]]]);
        $this->assertWrong('The Panel answers, but cannot reach its server web1.');
    }

    public function test_a_panel_without_servers(): void
    {
        $this->panel->set(['servers' => []]);
        $this->assertWrong('The Panel has no server yet.');
    }

    /** @dataProvider strangers */
    public function test_something_else_at_that_address(array $rule, string $end): void
    {
        $this->panel->script(['on' => 'GET /api/self'] + $rule);
        $this->assertWrong("127.0.0.1:{$this->panel->port} $end");
    }

    public function strangers(): array
    {
        return [
            'a web server' => [['fault' => 'html', 'status' => 404], 'answers, but not as an Opterius Panel does'],
            'a gateway' => [['fault' => 'html', 'status' => 502], 'answers with a server error (HTTP 502)'],
            'a redirect' => [['fault' => 'redirect'], 'sends us elsewhere (HTTP 302), which is never followed.'],
            'a page' => [['fault' => 'html', 'status' => 200], 'sent an answer that is incomplete or not'],
            'another API' => [
                ['fault' => 'reply', 'status' => 200, 'body' => ['data' => ['version' => '9']]],
                'answers, but not as an Opterius Panel does',
            ],
            'half an answer' => [['fault' => 'half'], 'dropped the connection before its answer was complete'],
            'half a document' => [['fault' => 'truncate'], 'sent an answer that is incomplete or not'],
            'no answer' => [['fault' => 'drop_before'], 'dropped the connection before its answer was complete'],
        ];
    }

    public function test_a_server_form_that_is_not_complete(): void
    {
        $this->assertWrong('This server has no Access Hash.', ['serveraccesshash' => '']);
        $this->assertWrong('The Access Hash of this server is malformed', ['serveraccesshash' => 'o1.half']);
        $this->assertWrong('No Opterius server is assigned', ['serverhostname' => '', 'serverip' => '']);
    }
}
