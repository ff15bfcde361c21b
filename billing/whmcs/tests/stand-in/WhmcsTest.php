<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use PHPUnit\Framework\TestCase;
use WHMCS\Database\Capsule;

/** That the WHMCS of these tests does what the public documentation says of the real one. No Panel is asked. */
final class WhmcsTest extends TestCase
{
    private Whmcs $whmcs;

    protected function setUp(): void
    {
        $this->whmcs = Whmcs::install();
        $this->whmcs->server(null, ['id' => 1, 'accesshash' => 'o1.' . str_repeat('t', 43), 'port' => '8443']);
    }

    private static function says(string $answer): callable
    {
        return static fn (array $params): string => $answer;
    }

    public function test_the_parameters_are_those_of_the_documentation(): void
    {
        $product = $this->whmcs->product(['id' => 4, 'type' => 'reselleraccount', 'configoption24' => 'last']);
        $this->whmcs->option($product, 'disk_mib|Disk space', Whmcs::QUANTITY);
        $this->whmcs->option($product, 'Backups', Whmcs::DROPDOWN, ['none|No backups', 'weekly|Every week']);
        $this->whmcs->option($product, 'Shell', Whmcs::YES_NO);
        $this->whmcs->client(['id' => 9, 'firstname' => 'Ada', 'lastname' => 'L', 'email' => 'ada@example.org']);
        $service = $this->whmcs->service(['id' => 12, 'packageid' => 4, 'userid' => 9]);
        $service->choose('disk_mib', 20480);
        $service->choose('Backups', 'weekly');
        $service->choose('Shell', 1);
        $service->properties->save(['Order Number' => '77']);
        $params = $service->params();
        self::assertSame(
            [12, 9, 4, 1, 0, 'example.com', 'examplec', 'Kx7dQ2mVw9', 'reselleraccount', 'opterius'],
            array_map(static fn (string $key): mixed => $params[$key], [
                'serviceid', 'userid', 'pid', 'serverid', 'addonId', 'domain', 'username', 'password', 'producttype',
                'moduletype',
            ]),
        );
        self::assertSame(['disk_mib' => 20480, 'Backups' => 'weekly', 'Shell' => 1], $params['configoptions']);
        self::assertSame(['Order Number' => '77'], $params['customfields']);
        $client = $params['clientsdetails'];
        self::assertSame(['Ada', 'Ada L'], [$client['firstname'], $client['fullname']]);
        self::assertSame('last', $params['configoption24']);
        self::assertArrayNotHasKey('configoption25', $params);
        self::assertSame(
            [true, '127.0.0.1', true, 'https', '8443'],
            [
                $params['server'], $params['serverip'], $params['serversecure'], $params['serverhttpprefix'],
                $params['serverport'],
            ],
        );
    }

    public function test_what_people_entered_may_arrive_encoded(): void
    {
        $this->whmcs->encodesHtml = true;
        $service = $this->whmcs->service(['password' => encrypt('a&b<"\'>'), 'domain' => 'r&d.example']);
        $params = $service->params();
        self::assertSame(['a&amp;b&lt;&quot;&#039;&gt;', 'r&amp;d.example'], [$params['password'], $params['domain']]);
        self::assertSame('o1.' . str_repeat('t', 43), $params['serveraccesshash']);
    }

    public function test_properties_of_a_service_with_a_column_of_their_own_are_kept_there(): void
    {
        $service = $this->whmcs->service();
        $model = $service->params()['model'];
        $model->serviceProperties->save(['Username' => 'alice', 'Password' => 'secret-1', 'Order Number' => '5']);
        self::assertSame('alice', $service->row()['username']);
        self::assertSame('secret-1', decrypt($service->row()['password']));
        self::assertSame(['alice', 'secret-1', '5', null], [
            $model->serviceProperties->get('Username'), $model->serviceProperties->get('Password'),
            $model->serviceProperties->get('Order Number'), $model->serviceProperties->get('Nothing'),
        ]);
        self::assertSame(['Order Number'], Capsule::table('tblcustomfields')->pluck('fieldname')->all());
        self::assertSame('examplec', $this->whmcs->service()->params()['username'], 'another service has its own');
    }

