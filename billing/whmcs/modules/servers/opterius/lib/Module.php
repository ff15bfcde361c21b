<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** What the module offers to WHMCS, in the shapes that WHMCS expects. Nothing but the package loader ever throws. */
final class Module
{
    public const VERSION = '0.1.0';

    /** Seconds for a renewal, which a payment waits for. */
    private const RENEWAL_BUDGET = 8.0;

    /** Seconds for the buttons and fields that somebody sits and waits for. */
    private const QUESTION_BUDGET = 15.0;

    /** Seconds for what stands on a page beside other things: it must not hold the page up. */
    private const PAGE_BUDGET = 2.5;
    private const STAFF_PAGE_BUDGET = 6.0;

    /** Seconds for a list of everything. */
    private const LIST_BUDGET = 25.0;

    /** What a link of ours adds to WHMCS's own for signing in. */
    public const TARGET_PARAMETER = 'opterius';

    public static function metaData(): array
    {
        return [
            'DisplayName' => 'Opterius',
            'APIVersion' => '1.1',
            'RequiresServer' => true,
            'DefaultSSLPort' => (string) Address::DEFAULT_PORT,
            'ServiceSingleSignOnLabel' => 'Sign in to the control panel',
            'AdminSingleSignOnLabel' => 'Sign in to the Opterius Panel',
            // The account's id never changes and is never used again; names are.
            'ListAccountsUniqueIdentifierDisplayName' => ServiceRecord::ACCOUNT_ID,
            'ListAccountsUniqueIdentifierField' => 'customfield.' . ServiceRecord::ACCOUNT_ID,
            'ListAccountsProductField' => 'configoption1',
        ];
    }

    public static function configOptions(): array
    {
        return ProductOptions::described();
    }

    /**
     * @return array<string, string> package id to label
     *
     * @throws Refusal with the sentence to show
     */
    public static function packages(array $params): array
    {
        // A product whose server group is empty is no failure: the form should say what to do and stay usable.
        if (!(new Params($params))->hasServer()) {
            return ['' => 'Choose a server group with an Opterius server first'];
        }
        return Action::perform(
            'PackageLoader',
            $params,
            self::QUESTION_BUDGET,
            static fn (Action $action): array => (new Packages($action))->labels(),
            static fn (string $sentence) => throw new Refusal($sentence),
        );
    }

    /** @return array{success: bool, error: string} */
    public static function testConnection(array $params, float $budget = self::QUESTION_BUDGET): array
    {
        return Action::perform(
            'TestConnection',
            $params,
            $budget,
            static function (Action $action): array {
                (new TestConnection($action))->run();
                return ['success' => true, 'error' => ''];
            },
            static fn (string $sentence): array => ['success' => false, 'error' => $sentence],
        );
    }

    public static function createAccount(array $params, ?float $budget = null): string
    {
        $work = static fn (Action $action) => (new CreateAccount($action))->run();
        return self::done('CreateAccount', $params, $budget, $work);
    }

    public static function suspendAccount(array $params, ?float $budget = null): string
    {
        $work = static fn (Action $action) => (new SuspendAccount($action))->run();
        return self::done('SuspendAccount', $params, $budget, $work);
    }

    public static function unsuspendAccount(array $params, ?float $budget = null): string
    {
        $work = static fn (Action $action) => (new UnsuspendAccount($action))->run();
        return self::done('UnsuspendAccount', $params, $budget, $work);
    }

    public static function terminateAccount(array $params, ?float $budget = null): string
    {
        $work = static fn (Action $action) => (new TerminateAccount($action))->run();
        return self::done('TerminateAccount', $params, $budget, $work);
    }

    public static function renew(array $params, ?float $budget = self::RENEWAL_BUDGET): string
    {
        $work = static fn (Action $action) => (new RenewAccount($action))->run();
        return self::done('Renew', $params, $budget, $work);
    }

    public static function changePackage(array $params, ?float $budget = null): string
    {
        $work = static fn (Action $action) => (new ChangePackage($action))->run();
        return self::done('ChangePackage', $params, $budget, $work);
    }

    /** The sentence is one for clients, unless staff is in front of WHMCS. */
    public static function changePassword(array $params, ?float $budget = null): string
    {
        return self::done('ChangePassword', $params, $budget, ChangePassword::perform(...));
    }

    /** @return array<string, string> label to the name of a function without its prefix */
    public static function staffButtons(): array
    {
        return [
            'Show Plan' => 'showplan',
            'Reconcile' => 'reconcile',
            'Retry Operation' => 'retryoperation',
            'Restore' => 'restore',
            'Rotate Token' => 'rotatetoken',
            'Create Configurable Options' => 'createoptions',
        ];
    }

    public static function restore(array $params, ?float $budget = null): string
    {
        $work = static fn (Action $action) => (new RestoreAccount($action))->run();
        return self::done('Restore', $params, $budget, $work);
    }

    public static function reconcile(array $params, ?float $budget = null): string
    {
        $work = static fn (Action $action) => (new Reconcile($action))->run();
        return self::done('Reconcile', $params, $budget, $work);
    }

