<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use Illuminate\Database\Schema\Blueprint;
use WHMCS\Database\Capsule;

/**
 * The tables of WHMCS, as far as modules that are published read or write them, in SQLite. The columns are the ones
 * that public documentation and published modules name; `standin_` tables hold what WHMCS keeps where nobody looks.
 */
final class Database
{
    /** @param string $path a file that is kept, or `:memory:` */
    public static function open(string $path = ':memory:'): void
    {
        if ($path !== ':memory:' && !is_file($path)) {
            touch($path);
            chmod($path, 0600);
        }
        $capsule = new Capsule();
        $capsule->addConnection(['driver' => 'sqlite', 'database' => $path]);
        $capsule->setAsGlobal();
        $capsule->bootEloquent();
        if (!Capsule::schema()->hasTable('tblhosting')) {
            self::make();
        }
    }

    private static function make(): void
    {
        $text = static function (Blueprint $table, string ...$columns): void {
            foreach ($columns as $column) {
                $table->text($column)->default('');
            }
        };
        $number = static function (Blueprint $table, string ...$columns): void {
            foreach ($columns as $column) {
                $table->integer($column)->default(0);
            }
        };
        $tables = [
            'tblconfiguration' => [['setting', 'value'], []],
            'tblclients' => [[
                'uuid', 'firstname', 'lastname', 'companyname', 'email', 'address1', 'address2', 'city', 'state',
                'postcode', 'country', 'phonenumber', 'language', 'status', 'notes',
            ], ['currency', 'groupid']],
            'tblservergroups' => [['name'], ['filltype']],
            'tblservergroupsrel' => [[], ['groupid', 'serverid']],
            'tblservers' => [[
                'name', 'ipaddress', 'assignedips', 'hostname', 'nameserver1', 'nameserver2', 'type', 'username',
                'password', 'accesshash', 'secure', 'port',
            ], ['maxaccounts', 'active', 'disabled']],
            'tblproducts' => [
                ['type', 'name', 'servertype', 'autosetup', 'paytype', ...self::numbered('configoption')],
                ['gid', 'servergroup', 'welcomeemail', 'hidden', 'retired', 'autoterminatedays'],
            ],
            'tbladdons' => [['name', 'module', 'type', 'packages', 'autoactivate'], ['server_group_id']],
            'tblmodule_configuration' => [['entity_type', 'setting_name', 'friendly_name', 'value'], ['entity_id']],
            'tblproductconfiggroups' => [['name', 'description'], []],
            'tblproductconfiglinks' => [[], ['gid', 'pid']],
            'tblproductconfigoptions' => [
                ['optionname'],
                ['gid', 'optiontype', 'qtyminimum', 'qtymaximum', 'order', 'hidden'],
            ],
            'tblproductconfigoptionssub' => [['optionname'], ['configid', 'sortorder', 'hidden']],
            'tblhosting' => [[
                'regdate', 'domain', 'paymentmethod', 'billingcycle', 'nextduedate', 'nextinvoicedate',
                'termination_date', 'domainstatus', 'username', 'password', 'notes', 'suspendreason',
                'overideautosuspend', 'overidesuspenduntil', 'dedicatedip', 'assignedips', 'ns1', 'ns2', 'lastupdate',
            ], ['userid', 'orderid', 'packageid', 'server', 'diskusage', 'disklimit', 'bwusage', 'bwlimit']],
            'tblhostingconfigoptions' => [[], ['relid', 'configid', 'optionid', 'qty']],
            'tblhostingaddons' => [
                ['name', 'status', 'regdate', 'nextduedate', 'termination_date', 'billingcycle', 'notes'],
                ['userid', 'orderid', 'hostingid', 'addonid', 'server'],
            ],
            'tblcustomfields' => [['type', 'fieldname', 'fieldtype', 'adminonly'], ['relid', 'sortorder']],
            'tblcustomfieldsvalues' => [['value'], ['fieldid', 'relid']],
            'tblcancelrequests' => [['date', 'reason', 'type'], ['relid']],
            'tbladdonmodules' => [['module', 'setting', 'value'], []],
            'tblactivitylog' => [['date', 'description', 'user'], ['userid']],
            'tblmodulequeue' => [
                [
                    'service_type', 'module_name', 'module_action', 'last_attempt', 'last_attempt_error', 'created_at',
                    'updated_at',
                ],
                ['service_id', 'num_retries', 'completed'],
            ],
            'standin_mails' => [['kind', 'template'], ['relid']],
            'standin_metrics' => [['tenant', 'metric', 'type', 'value', 'period'], ['server', 'relid']],
        ];
        foreach ($tables as $name => [$texts, $numbers]) {
            Capsule::schema()->create($name, static function (Blueprint $table) use ($text, $number, $texts, $numbers) {
                $table->increments('id');
                $text($table, ...$texts);
                $number($table, ...$numbers);
            });
        }
    }

    /** @return list<string> */
    private static function numbered(string $name): array
    {
        return array_map(static fn (int $number): string => $name . $number, range(1, 24));
    }
}
