<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\CurlWatch;
use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Whmcs;
use WHMCS\Module\Server\Opterius\Action;

/** Each of these went wrong in a provisioning module that people use. */
final class DefectsTest extends PanelTestCase
{
    public function test_a_dead_panel_never_creates_suspends_or_terminates_an_account(): void
    {
        // `false == 0` is true in PHP: modules that compare curl's result so report success when nothing answered.
        $port = $this->endPanel();
        $whmcs = $this->whmcs(['serverport' => (string) $port]);
        self::assertSentence("Nothing accepts connections at 127.0.0.1:$port.", $whmcs->create());
        self::assertSame(['Pending', 0], [$whmcs->status, $whmcs->welcomeMails]);
        foreach (['suspend', 'unsuspend', 'terminate', 'changePackage'] as $command) {
            self::assertSentence("Nothing accepts connections at 127.0.0.1:$port.", $whmcs->$command());
        }
        foreach (['Restore', 'Reconcile', 'Show Plan', 'Retry Operation', 'Rotate Token'] as $button) {
            self::assertSentence("Nothing accepts connections at 127.0.0.1:$port.", $whmcs->adminButton($button));
        }
        self::assertSentence('The password could not be changed just now.', $whmcs->changePassword('another-one-1'));
        self::assertSame('Pending', $whmcs->status);
    }

    public function test_a_create_whose_answer_was_lost_does_not_fail_forever_with_already_created(): void
    {
        $silent = ['POST /api/accounts', 'GET /api/accounts', 'GET /api/operations'];
        $this->panel->script(...array_merge(...array_fill(0, 20, array_map(
            static fn (string $on): array => ['on' => $on, 'fault' => 'drop_after'],
            $silent,
        ))));
        $whmcs = $this->whmcs();
        self::assertNotSame('success', $whmcs->create(self::SHORT_BUDGET));
        self::assertCount(1, $this->panel->state()['accounts']);
        $this->panel->script();
        self::assertSame('success', $whmcs->create());
        self::assertCount(1, $this->panel->state()['accounts']);
    }

    public function test_a_repeated_order_never_makes_two_accounts(): void
    {
        $this->panel->script(
            ['on' => 'POST /api/accounts', 'fault' => 'late'],
            ['on' => 'POST /api/accounts', 'fault' => 'drop_after'],
        );
        self::assertSame('success', $this->whmcs()->create());
        $refs = array_column(array_column($this->panel->requests('POST'), 'body'), 'external_ref');
        self::assertSame(['s12'], array_values(array_unique($refs)));
        self::assertCount(1, $this->panel->state()['accounts']);
    }