    public static function showPlan(array $params, ?float $budget = null): string
    {
        $work = static fn (Action $action) => (new ShowPlan($action))->run();
        return self::done('ShowPlan', $params, $budget, $work);
    }

    public static function retryOperation(array $params, ?float $budget = null): string
    {
        $work = static fn (Action $action) => (new RetryOperation($action))->run();
        return self::done('RetryOperation', $params, $budget, $work);
    }

    public static function rotateToken(array $params, ?float $budget = null): string
    {
        $work = static fn (Action $action) => (new RotateToken($action))->run();
        return self::done('RotateToken', $params, $budget, $work);
    }

    public static function createOptions(array $params, ?float $budget = null): string
    {
        $work = static fn (Action $action) => (new ConfigurableOptions($action))->run();
        return self::done('CreateConfigurableOptions', $params, $budget, $work);
    }

    /**
     * @param string|null $target the page to land on; null for the one that the link names
     *
     * @return array{success: bool, redirectTo?: string, errorMsg?: string}
     */
    public static function serviceSingleSignOn(array $params, ?string $target = null): array
    {
        $asked = $_GET[self::TARGET_PARAMETER] ?? '';
        $target ??= is_string($asked) ? $asked : '';
        return self::signedIn(
            'ServiceSingleSignOn',
            $params,
            static fn (SignIn $signIn): string => $signIn->asCustomer($target),
        );
    }

    /** @return array{success: bool, redirectTo?: string, errorMsg?: string} */
    public static function adminSingleSignOn(array $params): array
    {
        return self::signedIn(
            'AdminSingleSignOn',
            $params,
            static fn (SignIn $signIn): string => $signIn->asStaff(),
        );
    }

    /** A plain link: whoever follows it still has to sign in. */
    public static function loginLink(array $params): string
    {
        try {
            return Html::link(Address::fromParams(new Params($params))->url('/'), 'Opterius Panel');
        } catch (Refusal) {
            return '';
        }
    }

    public static function clientArea(array $params, float $budget = self::PAGE_BUDGET): array
    {
        return ClientArea::output(Action::perform(
            'ClientArea',
            $params,
            $budget,
            static fn (Action $action): array => (new ClientArea($action))->pages(),
            static fn (): array => ClientArea::emptyPages(),
        ));
    }

    /** @return array<string, string> label to the name of a function without its prefix */
    public static function clientButtons(): array
    {
        return ['Measure usage now' => 'measureusage'];
    }

    /** @return string the literal 'success', or a sentence for the client */
    public static function measureUsage(array $params): string
    {
        return Action::perform(
            'MeasureUsage',
            $params,
            self::QUESTION_BUDGET,
            static function (Action $action): string {
                (new MeasureUsage($action))->run();
                return 'success';
            },
            static fn (string $sentence): string => $sentence,
        );
    }

    /** @return array<string, string> label to HTML */
    public static function serviceTab(array $params, float $budget = self::STAFF_PAGE_BUDGET): array
    {
        return Action::perform(
            'AdminServicesTabFields',
            $params,
            $budget,
            static fn (Action $action): array => (new ServiceTab($action))->fields(),
            static fn (string $sentence): array => ServiceTab::failed($sentence),
        );
    }

    public static function usageUpdate(array $params): void
    {
        Action::perform(
            'UsageUpdate',
            $params,
            self::LIST_BUDGET,
            static fn (Action $action) => (new UsageUpdate($action))->run(),
            static function (string $sentence): void {
                // Nobody sits before the cron, and WHMCS wants no answer of this function: so it stands in the log.
                if (function_exists('logActivity')) {
                    logActivity('Opterius: the use of the accounts was not updated. ' . $sentence);
                }
            },
        );
    }

    public static function metricProvider(array $params): MetricProvider
    {
        return new MetricProvider($params, self::LIST_BUDGET);
    }

    /** @return array{success: bool, accounts?: list<array>, error?: string} */
    public static function listAccounts(array $params): array
    {
        return Action::perform(
            'ListAccounts',
            $params,
            self::LIST_BUDGET,
            static fn (Action $action): array => [
                'success' => true,
                'accounts' => (new ListAccounts($action))->all(),
            ],
            static fn (string $sentence): array => ['success' => false, 'error' => $sentence],
        );
    }

    /**
     * @param float|null $budget seconds for all requests and pauses together; null for what a change may take here
     * @param callable(Action): void $work
     *
     * @return string the literal 'success', or a sentence for who pressed the button
     */
    private static function done(string $name, array $params, ?float $budget, callable $work): string
    {
        return Action::perform(
            $name,
            $params,
            $budget ?? Patience::budget(),
            static function (Action $action) use ($work): string {
                $work($action);
                return 'success';
            },
            static fn (string $sentence): string => $sentence,
        );
    }

    /** @param callable(SignIn): string $address */
    private static function signedIn(string $name, array $params, callable $address): array
    {
        return Action::perform(
            $name,
            $params,
            self::QUESTION_BUDGET,
            static fn (Action $action): array => [
                'success' => true,
                'redirectTo' => $address(new SignIn($action)),
            ],
            static fn (string $sentence): array => ['success' => false, 'errorMsg' => $sentence],
        );
    }
}
