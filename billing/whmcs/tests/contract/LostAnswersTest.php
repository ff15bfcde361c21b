<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;
use WHMCS\Module\Server\Opterius\Module;

/** Every change of an account ends well or says what to do, whatever becomes of the answer to it. */
final class LostAnswersTest extends PanelTestCase
{
    private const PRO = '01890000-0000-7000-8000-000000000002';

    private int $number = 20;

    protected function setUp(): void
    {
        parent::setUp();
        $packages = $this->panel->state()['packages'];
        $packages[] = ['id' => self::PRO, 'name' => 'Pro', 'limits' => ['disk_mib' => 102400]];
        $this->panel->set(['packages' => $packages]);
    }

    /**
     * Each change: the request that makes it, the function of the module, what has to be done before, and whether it is
     * made.
     *
     * @return array<string, array{string, callable, callable, callable}>
     */
    private function changes(): array
    {
        $nothing = static function (): void {
        };
        return [
            'suspend' => [
                'POST /api/accounts/*/suspend',
                Module::suspendAccount(...),
                $nothing,
                static fn (array $account): bool => $account['status'] === 'suspended',
            ],
            'unsuspend' => [
                'POST /api/accounts/*/unsuspend',
                Module::unsuspendAccount(...),
                static fn (Service $service) => $service->suspend('overdue'),
                static fn (array $account): bool => $account['status'] === 'active',
            ],
            'package' => [
                'PUT /api/accounts/*/package',
                Module::changePackage(...),
                static function (Service $service): void {
                    $service->overrides['configoption1'] = self::PRO;
                },
                static fn (array $account): bool => $account['package']['name'] === 'Pro',
            ],
            'password' => [
                'PUT /api/accounts/*/password',
                Module::changePassword(...),
                static function (Service $service): void {
                    $service->overrides['password'] = 'another-one-1';
                },
                fn (array $account): bool => $this->panel->state()['passwords'][$account['username']] === 'another-one-1',
            ],
            'terminate' => [
                'DELETE /api/accounts/*',
                Module::terminateAccount(...),
                $nothing,
                static fn (array $account): bool => $account['status'] === 'terminated',
            ],
            'restore' => [
                'POST /api/accounts/*/restore',
                Module::restore(...),
                static fn (Service $service) => $service->terminate(),
                static fn (array $account): bool => $account['status'] === 'active',
            ],
            'repair' => [
                'POST /api/accounts/*/repair',
                Module::reconcile(...),
                fn (Service $service) => $this->panel->set(['drift' => [$service->row()['username'] => [
                    'changes' => [['resource' => 'site', 'change' => 'x']],
                ]]]),
                fn (array $account): bool => !isset($this->panel->state()['drift'][$account['username']]),
            ],
            'renew' => [
                'PATCH /api/accounts/*',
                Module::renew(...),
                static fn (Service $service) => $service->edit(['nextduedate' => '2031-02-28']),
                static fn (array $account): bool => $account['next_due_on'] === '2031-02-28',
            ],
        ];
    }

    private function next(): Service
    {
        $number = ++$this->number;
        $service = $this->whmcs([
            'serviceid' => $number, 'domain' => "example$number.com", 'username' => "user$number",
        ]);
        self::assertSame('success', $service->create());
        return $service;
    }

    private function account(): array
    {
        $state = $this->panel->state();
        $accounts = array_column([...$state['terminated'], ...$state['accounts']], null, 'external_ref');
        return $accounts['s' . $this->number];
    }

    /** @dataProvider lost */
    public function test_a_change_whose_answer_was_lost_is_made_once_and_known_to_be(array ...$faults): void
    {
        foreach ($this->changes() as $name => [$on, $call, $prepare, $isMade]) {
            $service = $this->next();
            $prepare($service);
            $this->panel->script(...array_map(static fn (array $fault): array => ['on' => $on] + $fault, $faults));
            self::assertSame('success', $call($service->params()), $name);
            self::assertTrue($isMade($this->account()), $name);
            $operations = array_filter(
                $this->panel->state()['operations'],
                fn (array $operation): bool => $operation['external_ref'] === 's' . $this->number
                    && $operation['kind'] === $name,
            );
            // A password and a repair are begun again, as they may be; nothing else is.
            $most = in_array($name, ['password', 'repair'], true) ? count($faults) + 1 : 1;
            self::assertLessThanOrEqual($most, count($operations), $name);
            $this->panel->script();
        }
    }