    public function test_a_failure_in_the_middle_leaves_nothing_that_blocks_the_next_attempt(): void
    {
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'async', 'polls' => 0, 'end' => 'rolled_back']);
        $whmcs = $this->whmcs();
        self::assertNotSame('success', $whmcs->create());
        self::assertSame('success', $whmcs->create());
        self::assertSame(['Active', 1], [$whmcs->status, $whmcs->welcomeMails]);
    }

    public function test_a_domain_that_exists_already_is_not_adopted_from_a_stranger(): void
    {
        $this->whmcs(['serviceid' => 99, 'username' => 'stranger'])->create();
        $whmcs = $this->whmcs();
        self::assertSentence('The domain `example.com` already belongs to the account ', $whmcs->create());
        self::assertSame('Pending', $whmcs->status);
        self::assertSame(['stranger'], array_keys($this->panel->state()['passwords']));
    }

    public function test_the_package_does_not_depend_on_what_anything_is_called(): void
    {
        $package = $this->panel->state()['packages'][0];
        $this->panel->set(['packages' => [['name' => 'Renamed'] + $package]]);
        self::assertSame('success', $this->whmcs()->create());
    }

    public function test_an_account_with_the_same_email_is_not_taken_over(): void
    {
        $this->whmcs(['serviceid' => 99, 'username' => 'stranger', 'domain' => 'example.net'])->create();
        self::assertSame('success', $this->whmcs()->create());
        self::assertSame(['stranger', 'examplec'], array_column($this->panel->state()['accounts'], 'username'));
    }

    public function test_the_first_of_a_list_is_never_taken_for_ours(): void
    {
        $stranger = [
            'id' => 'x', 'external_ref' => 's99', 'username' => 'examplec', 'domain' => 'example.com',
            'status' => 'active',
        ];
        $drop = ['on' => 'POST /api/accounts', 'fault' => 'drop_before'];
        $list = ['on' => 'GET /api/accounts', 'fault' => 'reply', 'status' => 200, 'body' => ['data' => [$stranger]]];
        $this->panel->script(...array_fill(0, 9, $drop), ...array_fill(0, 20, $list));
        self::assertSentence(
            'It is not known whether the account was created',
            $this->whmcs()->create(self::SHORT_BUDGET),
        );
    }

    public function test_an_error_that_is_no_exception_does_not_escape(): void
    {
        $params = $this->params(['model' => new class {
            public function __get(string $name): mixed
            {
                throw new \TypeError('not an Exception');
            }
        }]);
        self::assertSame('success', opterius_CreateAccount($params));
    }

    public function test_an_inner_failure_is_a_sentence_and_its_cause_is_in_the_log(): void
    {
        $result = Action::perform(
            'Test',
            $this->params(),
            1.0,
            static fn () => throw new \ValueError('the cause with Kx7dQ2mVw9 in it'),
            static fn (string $sentence): string => $sentence,
        );
        self::assertSentence('The Opterius module failed inside (ValueError).', $result);
        self::assertStringNotContainsString('the cause', $result);
        self::assertStringContainsString('the cause with [secret] in it', Whmcs::log()->text());
    }

    public function test_a_generic_404_is_not_an_answer_about_the_account(): void
    {
        $rule = ['fault' => 'html', 'status' => 404];
        $this->panel->script(...array_merge(...array_fill(0, 20, [
            ['on' => 'POST /api/accounts'] + $rule,
            ['on' => 'GET /api/accounts'] + $rule,
            ['on' => 'GET /api/operations'] + $rule,
        ])));
        $sentence = $this->whmcs()->create(self::SHORT_BUDGET);
        self::assertSentence('It is not known whether the account was created', $sentence);
        self::assertStringContainsString('not as an Opterius Panel does (HTTP 404)', $sentence);
    }

    public function test_verification_stays_on_where_curl_knows_no_pins(): void
    {
        CurlWatch::$refusePins = true;
        $sentence = $this->whmcs()->create();
        self::assertSentence('The curl library of this PHP cannot verify the Panel by the pins', $sentence);
        self::assertSame([], $this->panel->requests());
    }

    public function test_a_proxy_in_the_environment_is_not_used(): void
    {
        foreach (['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'] as $name) {
            putenv("$name=http://127.0.0.1:1");
        }
        try {
            self::assertSame('success', $this->whmcs()->create());
        } finally {
            foreach (['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'] as $name) {
                putenv($name);
            }
        }
    }

    public function test_unsuspend_lifts_the_suspension(): void
    {
        // A module passed the status as an argument that the function it called did not have: nothing was ever lifted.
        $whmcs = $this->whmcs();
        $whmcs->create();
        $whmcs->suspend();
        self::assertSame('success', $whmcs->unsuspend());
        self::assertSame(['active', []], [
            $this->panel->account('s12')['status'], $this->panel->account('s12')['holds'],
        ]);
    }

    public function test_a_retry_gives_the_account_the_password_that_whmcs_has_by_then(): void
    {
        // A billing system made a fresh password for a retry, skipped the create, and showed a password that was none.
        $this->panel->script(['on' => 'POST /api/accounts', 'fault' => 'drop_after', 'times' => 9]);
        $whmcs = $this->whmcs();
        $whmcs->create(self::SHORT_BUDGET);
        $this->panel->script();
        $whmcs->edit(['password' => 'a-fresh-one-1']);
        $whmcs->overrides = [];
        self::assertSame('success', $whmcs->create());
        self::assertSame(['examplec' => 'a-fresh-one-1'], $this->panel->state()['passwords']);
    }

    public function test_a_suspend_that_meets_a_404_is_no_success_and_forgets_nothing(): void
    {
        $whmcs = $this->whmcs();
        $whmcs->create();
        $id = $whmcs->properties->get('Opterius Account ID');
        $this->panel->script(['on' => 'POST /api/accounts/ref:s12/suspend', 'fault' => 'reply', 'status' => 404, 'body' => [
            'code' => 'not_found', 'detail' => 'There is no account `s12`.',
        ]]);
        self::assertSentence('The Panel has never had an account for this service (s12).', $whmcs->suspend());
        self::assertSame(['Active', $id], [$whmcs->status, $whmcs->properties->get('Opterius Account ID')]);
        self::assertSame('success', $whmcs->suspend());
    }

    public function test_terminate_never_brings_a_suspended_site_back_for_a_moment(): void
    {
        $whmcs = $this->whmcs();
        $whmcs->create();
        $whmcs->suspend();
        $before = $this->panel->changes();
        self::assertSame('success', $whmcs->terminate());
        self::assertSame($before + 1, $this->panel->changes());
        self::assertSame([], $this->panel->requests('POST', '/api/accounts/*/unsuspend'));
    }

    public function test_an_account_with_the_same_username_is_not_taken_over(): void
    {
        $this->panel->strangersAccount('examplec', 'stranger.example');
        $whmcs = $this->whmcs();
        self::assertSentence('The username `examplec` is already used by another account', $whmcs->create());
        self::assertNull($this->panel->account('s12'));
        // Nor is it changed or removed by the service that wanted its name.
        foreach (['suspend', 'changePackage', 'terminate'] as $command) {
            self::assertSentence('The Panel has never had an account for this service (s12)', $whmcs->$command());
        }
        self::assertSentence('There is no account whose password', $whmcs->changePassword('another-one-1'));
        self::assertSame('of-a-stranger', $this->panel->state()['passwords']['examplec']);
    }

    public function test_a_change_of_package_that_failed_is_no_success(): void
    {
        // A module returned `success` from the handler of its own exception.
        $whmcs = $this->whmcs();
        $whmcs->create();
        $whmcs->overrides['configoption1'] = 'No such package';
        self::assertSentence('Package not found', $whmcs->changePackage());
        self::assertSame('Starter', $this->panel->account('s12')['package']['name']);
        self::assertCount(1, $whmcs->moduleQueue);
    }
}
