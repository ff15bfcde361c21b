<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

use WHMCS\Database\Capsule;
use WHMCS\Service\Addon;

/** The services and add-ons that are sold through this module. */
final class Records
{
    /** @return list<Record> */
    public static function all(): array
    {
        return self::read(static fn (object $query): object => $query);
    }

    /** @return list<Record> */
    public static function ofClient(int $client): array
    {
        return self::read(static fn (object $query): object => $query->where('tblhosting.userid', $client));
    }

    public static function find(Ref $ref): ?Record
    {
        $table = $ref->kind === Ref::SERVICE ? 'tblhosting' : 'tblhostingaddons';
        $found = self::read(
            static fn (object $query): object => $query->where($table . '.id', $ref->id),
            $ref->kind,
        );
        return $found[0] ?? null;
    }

    /**
     * @param callable(object): object $narrow
     *
     * @return list<Record>
     */
    private static function read(callable $narrow, ?string $kind = null): array
    {
        return [
            ...($kind === Ref::ADDON ? [] : self::services($narrow)),
            ...($kind === Ref::SERVICE ? [] : self::addons($narrow)),
        ];
    }

    /** @return list<Record> */
    private static function services(callable $narrow): array
    {
        $rows = $narrow(
            Capsule::table('tblhosting')
                ->join('tblproducts', 'tblproducts.id', '=', 'tblhosting.packageid')
                ->where('tblproducts.servertype', 'opterius')
        )->orderBy('tblhosting.id')->get([
            'tblhosting.id', 'tblhosting.userid', 'tblhosting.server', 'tblhosting.domainstatus', 'tblhosting.domain',
            'tblhosting.username', 'tblhosting.nextduedate', 'tblproducts.configoption1',
        ]);
        $records = [];
        foreach ($rows as $row) {
            $records[] = new Record(
                Ref::service((int) $row->id),
                (int) $row->userid,
                (int) $row->server,
                (string) $row->domainstatus,
                (string) $row->domain,
                (string) $row->username,
                (string) $row->configoption1,
                self::date($row->nextduedate),
                (int) $row->id,
            );
        }
        return $records;
    }

    /** @return list<Record> */
    private static function addons(callable $narrow): array
    {
        $rows = $narrow(
            Capsule::table('tblhostingaddons')
                ->join('tbladdons', 'tbladdons.id', '=', 'tblhostingaddons.addonid')
                ->join('tblhosting', 'tblhosting.id', '=', 'tblhostingaddons.hostingid')
                ->where('tbladdons.module', 'opterius')
        )->orderBy('tblhostingaddons.id')->get([
            'tblhostingaddons.id', 'tblhostingaddons.hostingid', 'tblhostingaddons.addonid', 'tblhosting.userid',
            'tblhostingaddons.server', 'tblhostingaddons.status', 'tblhostingaddons.nextduedate', 'tblhosting.domain',
        ]);
        $packages = self::addonPackages();
        $records = [];
        foreach ($rows as $row) {
            $properties = Addon::find($row->id)?->serviceProperties;
            $records[] = new Record(
                Ref::addon((int) $row->id),
                (int) $row->userid,
                (int) $row->server,
                (string) $row->status,
                // An add-on that was given no domain of its own has the one of its service.
                (string) ($properties?->get('Domain') ?: $row->domain),
                (string) $properties?->get('Username'),
                $packages[(int) $row->addonid] ?? '',
                self::date($row->nextduedate),
                (int) $row->hostingid,
            );
        }
        return $records;
    }

    /** @return array<int, string> what each kind of add-on says its package is */
    private static function addonPackages(): array
    {
        $packages = [];
        $rows = Capsule::table('tblmodule_configuration')
            ->where('entity_type', 'addon')
            ->where('setting_name', 'configoption1')
            ->get(['entity_id', 'value']);
        foreach ($rows as $row) {
            $packages[(int) $row->entity_id] = (string) $row->value;
        }
        return $packages;
    }

    private static function date(mixed $date): string
    {
        $date = substr((string) $date, 0, 10);
        return str_starts_with($date, '0000') ? '' : $date;
    }
}
