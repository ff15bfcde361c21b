<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;
use Opterius\Whmcs\StandIn\Whmcs;
use WHMCS\Module\Server\Opterius\Module;

/** Signing in without a password: for the customer, for the staff, and for nobody else. */
final class SignInTest extends PanelTestCase
{
    protected function tearDown(): void
    {
        $_GET = [];
    }

    public function test_a_click_leads_to_the_customers_page_of_this_account(): void
    {
        $service = $this->active();
        $to = $service->signIn()['redirect'];
        self::assertStringStartsWith("https://127.0.0.1:{$this->panel->port}/sign-in/", $to);
        [$made] = $this->panel->state()['sign_ins'];
        self::assertStringEndsWith($made['code'], $to);
        self::assertSame(
            [$this->panel->state()['accounts'][0]['id'], 'overview'],
            [$made['account_id'], $made['target']],
        );
    }

    public function test_every_click_is_given_an_address_of_its_own(): void
    {
        $service = $this->active();
        self::assertNotSame($service->signIn(), $service->signIn());
    }

    public function test_nothing_but_a_click_makes_an_address(): void
    {
        $service = $this->active();
        $service->clientArea();
        $service->customActions();
        $service->adminFields();
        opterius_LoginLink($service->params());
        opterius_ClientAreaCustomButtonArray();
        self::assertSame([], $this->panel->state()['sign_ins']);
    }

    public function test_the_address_is_in_no_log(): void
    {
        $service = $this->active();
        $to = $service->signIn()['redirect'];
        $code = basename($to);
        self::assertStringContainsString('/sign-in', Whmcs::log()->text());
        self::assertStringNotContainsString($code, Whmcs::log()->text());
    }

    public function test_an_address_that_arrives_in_a_garbled_answer_is_in_no_log_either(): void
    {
        $service = $this->active();
        foreach (['truncate', 'half'] as $fault) {
            $this->panel->script(['on' => 'POST /api/accounts/*/sign-in', 'fault' => $fault]);
            self::assertArrayHasKey('error', $service->signIn());
        }
        foreach ($this->panel->state()['sign_ins'] as $made) {
            self::assertStringNotContainsString(substr($made['code'], 0, 8), Whmcs::log()->text());
        }
    }

    /** @dataProvider targets */
    public function test_a_deep_link_lands_on_the_page_that_it_names(string $asked, string $target): void
    {
        $service = $this->active();
        $_GET = ['opterius' => $asked];
        self::assertArrayHasKey('redirect', $service->signIn());
        self::assertSame($target, $this->panel->state()['sign_ins'][0]['target']);
    }

    public function targets(): array
    {
        return [
            ['usage', 'usage'],
            ['addresses', 'addresses'],
            ['operations', 'operations'],
            ['', 'overview'],
            ['https://evil.example/', 'overview'],
            ['../../staff', 'overview'],
            ['USAGE', 'overview'],
        ];
    }

    public function test_a_deep_link_of_the_wrong_type_lands_on_the_overview(): void
    {
        $service = $this->active();
        $_GET = ['opterius' => ['usage']];
        self::assertArrayHasKey('redirect', $service->signIn());
        self::assertSame('overview', $this->panel->state()['sign_ins'][0]['target']);
    }

    /** @dataProvider strangeAddresses */
    public function test_nobody_is_sent_to_an_address_that_is_not_the_panels(string $url): void
    {
        $service = $this->active();
        $answer = ['fault' => 'reply', 'status' => 201, 'body' => ['data' => ['url' => $url, 'expires_at' => 1]]];
        $this->panel->script(
            ['on' => 'POST /api/accounts/*/sign-in'] + $answer,
            ['on' => 'POST /api/self/sign-in'] + $answer,
        );
        self::assertArrayNotHasKey('redirect', $service->signIn());
        $staff = $this->installation->signInToServer();
        self::assertSentence(
            "127.0.0.1:{$this->panel->port} answered a sign-in with an address that is not its own.",
            $staff['error'],
        );
    }