    public function test_properties_of_an_addon_are_custom_fields_whatever_their_names(): void
    {
        $service = $this->whmcs->service();
        $addon = $this->whmcs->addon($service);
        $addon->params()['model']->serviceProperties->save(['Username' => 'second', 'Order Number' => '6']);
        self::assertSame('examplec', $service->row()['username']);
        self::assertSame('second', $addon->params()['username']);
        self::assertSame($addon->id, $addon->params()['addonId']);
        self::assertSame($service->id, $addon->params()['serviceid']);
        self::assertSame(['addon', 'addon'], Capsule::table('tblcustomfields')->pluck('type')->all());
    }

    public function test_only_the_literal_success_is_one(): void
    {
        $service = $this->whmcs->service();
        foreach (['Success', 'success ', 'ok', ''] as $answer) {
            $service->create(self::says($answer));
            self::assertSame(['Pending', 0], [$service->status, $service->welcomeMails]);
        }
        $service->create(self::says('success'));
        self::assertSame(['Active', 1], [$service->status, $service->welcomeMails]);
    }

    public function test_the_status_follows_the_commands(): void
    {
        foreach ([$this->whmcs->service(), $this->whmcs->addon($this->whmcs->service())] as $service) {
            $seen = [];
            $service->create(self::says('success'));
            $seen[] = $service->status;
            $service->suspend('Overdue', self::says('no'));
            $seen[] = $service->status;
            $service->suspend('Overdue', self::says('success'));
            $seen[] = $service->status;
            $service->unsuspend(self::says('success'));
            $seen[] = $service->status;
            $service->terminate(self::says('no'));
            $service->terminate(self::says('success'));
            $seen[] = $service->status;
            self::assertSame(['Active', 'Active', 'Suspended', 'Active', 'Terminated'], $seen);
        }
    }

    public function test_what_failed_waits_in_the_queue_until_a_person_retries_it(): void
    {
        $service = $this->whmcs->service();
        $tries = 0;
        $fails = static function () use (&$tries): string {
            $tries++;
            return "Not now ($tries).";
        };
        $service->create($fails);
        $this->whmcs->cron()->daily(gmdate('Y-m-d', strtotime('-1 year')));
        self::assertSame([1, ['Not now (1).']], [$tries, $service->moduleQueue]);
        $service->create($fails);
        $entry = localAPI('GetModuleQueue', ['moduleName' => 'opterius'])['queue'][0];
        self::assertSame(
            ['service', $service->id, 'CreateAccount', 'Not now (2).', 1],
            [
                $entry['serviceType'], $entry['serviceId'], $entry['moduleAction'], $entry['lastAttemptError'],
                $entry['numRetries'],
            ],
        );
        self::assertSame(0, localAPI('GetModuleQueue', ['moduleName' => 'cpanel'])['count']);
        $service->create(self::says('success'));
        self::assertSame([], $service->moduleQueue);
    }

    public function test_the_reason_of_a_suspension_reaches_the_module_and_is_kept(): void
    {
        $service = $this->whmcs->service();
        $service->suspend('Überfällig', static fn (array $params): string =>
            $params['suspendreason'] === 'Überfällig' ? 'success' : 'no reason');
        self::assertSame(['Suspended', 'Überfällig'], [$service->status, $service->row()['suspendreason']]);
    }

    public function test_a_password_is_kept_only_if_the_module_has_set_it(): void
    {
        $service = $this->whmcs->service();
        $given = null;
        $service->changePassword('new-one-1', static function (array $params) use (&$given): string {
            $given = $params['password'];
            return 'no';
        });
        self::assertSame(['new-one-1', 'Kx7dQ2mVw9'], [$given, $service->params()['password']]);
        $service->changePassword('new-one-1', self::says('success'));
        self::assertSame('new-one-1', $service->params()['password']);
    }

    public function test_an_upgrade_changes_the_rows_before_the_module_is_called(): void
    {
        $this->whmcs->product(['id' => 2, 'configoption1' => 'Business']);
        $option = $this->whmcs->option(2, 'Databases');
        self::assertGreaterThan(0, $option);
        $service = $this->whmcs->service();
        $seen = null;
        $service->changePackage(2, ['Databases' => 7], static function (array $params) use (&$seen): string {
            $seen = [$params['pid'], $params['configoption1'], $params['configoptions']];
            return 'success';
        });
        self::assertSame([2, 'Business', ['Databases' => 7]], $seen);
    }

