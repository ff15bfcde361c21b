<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Whmcs;
use Opterius\Whmcs\Unit\NastyPasswords;

require_once dirname(__DIR__) . '/unit/NastyPasswords.php';

/** That no secret is in any entry is asserted after every test against the fake Panel; here the entries are forced. */
final class ModuleLogTest extends PanelTestCase
{
    public function test_every_request_is_logged_with_its_id_status_and_duration(): void
    {
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'drop_after']);
        $this->whmcs()->create();
        $requests = $this->panel->requests();
        $entries = Whmcs::log()->entries;
        self::assertSameSize($requests, $entries);
        foreach ($entries as $number => $entry) {
            self::assertSame(['opterius', 'CreateAccount'], [$entry['module'], $entry['action']]);
            self::assertStringContainsString($requests[$number]['path'], $entry['request']);
            self::assertStringContainsString('X-Request-Id: ' . $requests[$number]['request_id'], $entry['request']);
            self::assertMatchesRegularExpression(
                '/^status=(0|200|201) duration_ms=\d+ request\.id=' . $requests[$number]['request_id'] . '/',
                $entry['processed'],
            );
        }
        self::assertStringContainsString('"password":"[password]"', $entries[0]['request']);
        self::assertStringContainsString('"domain":"example.com"', $entries[0]['request']);
    }

    public function test_a_panel_that_repeats_the_secrets_leaks_none(): void
    {
        foreach (array_slice(NastyPasswords::some(), 0, 12) as $password) {
            $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'echo']);
            $whmcs = $this->whmcs(['password' => $password]);
            self::assertSame('success', $whmcs->create());
            self::assertSame([], Whmcs::log()->leaks);
            self::assertSame(['examplec' => $password], $this->panel->state()['passwords']);
        }
        self::assertStringContainsString('[secret]', Whmcs::log()->text());
    }

    public function test_a_problem_that_quotes_the_password_is_shown_without_it(): void
    {
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'reply', 'status' => 422, 'body' => [
            'code' => 'invalid_request', 'detail' => 'Kx7dQ2mVw9 is too easy to guess.',
        ]]);
        self::assertSentence('[secret] is too easy to guess.', $this->whmcs()->create());
    }

    public function test_what_was_never_sent_is_logged_too(): void
    {
        $sentence = $this->whmcs(['domain' => ''])->create();
        self::assertSame($sentence, Whmcs::log()->entries[0]['processed']);
    }

    public function test_every_change_and_every_button_is_logged_request_by_request(): void
    {
        $whmcs = $this->whmcs();
        $calls = [
            'CreateAccount' => static fn (): string => $whmcs->create(),
            'SuspendAccount' => static fn (): string => $whmcs->suspend(),
            'UnsuspendAccount' => static fn (): string => $whmcs->unsuspend(),
            'ChangePackage' => static fn (): string => $whmcs->changePackage(),
            'ChangePassword' => static fn (): string => $whmcs->changePassword('another-one-1'),
            'Renew' => static fn (): string => $whmcs->renew('2031-02-28'),
            'Reconcile' => static fn (): string => $whmcs->adminButton('Reconcile'),
            'ShowPlan' => static fn (): string => $whmcs->adminButton('Show Plan'),
            'TerminateAccount' => static fn (): string => $whmcs->terminate(),
            'Restore' => static fn (): string => $whmcs->adminButton('Restore'),
            'RotateToken' => static fn (): string => $whmcs->adminButton('Rotate Token'),
        ];
        $logged = 0;
        $sent = 0;
        foreach ($calls as $name => $call) {
            self::assertSame('success', $call(), $name);
            $requests = array_slice($this->panel->requests(), $sent);
            $entries = array_slice(Whmcs::log()->entries, $logged);
            self::assertNotSame([], $requests, $name);
            self::assertSameSize($requests, $entries, $name);
            foreach ($requests as $number => $request) {
                self::assertSame($name, $entries[$number]['action']);
                self::assertStringStartsWith($request['method'] . ' https://', $entries[$number]['request']);
                self::assertMatchesRegularExpression(
                    '/^status=20[01] duration_ms=\d+ request\.id=' . $request['request_id'] . '$/D',
                    $entries[$number]['processed'],
                );
            }
            $sent += count($requests);
            $logged += count($entries);
        }
    }

    public function test_a_new_password_that_the_panel_repeats_is_in_no_log_and_no_sentence(): void
    {
        $whmcs = $this->whmcs();
        $whmcs->create();
        foreach (array_slice(NastyPasswords::some(), 0, 12) as $password) {
            $this->panel->script(['on' => 'PUT /api/accounts/ref:s12/password', 'fault' => 'echo']);
            self::assertSame('success', $whmcs->changePassword($password));
            self::assertSame([], Whmcs::log()->leaks);
        }
    }
}