    public function strangeAddresses(): array
    {
        return [
            'another host' => ['https://evil.example/sign-in/x'],
            'not https' => ['http://127.0.0.1/sign-in/x'],
            'a script' => ['javascript:alert(1)'],
            'no scheme' => ['//127.0.0.1/sign-in/x'],
            'a path' => ['/sign-in/x'],
            'the host as a user' => ['https://127.0.0.1@evil.example/'],
            'the host as a user with a password' => ['https://127.0.0.1:8443@evil.example/'],
            'the host with something before it' => ['https://evil127.0.0.1/'],
            'the host with something behind it' => ['https://127.0.0.1.evil.example/'],
            'a backslash' => ['https://evil.example\\@127.0.0.1/'],
            'a blank' => ['https://127.0.0.1/ x'],
            'two lines' => ["https://127.0.0.1/\r\nLocation: https://evil.example/"],
            'no host' => ['https:///sign-in/x'],
            'nothing' => [''],
        ];
    }

    public function test_the_panels_own_host_name_is_the_panels(): void
    {
        $service = $this->active();
        $service->overrides = ['serverhostname' => 'localhost', 'serverip' => '127.0.0.1'];
        foreach (['https://localhost:8443/s/x', 'https://LOCALHOST./s/x', 'https://127.0.0.1/s/x'] as $url) {
            $this->panel->script([
                'on' => 'POST /api/accounts/*/sign-in', 'fault' => 'reply', 'status' => 201,
                'body' => ['data' => ['url' => $url, 'expires_at' => 1]],
            ]);
            self::assertSame(['success' => true, 'redirectTo' => $url], opterius_ServiceSingleSignOn($service->params()));
        }
    }

    public function test_a_suspended_customer_can_still_read_why(): void
    {
        $service = $this->active();
        self::assertSame('success', $service->suspend());
        self::assertArrayHasKey('redirect', $service->signIn());
    }

    public function test_a_removed_account_is_said_to_be_removed(): void
    {
        $service = $this->active();
        self::assertSame('success', $service->terminate());
        self::assertSentence('This hosting account was removed, so there is nothing', $service->signIn()['error']);
    }

    public function test_an_account_that_was_never_made_is_said_not_to_be_there(): void
    {
        self::assertSentence('Your hosting has not been set up yet', $this->whmcs()->signIn()['error']);
    }

    /** @dataProvider failures */
    public function test_a_customer_never_reads_what_is_inside(array $rule): void
    {
        $service = $this->active();
        $this->panel->script(['on' => 'POST /api/accounts/*/sign-in', 'times' => 0] + $rule);
        $sentence = $service->signIn()['error'];
        self::assertSentence('Signing in does not work just now.', $sentence);
        foreach (['127.0.0.1', 'Panel', 'Opterius', 'HTTP', 'token', (string) $this->panel->port] as $inside) {
            self::assertStringNotContainsString($inside, $sentence);
        }
        self::assertNotEmpty(Whmcs::log()->entries);
    }

    public function failures(): array
    {
        return [
            'no answer' => [['fault' => 'drop_before']],
            'a server error' => [['fault' => 'html', 'status' => 502]],
            'another web server' => [['fault' => 'html', 'status' => 404]],
            'a redirect' => [['fault' => 'redirect']],
            'nothing in it' => [['fault' => 'reply', 'status' => 201, 'body' => ['data' => []]]],
            'too many' => [[
                'fault' => 'reply', 'status' => 429,
                'body' => ['code' => 'too_many_requests', 'detail' => 'The token whmcs asks too often.'],
            ]],
        ];
    }