    public function test_hooks_stand_before_and_after_a_command(): void
    {
        $service = $this->whmcs->service();
        add_hook('PreModuleSuspend', 1, static fn (array $vars): array => ['suspendreason' => 'from a hook']);
        $seen = [];
        add_hook('AfterModuleSuspend', 1, static function (array $vars) use (&$seen): void {
            $seen[] = $vars['params']['suspendreason'];
        });
        add_hook('AfterModuleSuspendFailed', 1, static function (array $vars) use (&$seen): void {
            $seen[] = $vars['failureResponseMessage'];
        });
        $service->suspend('mine', self::says('no'));
        $service->suspend('mine', self::says('success'));
        self::assertSame(['no', 'from a hook'], $seen);
        add_hook('PreModuleTerminate', 1, static fn (): array => ['abortcmd' => true]);
        $service->terminate(static fn () => throw new \LogicException('the module was called'));
        self::assertSame('Suspended', $service->status);
        Whmcs::install();
        self::assertFalse(Hooks::has('PreModuleTerminate'), 'a test leaves no hook behind');
    }

    /** @dataProvider bothForms */
    public function test_a_username_that_is_missing_is_made_up_by_a_hook_or_from_the_domain(bool $nested): void
    {
        $this->whmcs->nestsParamsOfUsernames = $nested;
        $unnamed = ['username' => null, 'password' => null, 'domain' => 'my-very-long-name.example'];
        $service = $this->whmcs->adopt($unnamed);
        $made = null;
        $keep = static function (array $params) use (&$made): string {
            $made = [$params['username'], $params['password']];
            return 'no';
        };
        add_hook('OverrideModuleUsernameGeneration', 0, static fn (array $vars): string => 'hooked'
            . ($vars['params']['serviceid'] ?? $vars['serviceid']));
        $service->create($keep);
        self::assertSame('hooked12', $made[0]);
        self::assertMatchesRegularExpression('/^[A-Za-z0-9]{10}$/D', $made[1]);
        $first = $made;
        $service->create($keep);
        self::assertSame($first, $made, 'they are made up once');
    }

    public function bothForms(): array
    {
        return [[false], [true]];
    }

    public function test_the_cron_suspends_and_terminates_what_is_overdue_and_nothing_else(): void
    {
        $calls = [];
        add_hook('PreModuleSuspend', 0, static function (array $vars) use (&$calls): array {
            $calls[] = 'Suspend ' . $vars['params']['serviceid'];
            return ['abortcmd' => true];
        });
        add_hook('PreModuleTerminate', 0, static function (array $vars) use (&$calls): array {
            $calls[] = 'Terminate ' . $vars['params']['serviceid'];
            return ['abortcmd' => true];
        });
        $services = [
            [1, 'Active', '2026-11-19', []],
            [2, 'Active', '2026-11-21', []],
            [3, 'Active', '2026-11-01', ['overideautosuspend' => 'on', 'overidesuspenduntil' => '2026-12-01']],
            [4, 'Suspended', '2026-11-19', []],
            [5, 'Suspended', '2026-11-10', []],
            [6, 'Pending', '2026-01-01', []],
            [7, 'Terminated', '2026-01-01', []],
            [8, 'Active', '2027-01-01', []],
        ];
        foreach ($services as [$id, $status, $due, $more]) {
            $this->whmcs->service(['id' => $id, 'domainstatus' => $status, 'nextduedate' => $due] + $more);
        }
        Whmcs::put('tblcancelrequests', ['relid' => 8, 'type' => 'Immediate']);
        Capsule::table('tblservers')->update(['disabled' => 1]);
        $this->whmcs->cron()->daily('2026-11-25', suspendAfter: 5, terminateAfter: 14);
        self::assertSame(['Suspend 1', 'Terminate 5', 'Terminate 8'], $calls);
    }

