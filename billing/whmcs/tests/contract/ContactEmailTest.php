<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Whmcs;
use WHMCS\Module\Server\Opterius\ContactEmail;

/** A client's e-mail address is how to reach them, and never who they are. */
final class ContactEmailTest extends PanelTestCase
{
    public function test_a_new_address_reaches_every_account_of_the_client_and_no_other(): void
    {
        $this->service(101, 3);
        $this->service(102, 3);
        $this->service(103, 4);
        $this->installation->editClient(3, ['email' => 'new@example.org']);
        self::assertSame(
            ['s101' => 'new@example.org', 's102' => 'new@example.org', 's103' => 'ada@example.org'],
            $this->emails(),
        );
    }

    public function test_an_add_on_has_the_same_client(): void
    {
        $addon = $this->whmcs(['addonId' => 5]);
        self::assertSame('success', $addon->create());
        $this->installation->editClient(3, ['email' => 'new@example.org']);
        self::assertSame(['a5' => 'new@example.org'], $this->emails());
    }

    public function test_two_clients_with_one_address_keep_their_own_accounts(): void
    {
        $this->service(101, 3);
        $this->service(102, 4);
        $before = $this->panel->state()['accounts'];
        $this->installation->editClient(4, ['email' => 'bob@example.org']);
        $this->installation->editClient(4, ['email' => 'ada@example.org']);
        self::assertSame(['s101' => 'ada@example.org', 's102' => 'ada@example.org'], $this->emails());
        self::assertSame(
            array_column($before, 'client_ref', 'external_ref'),
            array_column($this->panel->state()['accounts'], 'client_ref', 'external_ref'),
        );
    }

    public function test_another_change_of_the_client_asks_nothing_of_the_panel(): void
    {
        $this->service(101, 3);
        $asked = count($this->panel->requests());
        $this->installation->editClient(3, ['firstname' => 'Augusta']);
        self::assertCount($asked, $this->panel->requests());
    }

    public function test_a_service_that_has_ended_or_never_began_is_left_alone(): void
    {
        $this->service(101, 3)->edit(['domainstatus' => 'Cancelled']);
        $this->installation->service(['id' => 102, 'domain' => 'pending.com']);
        $this->installation->editClient(3, ['email' => 'new@example.org']);
        self::assertSame(['s101' => 'ada@example.org'], $this->emails());
        self::assertSame([], $this->panel->requests('PATCH'));
    }

    public function test_an_account_that_is_missing_does_not_keep_the_others_from_it(): void
    {
        $this->service(101, 3);
        $this->service(102, 3);
        $id = $this->panel->account('s101')['id'];
        $this->panel->asStaff('DELETE', "/api/accounts/$id");
        $this->installation->editClient(3, ['email' => 'new@example.org']);
        self::assertSame(['s102' => 'new@example.org'], $this->emails());
    }

    public function test_every_server_is_told_about_its_own(): void
    {
        $second = new FakePanel($this->panel->certificate);
        $this->installation->server($second, ['id' => 2]);
        $this->service(101, 3);
        $this->service(102, 3, ['server' => 2]);
        $this->installation->editClient(3, ['email' => 'new@example.org']);
        self::assertSame(['s101' => 'new@example.org'], $this->emails());
        self::assertSame('new@example.org', $second->account('s102')['email']);
    }

    public function test_an_encoded_address_arrives_as_it_was_meant(): void
    {
        $this->service(101, 3);
        $this->installation->editClient(3, ['email' => 'r&amp;d@example.org']);
        self::assertSame(['s101' => 'r&d@example.org'], $this->emails());
    }

    public function test_a_panel_that_is_down_costs_the_client_nothing_but_is_noted(): void
    {
        $this->service(101, 3);
        $this->panel->script(['on' => '*', 'fault' => 'drop_before', 'times' => 0]);
        $this->installation->editClient(3, ['email' => 'new@example.org']);
        self::assertStringContainsString(
            'The Panel still has the client\'s former e-mail address for s101.',
            Whmcs::log()->text(),
        );
    }

    public function test_a_hook_that_is_called_with_something_else_does_nothing(): void
    {
        foreach ([[], ['userid' => 'x'], ['userid' => 3], ['userid' => 3, 'email' => []], ['email' => 'a@example.org']] as $vars) {
            ContactEmail::changed($vars);
        }
        self::assertSame([], $this->panel->requests());
    }

    private function service(int $id, int $client, array $row = []): \Opterius\Whmcs\StandIn\Service
    {
        $service = $this->installation->service(
            $row + ['id' => $id, 'userid' => $client, 'username' => "acc$id", 'domain' => "acc$id.com"]
        );
        self::assertSame('success', $service->create());
        return $service;
    }

    /** @return array<string, string> */
    private function emails(): array
    {
        return array_column($this->panel->state()['accounts'], 'email', 'external_ref');
    }
}
