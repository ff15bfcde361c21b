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
            ['Show Plan', 'Reconcile', 'Retry Operation', 'Restore', 'Rotate Token', 'Create Configurable Options'],
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

    // Create Configurable Options.

    private function pricing(): void
    {
        Capsule::schema()->create('tblcurrencies', static fn ($table) => $table->increments('id'));
        Capsule::table('tblcurrencies')->insert([['id' => 1], ['id' => 2]]);
        Capsule::schema()->create('tblpricing', static function ($table): void {
            $table->increments('id');
            $table->string('type');
            $fees = ['msetupfee', 'qsetupfee', 'ssetupfee', 'asetupfee', 'bsetupfee', 'tsetupfee'];
            $prices = ['monthly', 'quarterly', 'semiannually', 'annually', 'biennially', 'triennially'];
            foreach (['currency', 'relid', ...$fees, ...$prices] as $column) {
                $table->integer($column);
            }
        });
    }

    public function test_options_for_every_limit_are_created_hidden_and_change_nothing(): void
    {
        $this->pricing();
        $service = $this->active();
        $this->installation->option(1, 'Disk Space (GB)|Space', Whmcs::QUANTITY);
        self::assertSame('success', $service->adminButton('Create Configurable Options'));
        $options = Capsule::table('tblproductconfigoptions')->where('optionname', '!=', 'Disk Space (GB)|Space')->get();
        self::assertSame([
            'files|Files', 'bandwidth_gib|Traffic', 'php_workers|PHP Workers', 'php_memory_mib|PHP Memory',
            'cpu_percent|CPU', 'memory_mib|Memory', 'processes|Processes',
        ], $options->pluck('optionname')->all());
        self::assertSame([1], $options->pluck('hidden')->map(intval(...))->unique()->values()->all());
        self::assertSame(2 * 7, Capsule::table('tblpricing')->count());
        self::assertStringContainsString(
            'Configurable options were created, hidden, for the product of this service: Files, Traffic',
            Capsule::table('tblactivitylog')->pluck('description')->implode("\n"),
        );
        // Whoever chooses what there is gets what the package says.
        $service->overrides = [];
        self::assertSame('success', $service->changePackage(null, ['files' => 'default']));
        self::assertSame([], $this->panel->account('s12')['overrides']);
    }

    public function test_options_that_are_there_are_not_created_again_and_products_share_them(): void
    {
        $this->pricing();
        $service = $this->active();
        $service->adminButton('Create Configurable Options');
        $count = Capsule::table('tblproductconfigoptions')->count();
        self::assertSame('success', $service->adminButton('Create Configurable Options'));
        $other = $this->installation->service(['packageid' => $this->installation->product(['id' => 2]), 'id' => 14]);
        self::assertSame('success', $other->adminButton('Create Configurable Options'));
        self::assertSame($count, Capsule::table('tblproductconfigoptions')->count());
        self::assertSame(1, Capsule::table('tblproductconfiggroups')->count());
        self::assertSame([1, 2], Capsule::table('tblproductconfiglinks')->pluck('pid')->map(intval(...))->all());
    }

    public function test_options_that_cannot_be_created_whole_are_not_created_at_all(): void
    {
        // No table of prices: something that WHMCS has changed.
        self::assertSentence(
            'The Opterius module failed inside',
            $this->active()->adminButton('Create Configurable Options'),
        );
        self::assertSame(0, Capsule::table('tblproductconfigoptions')->count());
        self::assertSame(0, Capsule::table('tblproductconfiggroups')->count());
    }

    public function test_an_addon_has_no_configurable_options(): void
    {
        $addon = $this->installation->addon($this->active());
        self::assertSentence('Only products have configurable options.', $addon->adminButton('Create Configurable Options'));
    }
}
