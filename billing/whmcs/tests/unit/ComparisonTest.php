<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Addon\Opterius\Account;
use WHMCS\Module\Addon\Opterius\Comparison;
use WHMCS\Module\Addon\Opterius\Difference;
use WHMCS\Module\Addon\Opterius\Mend;
use WHMCS\Module\Server\Opterius\Record;
use WHMCS\Module\Server\Opterius\Ref;

require_once dirname(__DIR__, 2) . '/modules/addons/opterius/autoload.php';

/** What counts as a difference between WHMCS and the Panel, and what mends it. */
final class ComparisonTest extends TestCase
{
    private const PACKAGE = '01890000-0000-7000-8000-000000000001';

    /**
     * @dataProvider cases
     *
     * @param string $status in WHMCS
     * @param string|null $account its status in the Panel and who holds it, such as `suspended billing`
     * @param list<string> $expected kind and button of every difference
     */
    public function test_status_beside_status(string $status, ?string $account, array $expected): void
    {
        $accounts = $account === null ? [] : [self::account('s12', $account)];
        self::assertSame($expected, self::compared([self::record($status)], [1 => $accounts]));
    }

    public function cases(): array
    {
        $cases = [
            // In WHMCS, in the Panel, and what the report says.
            ['Active', null, ['Missing Create']],
            ['Active', 'active', []],
            ['Active', 'provisioning', []],
            ['Active', 'suspended billing', ['WrongState Unsuspend']],
            // The host's own hold is no matter of billing's.
            ['Active', 'suspended abuse', []],
            ['Active', 'suspended billing abuse', ['WrongState Unsuspend']],
            ['Active', 'needs_attention', ['WrongState']],
            ['Suspended', null, ['Missing']],
            ['Suspended', 'active', ['WrongState Suspend']],
            ['Suspended', 'suspended billing', []],
            // Once the host lifts its hold, a client who has not paid would be active.
            ['Suspended', 'suspended abuse', ['WrongState Suspend']],
            ['Suspended', 'provisioning', []],
            ['Suspended', 'needs_attention', ['WrongState']],
            ['Pending', null, []],
            ['Pending', 'provisioning', []],
            ['Pending', 'active', ['WrongState Create']],
            ['Pending', 'suspended billing', ['WrongState']],
            ['Completed', null, []],
            ['Completed', 'active', []],
        ];
        foreach (['Terminated', 'Cancelled', 'Fraud'] as $ended) {
            $cases[] = [$ended, null, []];
            $cases[] = [$ended, 'needs_attention', ['WrongState']];
            foreach (['active', 'suspended billing', 'provisioning'] as $account) {
                $cases[] = [$ended, $account, ['Left Terminate']];
            }
        }
        return array_combine(
            array_map(static fn (array $case): string => "$case[0] beside " . ($case[1] ?? 'nothing'), $cases),
            $cases,
        );
    }

    /** @dataProvider packages */
    public function test_package_beside_package(string $status, string $package, array $expected): void
    {
        $account = self::account('s12', $status === 'Active' ? 'active' : 'suspended billing', ['name' => 'R&D "big"']);
        self::assertSame($expected, self::compared([self::record($status, $package)], [1 => [$account]]));
    }

    public function packages(): array
    {
        $wrong = ['WrongPackage ChangePackage'];
        return [
            'the same id' => ['Active', self::PACKAGE, []],
            'the same id in capitals' => ['Active', strtoupper(self::PACKAGE), []],
            'the same name' => ['Active', 'R&D "big"', []],
            'the same name as it stands in HTML' => ['Active', 'R&amp;D &quot;big&quot;', []],
            'a name in other capitals' => ['Active', 'r&d "big"', $wrong],
            'another name' => ['Active', 'Starter', $wrong],
            'another id' => ['Active', '01890000-0000-7000-8000-000000000002', $wrong],
            'another id of a suspended service' => ['Suspended', '01890000-0000-7000-8000-000000000002', $wrong],
            'none' => ['Active', '', []],
            'another id of a cancelled service' => ['Cancelled', 'Starter', ['Left Terminate']],
        ];
    }

    /** @dataProvider runningOperations */
    public function test_what_is_being_changed_is_not_compared(string $status, string $kind, array $expected): void
    {
        $account = self::account('s12', 'active', operation: ['kind' => $kind, 'outcome' => 'running']);
        self::assertSame($expected, self::compared([self::record($status, 'Other')], [1 => [$account]]));
    }

    public function runningOperations(): array
    {
        return [
            ['Suspended', 'suspend', []],
            ['Active', 'package', []],
            ['Pending', 'create', []],
            ['Cancelled', 'terminate', []],
            // This one does not become what it should be by waiting.
            ['Cancelled', 'password', ['Left Terminate']],
        ];
    }

    public function test_a_change_that_waits_for_a_person_is_the_first_thing_to_mend(): void
    {
        $account = self::account('s12', 'active', operation: ['kind' => 'suspend', 'outcome' => 'needs_attention']);
        self::assertSame(['WrongState'], self::compared([self::record('Suspended', 'Other')], [1 => [$account]]));
    }

    /** @dataProvider names */
    public function test_names_beside_names(string $domain, string $username, array $expected): void
    {
        $record = new Record(Ref::service(12), 3, 1, 'Active', $domain, $username, self::PACKAGE, '', 12);
        self::assertSame($expected, self::compared([$record], [1 => [self::account('s12', 'active')]]));
    }

