<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Opterius\Installation;

/** A copy of WHMCS, with the same database and so the same Access Hash, must not suspend live customers. */
final class CopyOfTheInstallationTest extends PanelTestCase
{
    public function test_every_request_says_which_whmcs_it_comes_from(): void
    {
        $service = $this->whmcs();
        $service->create();
        $service->suspend();
        self::assertNotSame([], $this->panel->requests());
        foreach ($this->panel->requests() as $request) {
            parse_str($request['headers']['opterius-caller'], $caller);
            self::assertSame(['url' => 'https://billing.example.com', 'directory' => '/srv/whmcs'], $caller);
        }
    }

    public function test_a_copy_is_refused_with_a_sentence_and_changes_nothing(): void
    {
        $service = $this->whmcs();
        self::assertSame('success', $service->create());
        $this->installation->configure('SystemURL', 'https://staging.example.com/');
        $requests = $this->panel->changes();
        foreach (['suspend', 'unsuspend', 'terminate', 'changePackage'] as $command) {
            $sentence = $service->$command();
            self::assertSentence('This installation (https://staging.example.com in /srv/whmcs) is not the', $sentence);
            self::assertStringContainsString('it may be a copy, so nothing was changed.', $sentence);
            self::assertStringContainsString('opterius token allow', $sentence);
        }
        // Each was told at once: no is no.
        self::assertSame($requests + 4, $this->panel->changes());
        self::assertSame('active', $this->panel->account('s12')['status']);
    }

    public function test_the_test_of_the_connection_names_a_copy(): void
    {
        self::assertTrue($this->installation->testConnection()['success']);
        $this->whmcs()->create();
        self::assertTrue($this->installation->testConnection()['success']);
        $this->installation->configure('SystemURL', 'https://staging.example.com/');
        $result = $this->installation->testConnection();
        self::assertFalse($result['success']);
        self::assertSentence(
            'The Panel knows this token from another WHMCS than this one (https://staging.example.com in /srv/whmcs)',
            $result['error'],
        );
        self::assertStringContainsString('`opterius token allow whmcs`', $result['error']);
    }

    public function test_a_copy_that_a_person_has_allowed_works(): void
    {
        $this->whmcs()->create();
        $this->installation->configure('SystemURL', 'https://new.example.com/');
        self::assertNotSame('success', $this->whmcs()->create());
        $allowed = [...$this->panel->state()['callers'], 'https://new.example.com in /srv/whmcs'];
        $this->panel->set(['callers' => $allowed]);
        self::assertSame('success', $this->whmcs()->create());
    }

    public function test_an_address_with_anything_in_it_arrives_as_it_is(): void
    {
        $this->installation->configure('SystemURL', 'https://billing.example.com/a&directory=/b+c%20d/');
        self::assertSame('success', $this->whmcs()->create());
        parse_str($this->panel->requests('POST')[0]['headers']['opterius-caller'], $caller);
        self::assertSame(
            ['url' => 'https://billing.example.com/a&directory=/b+c%20d', 'directory' => '/srv/whmcs'],
            $caller,
        );
    }

    public function test_an_installation_without_an_address_could_be_a_copy_and_changes_nothing(): void
    {
        $service = $this->whmcs();
        foreach (['', 'billing', "https://billing.example.com/\r\nX-Evil: 1", 'file:///srv'] as $url) {
            $this->installation->configure('SystemURL', $url);
            self::assertSentence('The System URL of this WHMCS reads `', $service->create());
            self::assertFalse($this->installation->testConnection()['success']);
        }
        self::assertSame([], $this->panel->requests());
    }

    public function test_the_address_is_found_where_the_database_does_not_have_it(): void
    {
        Capsule::schema()->drop('tblconfiguration');
        $GLOBALS['CONFIG'] = ['SystemURL' => 'https://billing.example.com/'];
        try {
            self::assertSame('https://billing.example.com', Installation::url());
        } finally {
            unset($GLOBALS['CONFIG']);
        }
    }
}
