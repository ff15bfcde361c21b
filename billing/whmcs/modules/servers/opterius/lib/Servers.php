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
        return $row === null ? [] : self::paramsOf($row);
    }

    /**
     * The servers that an order for a product may come to: those of its group, or all if it has none; the default ones
     * first.
     *
     * @return list<array<string, mixed>> what WHMCS hands to a function that is called for each
     */
    public static function ofGroup(int $group): array
    {
        $servers = Capsule::table('tblservers')->where('type', 'opterius')->where('disabled', 0);
        if ($group > 0) {
            $members = Capsule::table('tblservergroupsrel')->where('groupid', $group)->pluck('serverid');
            $servers->whereIn('id', $members);
        }
        $found = [];
        foreach ($servers->orderBy('active', 'desc')->orderBy('id')->get() as $row) {
            $found[] = self::paramsOf($row);
        }
        return $found;
    }

    /**
     * Gets ready to put another Access Hash in the place of this one, for every server that has it, in the form in
     * which this WHMCS keeps it.
     *
     * @return callable(string): void what does it
     *
     * @throws Refusal if this one is not found, so that nothing is begun that could not be ended
     */
    public static function replacementOf(#[\SensitiveParameter] string $accessHash): callable
    {
        $wanted = AccessHash::withoutSpace($accessHash);
        $encrypted = [];
        foreach (Capsule::table('tblservers')->where('type', 'opterius')->get(['id', 'accesshash']) as $row) {
            $stored = (string) $row->accesshash;
            if ($wanted !== '' && AccessHash::withoutSpace(self::readable($stored)) === $wanted) {
                $encrypted[(int) $row->id] = self::readable($stored) !== $stored;
            }
        }
        if ($encrypted === []) {
            throw new Refusal(
                'This module does not find the Access Hash where WHMCS keeps it, so it could not put a new one there. '
                . 'Nothing was changed. Create a new WHMCS token in the Panel and paste its Access Hash into the '
                . 'server form.'
            );
        }
        return static function (#[\SensitiveParameter] string $new) use ($encrypted): void {
            foreach ($encrypted as $id => $isEncrypted) {
                $stored = $isEncrypted ? encrypt($new) : $new;
                Capsule::table('tblservers')->where('id', $id)->update(['accesshash' => $stored]);
            }
        };
    }

    private static function paramsOf(object $row): array
    {
        return [
            'server' => true,
            'serverid' => (int) $row->id,
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