    public function lost(): array
    {
        return [
            'dropped before it was carried out' => [['fault' => 'drop_before']],
            'dropped after it was carried out' => [['fault' => 'drop_after']],
            'asked before the first one arrives' => [['fault' => 'late']],
            'half an answer' => [['fault' => 'half']],
            'half a document' => [['fault' => 'truncate']],
            'a gateway page' => [['fault' => 'html', 'status' => 502]],
            'another server\'s 404' => [['fault' => 'html', 'status' => 404]],
            'another server\'s 200' => [['fault' => 'html', 'status' => 200]],
            'a redirect' => [['fault' => 'redirect']],
            'an internal error' => [['fault' => 'reply', 'status' => 500, 'body' => ['code' => 'internal']]],
            'twice' => [['fault' => 'drop_after'], ['fault' => 'half']],
        ];
    }

    public function test_a_change_that_takes_longer_is_waited_for(): void
    {
        foreach ($this->withOperations() as $name => [$on, $call, $prepare, $isMade]) {
            $service = $this->next();
            $prepare($service);
            $this->panel->script(['on' => $on, 'fault' => 'async', 'polls' => 2, 'end' => 'committed']);
            self::assertSame('success', $call($service->params()), $name);
            self::assertTrue($isMade($this->account()), $name);
        }
    }

    public function test_a_change_that_was_undone_gives_its_own_reason(): void
    {
        foreach ($this->withOperations() as $name => [$on, $call, $prepare]) {
            $service = $this->next();
            $prepare($service);
            foreach (['async', 'ends'] as $fault) {
                $this->panel->script(['on' => $on, 'fault' => $fault, 'polls' => 1, 'end' => 'rolled_back']);
                $sentence = $call($service->params());
                if ($name === 'password') {
                    self::assertSentence('The password could not be changed just now.', $sentence);
                } else {
                    self::assertSentence('The dns zone step failed: the DNS server does not answer.', $sentence);
                }
            }
        }
    }

    public function test_a_change_that_goes_on_says_that_the_button_may_be_pressed_again(): void
    {
        foreach ($this->withOperations() as $name => [$on, $call, $prepare, $isMade]) {
            $service = $this->next();
            $prepare($service);
            $this->panel->script(['on' => $on, 'fault' => 'async', 'polls' => 999, 'end' => 'committed']);
            $sentence = $call($service->params(), 1.0);
            if ($name === 'password') {
                self::assertSentence('The password could not be changed just now.', $sentence);
                continue;
            }
            self::assertSentence('The Panel is still ', $sentence);
            self::assertMatchesRegularExpression('/Operation \S+\. Wait a minute and press \w+( \w+)? again:/', $sentence);
            self::assertFalse($isMade($this->account()), $name);
        }
    }

    public function test_a_change_behind_another_waits_for_its_turn(): void
    {
        foreach ($this->withOperations() as $name => [$on, $call, $prepare, $isMade]) {
            $service = $this->next();
            $prepare($service);
            $running = ['code' => 'operation_running', 'operation_id' => 'op-1', 'detail' => 'Another goes on.'];
            $this->panel->script(['on' => $on, 'fault' => 'reply', 'status' => 409, 'body' => $running]);
            self::assertSame('success', $call($service->params()), $name);
            self::assertTrue($isMade($this->account()), $name);
        }
    }

    public function test_a_change_that_never_gets_its_turn_was_not_begun_and_says_so(): void
    {
        $service = $this->next();
        $this->panel->script(['on' => 'POST /api/accounts/*/repair', 'fault' => 'async', 'polls' => 999]);
        Module::reconcile($service->params(), 0.5);
        $sentence = Module::suspendAccount($service->params(), 1.0);
        self::assertSentence('Another change of this account is still going on, so this one was not begun.', $sentence);
        self::assertSame([], $this->account()['holds']);
    }

    public function test_nothing_is_success_while_nobody_answers(): void
    {
        foreach ($this->changes() as $name => [, $call, $prepare]) {
            $service = $this->next();
            $prepare($service);
            foreach (['drop_before', 'drop_after', 'html'] as $fault) {
                $this->panel->script(['on' => '* *', 'fault' => $fault, 'status' => 502, 'times' => 0]);
                $before = $this->panel->changes();
                $result = $call($service->params(), 1.0);
                self::assertLessThanOrEqual(3, $this->panel->changes() - $before, "$name was sent too often");
                // A renewal is no failure for that, which is shown elsewhere.
                self::assertSame($name === 'renew', $result === 'success', "$name: $result");
            }
            // One more press of the button brings everything to where it should be.
            $this->panel->script();
            self::assertSame('success', $call($service->params()), $name);
        }
    }

    public function test_a_panel_that_hangs_is_not_waited_for_beyond_the_time_that_there_is(): void
    {
        $service = $this->next();
        $this->panel->script(['on' => '* *', 'fault' => 'hang_before', 'times' => 0]);
        $sentence = Module::suspendAccount($service->params(), 1.5);
        self::assertSentence('It is not known whether the account was suspended: ', $sentence);
        self::assertStringContainsString('took the request but did not answer in time', $sentence);
    }

    private function withOperations(): array
    {
        return array_diff_key($this->changes(), ['renew' => true]);
    }
}
