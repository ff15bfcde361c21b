<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;
use Opterius\Whmcs\StandIn\Whmcs;
use Opterius\Whmcs\Unit\NastyPasswords;
use WHMCS\Authentication\CurrentUser;
use WHMCS\Module\Server\Opterius\Module;

require_once __DIR__ . '/CurrentUser.php';
require_once dirname(__DIR__) . '/unit/NastyPasswords.php';

final class ChangePasswordTest extends PanelTestCase
{
    private const LATER = 'The password could not be changed just now. Please try again in a few minutes, or contact us.';

    protected function setUp(): void
    {
        parent::setUp();
        CurrentUser::nobody();
    }

    private function active(): Service
    {
        $service = $this->whmcs();
        self::assertSame('success', $service->create());
        $service->overrides = [];
        return $service;
    }

    private function password(): string
    {
        return $this->panel->state()['passwords']['examplec'];
    }

    public function test_any_allowed_password_becomes_the_accounts(): void
    {
        $service = $this->active();
        foreach (array_slice(NastyPasswords::some(), 0, 25) as $number => $password) {
            $this->installation->encodesHtml = $number % 2 === 1;
            self::assertSame('success', $service->changePassword($password));
            self::assertSame($password, $this->password());
            self::assertSame($password, $service->properties->get('Password'));
        }
    }

    public function test_what_is_wrong_with_a_password_is_told_to_who_typed_it(): void
    {
        $service = $this->active();
        foreach (['brief12' => 'The password is too short: use at least 8', '' => 'The password is empty'] as $new => $start) {
            self::assertSentence($start, $service->changePassword($new));
        }
        self::assertSentence('The password holds a control character', $service->changePassword("line\nbreak"));
        self::assertSentence('The password contains bytes that are not UTF-8', $service->changePassword("\xff1234567"));
        self::assertSame('Kx7dQ2mVw9', $this->password());
        self::assertSame('Kx7dQ2mVw9', $service->properties->get('Password'));
    }

    /** @dataProvider failures */
    public function test_a_client_is_told_nothing_of_the_insides(array $rule, string $sentence): void
    {
        $service = $this->active();
        $this->panel->script(['on' => 'PUT /api/accounts/ref:s12/password', 'times' => 0] + $rule);
        $via = static fn (array $params): string => Module::changePassword($params, 1.5);
        $told = $service->changePassword('another-one-1', $via);
        self::assertSentence($sentence, $told);
        foreach (['127.0.0.1', 'token', 'scope', 'op-1', 'web1', 'Operation', 's12', 'HTTP'] as $inside) {
            self::assertStringNotContainsString($inside, $told);
        }
    }

    public function failures(): array
    {
        $problem = static fn (int $status, string $code, string $detail): array => [
            'fault' => 'reply', 'status' => $status,
            'body' => ['code' => $code, 'detail' => $detail, 'operation_id' => 'op-1'],
        ];
        return [
            'the token' => [$problem(401, 'unauthorized', 'The token is not valid.'), self::LATER],
            'a scope' => [$problem(403, 'forbidden', 'No scope accounts.password.'), self::LATER],
            'the server' => [$problem(503, 'server_unreachable', 'The server web1 does not answer.'), self::LATER],
            'another change' => [
                $problem(409, 'operation_running', 'Another operation goes on.'),
                'The account is just being changed. Please try again in a minute.',
            ],
            'terminated' => [
                $problem(410, 'account_gone', 'The account was terminated.'),
                'The account does not exist any more, so its password cannot be changed. Please contact us.',
            ],
            'never there' => [
                $problem(404, 'not_found', 'There is no account `s12`.'),
                'There is no account whose password could be changed. Please contact us.',
            ],
            'no answer' => [['fault' => 'drop_before'], self::LATER],
            'another web server' => [['fault' => 'html', 'status' => 404], self::LATER],
        ];
    }

    public function test_staff_find_the_cause_in_the_log_and_see_it_when_they_press_the_button(): void
    {
        $service = $this->active();
        $this->panel->set(['scopes' => []]);
        $told = $service->changePassword('another-one-1');
        self::assertSentence(self::LATER, $told);
        self::assertStringContainsString('it has no scope `accounts.password`', Whmcs::log()->text());
        CurrentUser::staff();
        self::assertSentence('The token `whmcs` may not do this', $service->changePassword('another-one-1'));
        CurrentUser::staffInAClientsPlace();
        self::assertSentence(self::LATER, $service->changePassword('another-one-1'));
    }

    public function test_a_server_form_that_is_not_complete_is_none_of_the_clients_business(): void
    {
        $service = $this->active();
        $service->overrides = ['serveraccesshash' => 'o1.half'];
        self::assertSentence(self::LATER, $service->changePassword('another-one-1'));
    }
}