    public function test_a_cart_with_a_mistake_is_not_taken(): void
    {
        add_hook('ShoppingCartValidateCheckout', 5, static fn (): string => 'one mistake');
        add_hook('ShoppingCartValidateCheckout', 6, static fn (): array => ['two', 'three']);
        self::assertSame(['one mistake', 'two', 'three'], $this->whmcs->checkout([]));
    }

    public function test_the_models_know_columns_by_the_names_of_the_documentation(): void
    {
        $service = $this->whmcs->service(['nextduedate' => '2026-12-31']);
        $model = \WHMCS\Service\Service::find($service->id);
        self::assertSame(
            ['2026-12-31', 'Pending', 'Ada', 'Starter Hosting'],
            [$model->nextDueDate, $model->domainStatus, $model->client->firstName, $model->product->name],
        );
        self::assertSame($service->id, \WHMCS\User\Client::find(3)->services->first()->id);
        self::assertSame('https://billing.example.com/', \WHMCS\Config\Setting::getValue('SystemURL'));
    }

    public function test_the_api_for_modules_drives_the_same_commands(): void
    {
        $service = $this->whmcs->service();
        add_hook('PreModuleCreate', 1, static fn (): array => ['abortcmd' => true]);
        self::assertSame('error', localAPI('ModuleCreate', ['serviceid' => $service->id])['result']);
        localAPI('UpdateClientProduct', [
            'serviceid' => $service->id, 'domain' => 'example.net', 'servicepassword' => 'x',
        ]);
        self::assertSame(['example.net', 'x'], [$service->params()['domain'], $service->params()['password']]);
        $found = localAPI('GetClientsProducts', ['clientid' => 3]);
        self::assertSame([1, 'example.net'], [$found['totalresults'], $found['products']['product'][0]['domain']]);
        self::assertSame('error', localAPI('Nonsense')['result']);
    }

    public function test_a_database_in_a_file_is_gone_on_with(): void
    {
        $file = sys_get_temp_dir() . '/opterius-whmcs-' . bin2hex(random_bytes(8)) . '.sqlite';
        try {
            Whmcs::install($file)->adopt(['serviceid' => 7], keep: true)->create(self::says('success'));
            $again = Whmcs::install($file)->adopt(['serviceid' => 7], keep: true);
            self::assertSame(['Active', 1], [$again->status, $again->welcomeMails]);
            self::assertSame('Pending', Whmcs::install($file)->adopt(['serviceid' => 7])->status);
            self::assertSame(0600, fileperms($file) & 0777);
        } finally {
            unlink($file);
            Whmcs::install();
        }
    }

    /** @dataProvider encodings */
    public function test_a_secret_is_found_in_whatever_form_it_survives(string $form): void
    {
        $log = Whmcs::log();
        $log->watch(['password' => 'p&ß"w/ x1']);
        $log->record('opterius', 'Test', "before $form after", '');
        self::assertNotSame([], $log->leaks);
        self::assertStringNotContainsString('p&ß"w/ x1', implode('', $log->leaks));
    }

    public function encodings(): array
    {
        return array_map(static fn (string $form): array => [$form], ModuleLog::encodings('p&ß"w/ x1'));
    }

    public function test_what_a_panel_handed_out_is_found_afterwards(): void
    {
        $log = Whmcs::log();
        $log->record('opterius', 'Test', '', '{"token":"a new token/1"}', '');
        $log->lookBackFor('a new token', 'a new token/1');
        self::assertContains('a new token (raw) in the Module Log', $log->leaks);
    }

    public function test_what_is_replaced_is_still_no_excuse_for_having_logged_it(): void
    {
        $log = Whmcs::log();
        $log->watch(['password' => 'Kx7dQ2mVw9']);
        $entry = $log->record('opterius', 'Test', 'a Kx7dQ2mVw9 b', '', '', ['Kx7dQ2mVw9']);
        self::assertSame('a **** b', $entry['request']);
        self::assertContains('password (raw) in Test request before masking', $log->leaks);
        self::assertNotContains('password (raw) in Test request', $log->leaks);
        logActivity('the password is Kx7dQ2mVw9');
        self::assertContains('password (raw) in the activity log', $log->leaks);
    }
}
