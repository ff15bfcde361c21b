<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;
use Opterius\Whmcs\StandIn\Whmcs;
use WHMCS\Database\Capsule;

/** The buttons that staff have on a service, beside those of WHMCS itself. */
final class StaffButtonsTest extends PanelTestCase
{
    private const DRIFT = [
        'changes' => [['resource' => 'site', 'change' => 'its entry would be made again']],
        'conflicts' => [['step' => 'home', 'code' => 'conflict', 'detail' => 'somebody else has it.', 'hint' => null]],
        'missing' => [['step' => 'dns zone', 'detail' => 'the DNS server does not answer', 'hint' => null]],
    ];

    private function active(): Service
    {
        $service = $this->whmcs();
        self::assertSame('success', $service->create());
        return $service;
    }

    public function test_every_button_leads_to_a_function(): void
    {
        $buttons = $this->whmcs()->buttons('AdminCustomButtonArray');
        self::assertSame(
            ['Show Plan', 'Reconcile', 'Retry Operation', 'Restore', 'Rotate Token'],
            array_keys($buttons),
        );
        foreach ($buttons as $function) {
            self::assertTrue(function_exists("opterius_$function"));
        }
    }

    public function test_the_plan_is_shown_and_nothing_changed(): void
    {
        $service = $this->active();
        self::assertSame('success', $service->adminButton('Show Plan'));
        $this->panel->set(['drift' => ['examplec' => self::DRIFT]]);
        self::assertSentence(
            'This is an answer and no failure; nothing was changed. Reconcile would change - site: its entry would be '
            . 'made again. In its way - home: somebody else has it. It needs - dns zone: the DNS server does not answer.',
            $service->adminButton('Show Plan'),
        );
        self::assertCount(1, $this->panel->state()['operations']);
    }

    public function test_reconcile_makes_the_server_as_it_should_be(): void
    {
        $service = $this->active();
        $this->panel->set(['drift' => ['examplec' => self::DRIFT]]);
        self::assertSame('success', $service->adminButton('Reconcile'));
        self::assertSame([], $this->panel->state()['drift']);
        self::assertSame('success', $service->adminButton('Reconcile'));
    }

    public function test_what_waits_for_a_person_is_tried_again(): void
    {
        $service = $this->active();
        $this->panel->script([
            'on' => 'POST /api/accounts/ref:s12/suspend', 'fault' => 'ends', 'end' => 'needs_attention',
        ]);
        self::assertSentence('The account `examplec` could be neither finished nor undone.', $service->suspend('x'));
        $this->panel->set(['retry_ends' => 'needs_attention']);
        self::assertSentence(
            'The account `examplec` could be neither finished nor undone.',
            $service->adminButton('Retry Operation'),
        );
        $this->panel->set(['retry_ends' => 'committed']);
        self::assertSame('success', $service->adminButton('Retry Operation'));
        self::assertSame('suspended', $this->panel->account('s12')['status']);
        self::assertSentence(
            'No operation of this account waits to be tried again; the last one (suspend) is committed.',
            $service->adminButton('Retry Operation'),
        );
    }

    public function test_buttons_of_a_service_without_an_account_say_so(): void
    {
        $service = $this->whmcs();
        foreach (['Show Plan', 'Retry Operation'] as $button) {
            self::assertSentence('There is no account `s12`.', $service->adminButton($button));
        }
        foreach (['Reconcile', 'Restore'] as $button) {
            self::assertSentence('The Panel has never had an account for this service', $service->adminButton($button));
        }
    }

    // Rotate Token.

    private function storedHash(int $server = 1): string
    {
        return (string) Capsule::table('tblservers')->where('id', $server)->value('accesshash');
    }

    public function test_a_new_token_takes_the_place_of_the_old_one_everywhere(): void
    {
        $service = $this->active();
        $this->installation->server($this->panel, ['id' => 2]);
        $this->installation->server(new FakePanel($this->panel->certificate), ['id' => 3, 'accesshash' => 'another']);
        self::assertSame('success', $service->adminButton('Rotate Token'));
        self::assertNotSame(FakePanel::TOKEN, $this->panel->state()['token']);
        $hash = $this->storedHash();
        self::assertSame('o1.' . $this->panel->state()['token'], implode('.', array_slice(explode('.', $hash), 0, 2)));
        self::assertSame([$hash, 'another'], [$this->storedHash(2), $this->storedHash(3)]);
        self::assertStringNotContainsString($this->panel->state()['token'], Whmcs::log()->text());
        // And everything goes on with it.
        $service->overrides = [];
        self::assertSame('success', $service->suspend('overdue'));
        self::assertSame(['success' => true, 'error' => ''], $this->installation->testConnection());
    }

    public function test_an_access_hash_that_whmcs_keeps_encrypted_is_kept_so_again(): void
    {
        $service = $this->active();
        $service->overrides = ['serveraccesshash' => $this->panel->accessHash()];
        Capsule::table('tblservers')->update(['accesshash' => encrypt($this->panel->accessHash())]);
        self::assertSame('success', $service->adminButton('Rotate Token'));
        self::assertStringStartsWith('o1.' . $this->panel->state()['token'], decrypt($this->storedHash()));
    }

    public function test_nothing_is_changed_where_the_new_one_could_not_be_kept(): void
    {
        $service = $this->active();
        $service->overrides = ['serveraccesshash' => $this->panel->accessHash()];
        Capsule::table('tblservers')->update(['accesshash' => 'in a form that nobody knows']);
        self::assertSentence('This module does not find the Access Hash', $service->adminButton('Rotate Token'));
        self::assertSame([], $this->panel->requests('POST', '/api/self/token'));
    }

    public function test_a_new_token_whose_answer_was_lost_leaves_the_old_one_working(): void
    {
        $service = $this->active();
        foreach (['drop_after', 'half', 'truncate'] as $fault) {
            $this->panel->script(['on' => 'POST /api/self/token', 'fault' => $fault]);
            $sentence = $service->adminButton('Rotate Token');
            self::assertStringContainsString('The token that WHMCS has goes on working. (request', $sentence);
            self::assertSame('success', $service->suspend('overdue'));
        }
        self::assertSame('success', $service->adminButton('Rotate Token'));
    }
}
