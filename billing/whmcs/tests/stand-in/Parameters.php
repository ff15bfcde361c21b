<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use WHMCS\Database\Capsule;

/** Builds the array that WHMCS hands to the functions of a module, from the rows, as its documentation lists it. */
final class Parameters
{
    private const OF_CLIENTS = [
        'firstname', 'lastname', 'companyname', 'email', 'address1', 'address2', 'city', 'state', 'postcode', 'country',
        'phonenumber', 'language', 'notes',
    ];

    public function __construct(private readonly Whmcs $whmcs)
    {
    }

    public function ofService(int $id): array
    {
        $row = Capsule::table('tblhosting')->find($id) ?? throw new \OutOfBoundsException("There is no service $id.");
        $product = (array) Capsule::table('tblproducts')->find($row->packageid);
        $options = [];
        for ($number = 1; $number <= 24; $number++) {
            $options["configoption$number"] = (string) $product["configoption$number"];
        }
        $properties = new ServiceProperties($id, false);
        return $this->encoded([
            'serviceid' => $id,
            'userid' => (int) $row->userid,
            'pid' => (int) $row->packageid,
            'packageid' => (int) $row->packageid,
            'addonId' => 0,
            'domain' => $row->domain,
            'username' => $row->username,
            'password' => decrypt($row->password),
            'status' => $row->domainstatus,
            'suspendreason' => $row->suspendreason,
            'producttype' => $product['type'],
            'moduletype' => $product['servertype'],
            'customfields' => $properties->fields(),
            'configoptions' => $this->choices($id),
            'clientsdetails' => $this->client((int) $row->userid),
        ] + $options) + $this->ofServer((int) $row->server);
    }

    /** Of an add-on that has a module of its own: it shares the number and the domain of the service it belongs to. */
    public function ofAddon(int $id): array
    {
        $row = Capsule::table('tblhostingaddons')->find($id)
            ?? throw new \OutOfBoundsException("There is no add-on $id.");
        $service = Capsule::table('tblhosting')->find($row->hostingid);
        $addon = Capsule::table('tbladdons')->find($row->addonid);
        $settings = Capsule::table('tblmodule_configuration')
            ->where(['entity_type' => 'addon', 'entity_id' => $row->addonid])->pluck('value', 'setting_name');
        $options = [];
        for ($number = 1; $number <= 24; $number++) {
            $options["configoption$number"] = (string) ($settings["configoption$number"] ?? '');
        }
        $properties = new ServiceProperties($id, true);
        return $this->encoded([
            'serviceid' => (int) $row->hostingid,
            'userid' => (int) $row->userid,
            'pid' => (int) $service->packageid,
            'packageid' => (int) $service->packageid,
            'addonId' => $id,
            'domain' => $properties->get('Domain') ?? $service->domain,
            'username' => $properties->get('Username') ?? '',
            'password' => $properties->get('Password') ?? '',
            'status' => $row->status,
            'suspendreason' => '',
            'producttype' => $addon->type,
            'moduletype' => $addon->module,
            'customfields' => $properties->fields(),
            'configoptions' => [],
            'clientsdetails' => $this->client((int) $row->userid),
        ] + $options) + $this->ofServer((int) $row->server);
    }

    /** What the functions that concern a whole server are given, and the end of what all others are given. */
    public function ofServer(int $id): array
    {
        $row = Capsule::table('tblservers')->find($id);
        if ($row === null) {
            return ['serverid' => $id, 'server' => false];
        }
        $secure = $row->secure === 'on';
        $params = [
            'serverid' => $id,
            'server' => true,
            'serverip' => $row->ipaddress,
            'serverhostname' => $row->hostname,
            'serverusername' => $row->username,
            'serverpassword' => decrypt($row->password),
            'serveraccesshash' => $row->accesshash,
            'serversecure' => $secure,
            'serverhttpprefix' => $secure ? 'https' : 'http',
        ];
        // WHMCS hands over a port only where the module's MetaData names a default one.
        $default = opterius_MetaData()[$secure ? 'DefaultSSLPort' : 'DefaultNonSSLPort'] ?? null;
        return $default === null ? $params : $params + ['serverport' => $row->port !== '' ? $row->port : $default];
    }

    public function client(int $id): array
    {
        $row = (array) (Capsule::table('tblclients')->find($id) ?? ['id' => 0]);
        if ($row['id'] === 0) {
            return [];
        }
        $details = ['id' => $id, 'userid' => $id, 'client_id' => $id, 'uuid' => $row['uuid']];
        $details += array_intersect_key($row, array_flip(self::OF_CLIENTS));
        return $details + ['fullname' => trim($row['firstname'] . ' ' . $row['lastname']), 'status' => $row['status']];
    }

    /** @return array<string, string|int> the configurable options of a service by their names */
    private function choices(int $id): array
    {
        $choices = [];
        $rows = Capsule::table('tblhostingconfigoptions')->where('relid', $id)->get();
        foreach ($rows as $row) {
            $option = Capsule::table('tblproductconfigoptions')->find($row->configid);
            $chosen = Capsule::table('tblproductconfigoptionssub')->find($row->optionid);
            $choices[ServiceProperties::shortName($option->optionname)] = match ((int) $option->optiontype) {
                Whmcs::YES_NO, Whmcs::QUANTITY => (int) $row->qty,
                default => ServiceProperties::shortName((string) $chosen?->optionname),
            };
        }
        return $choices;
    }

    /** Whether WHMCS encodes what clients have entered as HTML is not documented, and has differed: hence a switch. */
    private function encoded(array $params): array
    {
        if (!$this->whmcs->encodesHtml) {
            return $params;
        }
        array_walk_recursive($params, static function (mixed &$value): void {
            $value = is_string($value) ? htmlspecialchars($value, ENT_QUOTES) : $value;
        });
        return $params;
    }
}
