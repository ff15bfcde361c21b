<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

use WHMCS\Database\Capsule;

/** The Opterius servers as they stand in WHMCS's own records: hooks and pages are handed none. */
final class Servers
{
    /** @return array<int, string> names by id */
    public static function names(): array
    {
        $names = [];
        foreach (Capsule::table('tblservers')->where('type', 'opterius')->orderBy('id')->get(['id', 'name']) as $row) {
            $names[(int) $row->id] = (string) $row->name;
        }
        return $names;
    }

    /** @return array<string, mixed> what WHMCS hands to a function that is called for this server; empty if there is none */
    public static function params(int $id): array
    {
        $row = Capsule::table('tblservers')->where('id', $id)->where('type', 'opterius')->first();
        return $row === null ? [] : [
            'server' => true,
            'serverid' => $id,
            'serverip' => (string) $row->ipaddress,
            'serverhostname' => (string) $row->hostname,
            'serverport' => (string) ($row->port ?? ''),
            'serveraccesshash' => self::readable((string) $row->accesshash),
            'serversecure' => true,
        ];
    }

    /** Some versions of WHMCS keep the Access Hash encrypted, others as it was pasted. */
    private static function readable(#[\SensitiveParameter] string $hash): string
    {
        if ($hash === '' || preg_match('/^\s*o\d\./', $hash) === 1 || !function_exists('decrypt')) {
            return $hash;
        }
        return (string) decrypt($hash);
    }
}