    public function test_a_server_form_that_is_not_complete_is_no_secret_of_the_customers(): void
    {
        $service = $this->active();
        $service->overrides = ['serveraccesshash' => 'o1.broken'];
        self::assertSentence('Signing in does not work just now.', $service->signIn()['error']);
        self::assertStringContainsString('Access Hash of this server is malformed', Whmcs::log()->text());
    }

    public function test_a_customer_is_told_in_their_language(): void
    {
        $service = $this->whmcs(['clientsdetails' => ['email' => 'ada@example.org', 'language' => 'german']]);
        self::assertSentence('Ihr Hosting ist noch nicht eingerichtet', $service->signIn()['error']);
    }

    public function test_the_staff_land_on_their_own_page_and_no_password_is_involved(): void
    {
        self::assertStringStartsWith('https://127.0.0.1', $this->installation->signInToServer()['redirect']);
        [$request] = $this->panel->requests('POST', '/api/self/sign-in');
        self::assertSame([], (array) $request['body']);
        self::assertNull($this->panel->state()['sign_ins'][0]['account_id']);
        self::assertFalse(function_exists('opterius_AdminLink'));
    }

    public function test_the_staff_are_told_what_is_wrong(): void
    {
        $this->panel->set(['scopes' => ['self.read']]);
        self::assertSentence(
            'The token `whmcs` may not do this: it has no scope `self.sign_in`.',
            $this->installation->signInToServer()['error'],
        );
    }

    public function test_an_add_on_signs_in_to_its_own_account(): void
    {
        $this->active();
        $addon = $this->whmcs(['addonId' => 5, 'username' => 'second', 'domain' => 'example.net']);
        self::assertSame('success', $addon->create());
        self::assertArrayHasKey('redirect', $addon->signIn());
        [, $second] = $this->panel->state()['accounts'];
        self::assertSame($second['id'], $this->panel->state()['sign_ins'][0]['account_id']);
    }

    public function test_the_home_page_offers_what_the_user_may_and_each_leads_to_its_page(): void
    {
        $service = $this->active();
        $actions = $service->customActions();
        self::assertSame(
            [
                'opterius-overview' => 'Sign in to the control panel',
                'opterius-usage' => 'Usage in detail',
                'opterius-addresses' => 'Addresses and nameservers',
                'opterius-operations' => 'Recent changes',
            ],
            array_combine(
                array_map(static fn (object $action): string => $action->getIdentifier(), $actions),
                array_map(static fn (object $action): string => $action->getDisplay(), $actions),
            ),
        );
        foreach ($actions as $action) {
            self::assertSame(['productsso'], $action->getPermissions());
            self::assertArrayHasKey('redirect', $service->customAction($action->getIdentifier()));
        }
        self::assertSame(
            ['overview', 'usage', 'addresses', 'operations'],
            array_column($this->panel->state()['sign_ins'], 'target'),
        );
    }

    public function test_the_login_link_holds_no_secret_and_no_html_of_anybody_elses(): void
    {
        $params = $this->params();
        $link = opterius_LoginLink($params);
        self::assertStringContainsString("href=\"https://127.0.0.1:{$this->panel->port}/\"", $link);
        self::assertStringContainsString('rel="noopener noreferrer"', $link);
        self::assertStringNotContainsString('<form', $link);
        Whmcs::log()->lookForSecrets($link, 'the login link');
        self::assertSame('', opterius_LoginLink(['serverhostname' => '"><script>']));
        self::assertSame('', opterius_LoginLink([]));
    }

    public function test_the_metadata_has_both_labels_since_both_functions_are_there(): void
    {
        self::assertNotSame('', Module::metaData()['ServiceSingleSignOnLabel']);
        self::assertNotSame('', Module::metaData()['AdminSingleSignOnLabel']);
        self::assertTrue(function_exists('opterius_ServiceSingleSignOn'));
        self::assertTrue(function_exists('opterius_AdminSingleSignOn'));
    }

    private function active(): Service
    {
        $service = $this->whmcs();
        self::assertSame('success', $service->create());
        return $service;
    }
}
