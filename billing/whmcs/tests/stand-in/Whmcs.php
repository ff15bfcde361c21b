<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use WHMCS\Module\Server\Opterius\Module;

/** As much of WHMCS as a provisioning module meets: one service, its parameters, and what a command does to it. */
final class Whmcs
{
    private static ?ModuleLog $log = null;

    public string $status = 'Pending';
    public int $welcomeMails = 0;

    /** @var list<string> what failed and waits for somebody to press Retry; nothing here is ever retried by itself */
    public array $moduleQueue = [];

    public readonly ServiceProperties $properties;

    public function __construct(public array $params = [], bool $brokenProperties = false)
    {
        $this->properties = new ServiceProperties($brokenProperties);
        self::log()->watch($params);
    }

    /** The log that the global logModuleCall writes to. */
    public static function log(bool $new = false): ModuleLog
    {
        return $new || self::$log === null ? self::$log = new ModuleLog() : self::$log;
    }

    /** The parameters as the public documentation lists them, for a service on the given Panel. */
    public static function params(FakePanel $panel, array $changes = []): array
    {
        return array_replace([
            'serviceid' => 12,
            'userid' => 3,
            'pid' => 1,
            'packageid' => 1,
            'serverid' => 1,
            'addonId' => 0,
            'domain' => 'example.com',
            'username' => 'examplec',
            'password' => 'Kx7dQ2mVw9',
            'producttype' => 'hostingaccount',
            'moduletype' => 'opterius',
            'configoption1' => FakePanel::PACKAGE_ID,
            'configoptions' => [],
            'customfields' => [],
            'clientsdetails' => ['id' => 3, 'firstname' => 'Ada', 'lastname' => '', 'email' => 'ada@example.org'],
            'server' => true,
            'serverip' => '127.0.0.1',
            'serverhostname' => '127.0.0.1',
            'serverusername' => '',
            'serverpassword' => 'server-password-1',
            'serveraccesshash' => $panel->accessHash(),
            'serversecure' => true,
            'serverport' => (string) $panel->port,
            'serverhttpprefix' => 'https',
        ], $changes);
    }

    /** Calls CreateAccount, and believes nothing but the literal 'success'. */
    public function create(?float $budget = null): string
    {
        $model = new \stdClass();
        $model->serviceProperties = $this->properties;
        $params = $this->params + ['model' => $model];
        $result = $budget === null
            ? opterius_CreateAccount($params)
            : Module::createAccount($params, $budget);
        self::log()->lookForSecrets($result, 'the result');
        if ($result === 'success') {
            $this->status = 'Active';
            $this->welcomeMails++;
        } else {
            $this->moduleQueue[] = $result;
        }
        return $result;
    }
}