    public function names(): array
    {
        return [
            'the same' => ['example.com', 'examplec', []],
            'as people write them' => [' Example.COM. ', 'ExampleC', []],
            'another domain' => ['example.net', 'examplec', ['WrongName']],
            'another username' => ['example.com', 'other', ['WrongName']],
            'neither' => ['', '', ['WrongName', 'WrongName']],
            'an international name' => ['bücher.example', 'examplec', function_exists('idn_to_ascii') ? ['WrongName'] : []],
        ];
    }

    public function test_an_add_on_need_not_have_names(): void
    {
        $addon = new Record(Ref::addon(12), 3, 1, 'Active', '', '', self::PACKAGE, '', 12);
        self::assertSame([], self::compared([$addon], [1 => [self::account('a12', 'active')]]));
    }

    public function test_two_things_can_be_wrong_with_one_service(): void
    {
        $account = self::account('s12', 'suspended billing', drift: ['mended' => false]);
        self::assertSame(
            ['WrongState Unsuspend', 'WrongPackage ChangePackage', 'Drift Reconcile'],
            self::compared([self::record('Active', 'Other')], [1 => [$account]]),
        );
    }

    public function test_drift_that_was_mended_is_none(): void
    {
        $account = self::account('s12', 'active', drift: ['mended' => true]);
        self::assertSame([], self::compared([self::record('Active')], [1 => [$account]]));
    }

    public function test_an_account_that_no_service_is_about_is_left_over_and_no_button_of_whmcs_can_mend_it(): void
    {
        $accounts = [self::account('s99', 'active'), self::account('something-else', 'active'), self::account('', 'active')];
        self::assertSame(['Left', 'Left', 'Left'], self::compared([], [1 => $accounts]));
    }

    public function test_services_and_add_ons_of_one_number_are_not_mixed_up(): void
    {
        $addon = new Record(Ref::addon(12), 3, 1, 'Active', 'x.com', 'x', self::PACKAGE, '', 12);
        self::assertSame(
            ['Missing Create'],
            self::compared([$addon, self::record('Active')], [1 => [self::account('s12', 'active')]]),
        );
    }

    public function test_names_and_addresses_connect_nothing(): void
    {
        // The account of another reference has the same username and domain.
        self::assertSame(
            ['Missing Create', 'Left'],
            self::compared([self::record('Active')], [1 => [self::account('s13', 'active')]]),
        );
    }

    public function test_nothing_is_said_of_the_services_of_a_server_that_does_not_answer(): void
    {
        self::assertSame([], self::compared([self::record('Active'), self::record('Cancelled')], [], [1]));
    }

    public function test_a_service_without_an_opterius_server_cannot_be_created(): void
    {
        self::assertSame(['Missing'], self::compared([self::record('Active')], [2 => []]));
    }

    public function test_an_account_on_another_server_than_its_service_is_not_created_a_second_time(): void
    {
        self::assertSame(
            ['WrongState'],
            self::compared([self::record('Active')], [1 => [], 2 => [self::account('s12', 'active')]]),
        );
    }

    public function test_a_second_account_of_a_service_that_has_moved_is_left_over(): void
    {
        $servers = [1 => [self::account('s12', 'active')], 2 => [self::account('s12', 'active')]];
        self::assertSame(['Left'], self::compared([self::record('Active')], $servers));
    }

    public function test_two_servers_that_are_the_same_panel_show_an_account_once(): void
    {
        $account = self::account('s12', 'active');
        $stray = self::account('s99', 'active');
        self::assertSame(
            ['Left'],
            self::compared([self::record('Active')], [1 => [$account, $stray], 2 => [$account, $stray]]),
        );
    }

    public function test_every_difference_says_what_is_wrong_in_a_sentence(): void
    {
        foreach ($this->cases() as [$status, $account]) {
            $accounts = $account === null ? [] : [self::account('s12', $account)];
            foreach ((new Comparison([1 => $accounts]))->of([self::record($status)]) as $difference) {
                self::assertMatchesRegularExpression('/^[A-Z].{10,}[.a-z]$/', $difference->text);
            }
        }
    }

    public function test_every_button_is_a_command_of_whmcss_own(): void
    {
        self::assertSame(
            ['ModuleCreate', 'ModuleTerminate', 'ModuleChangePackage', 'ModuleSuspend', 'ModuleUnsuspend', 'ModuleCustom'],
            array_map(static fn (Mend $mend): string => $mend->command(), Mend::cases()),
        );
        self::assertContains(Mend::Reconcile->options()['func_name'], opterius_AdminCustomButtonArray());
    }

    /**
     * @param list<Record> $records
     * @param array<int, list<Account>> $servers
     * @param list<int> $silent
     *
     * @return list<string>
     */
    private static function compared(array $records, array $servers, array $silent = []): array
    {
        return array_map(
            static fn (Difference $difference): string => trim(
                $difference->kind->name . ' ' . $difference->mend?->name
            ),
            (new Comparison($servers, $silent))->of($records),
        );
    }

    private static function record(string $status, string $package = self::PACKAGE): Record
    {
        return new Record(Ref::service(12), 3, 1, $status, 'example.com', 'examplec', $package, '2026-12-01', 12);
    }

    private static function account(
        string $ref,
        string $status,
        array $package = [],
        ?array $drift = null,
        ?array $operation = null,
    ): Account {
        static $number = 0;
        $words = explode(' ', $status);
        return Account::of([
            'id' => 'id-' . ++$number, 'external_ref' => $ref, 'username' => 'examplec', 'domain' => 'example.com',
            'status' => $words[0], 'package' => $package + ['id' => self::PACKAGE, 'name' => 'Starter'],
            'holds' => array_map(static fn (string $hold): array => ['hold' => $hold], array_slice($words, 1)),
            'drift' => $drift, 'operation' => $operation,
        ]);
    }
}
