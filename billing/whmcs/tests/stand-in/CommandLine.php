<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use WHMCS\Database\Capsule;

/** The actions of order.php. */
final class CommandLine
{
    private const OF_A_SERVICE = [
        'CreateAccount', 'SuspendAccount', 'UnsuspendAccount', 'TerminateAccount', 'Renew', 'ChangePackage',
        'ChangePassword', 'ServiceSingleSignOn', 'CustomActions', 'ClientArea', 'AdminServicesTabFields',
        'AdminCustomButtonArray', 'ClientAreaCustomButtonArray', 'Retry',
    ];

    public const ACTIONS = [
        ...self::OF_A_SERVICE, 'TestConnection', 'PackageLoader', 'ConfigOptions', 'AdminSingleSignOn', 'ListAccounts',
        'UsageUpdate', 'MetricProvider', 'ModuleQueue', 'Cron', 'EditClient', 'Checkout', 'AdminHome', 'AddonModule',
    ];

    /** What is said to an action, and is no parameter of WHMCS. */
    private const SAID = [
        'suspendreason', 'newpassword', 'nextduedate', 'choices', 'button', 'action', 'client', 'products', 'request',
    ];

    public function __construct(private readonly Whmcs $whmcs)
    {
    }

    /** @return array{result?: mixed, exception?: string, status?: string, saved?: object} */
    public function perform(string $action, array $given): array
    {
        $said = array_intersect_key($given, array_flip(self::SAID));
        $params = array_diff_key($given, $said);
        $service = $this->whmcs->adopt($params, keep: true);
        $printed = [];
        try {
            $printed['result'] = in_array($action, self::OF_A_SERVICE, true)
                ? $this->withService($action, $service, $said)
                : $this->withWhmcs($action, $service, $params, $said);
        } catch (\Exception $exception) {
            $printed['exception'] = $exception->getMessage();
        }
        return in_array($action, self::OF_A_SERVICE, true)
            ? $printed + ['status' => $service->status, 'saved' => (object) $service->properties->saved]
            : $printed;
    }

    private function withService(string $action, Service $service, array $said): mixed
    {
        return match ($action) {
            'CreateAccount' => $service->create(),
            'SuspendAccount' => $service->suspend($said['suspendreason'] ?? 'Overdue on Payment'),
            'UnsuspendAccount' => $service->unsuspend(),
            'TerminateAccount' => $service->terminate(),
            'Renew' => $service->renew($said['nextduedate'] ?? null),
            'ChangePackage' => $service->changePackage(null, $said['choices'] ?? []),
            'ChangePassword' => $service->changePassword($said['newpassword']),
            'ServiceSingleSignOn' => $service->signIn(),
            'CustomActions' => isset($said['action'])
                ? $service->customAction($said['action'])
                : array_map(static fn (object $one): string => $one->getIdentifier(), $service->customActions()),
            'ClientArea' => $service->clientArea($said['request'] ?? []),
            'AdminServicesTabFields' => $service->adminFields(),
            'AdminCustomButtonArray' => isset($said['button'])
                ? $service->adminButton($said['button'])
                : $service->buttons($action),
            'ClientAreaCustomButtonArray' => isset($said['action'])
                ? $service->clientButton($said['action'])
                : $service->buttons($action),
            'Retry' => $service->retry(),
        };
    }

    private function withWhmcs(string $action, Service $service, array $params, array $said): mixed
    {
        $server = (int) ($params['serverid'] ?? 1);
        return match ($action) {
            // These three are called with what the forms of products and servers hold, and without any service.
            'TestConnection' => opterius_TestConnection($params),
            'PackageLoader' => opterius_PackageLoader($params),
            'ConfigOptions' => opterius_ConfigOptions(['producttype' => 'hostingaccount']),
            'AdminSingleSignOn' => $this->whmcs->signInToServer($server),
            'ListAccounts' => $this->sync($server),
            'UsageUpdate' => $this->usage($service),
            'MetricProvider' => $this->metrics($service),
            'ModuleQueue' => localAPI('GetModuleQueue')['queue']->all(),
            'Cron' => $this->whmcs->cron()->daily(),
            'EditClient' => $this->whmcs->editClient((int) ($params['userid'] ?? 3), $said['client']),
            'Checkout' => $this->whmcs->checkout($said['products']),
            'AdminHome' => $this->whmcs->adminHome(),
            'AddonModule' => $this->whmcs->addonModulePage($said['request'] ?? []),
        };
    }

    private function sync(int $server): array
    {
        $sync = $this->whmcs->syncAccounts($server);
        return [
            'error' => $sync->error, 'matched' => $sync->matched, 'unknown' => $sync->unknown,
            'missing' => array_map(static fn (Service $service): int => $service->id, $sync->missing),
        ];
    }

    /** @return array<string, mixed> the columns of the service */
    private function usage(Service $service): array
    {
        $this->whmcs->cron()->updateUsage();
        $row = (array) Capsule::table('tblhosting')->find($service->id);
        return array_intersect_key($row, array_flip(['diskusage', 'disklimit', 'bwusage', 'bwlimit', 'lastupdate']));
    }

    private function metrics(Service $service): array
    {
        $this->whmcs->cron()->collectMetrics();
        return Cron::metricsOf($service);
    }
}
