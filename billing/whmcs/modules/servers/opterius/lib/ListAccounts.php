<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

use WHMCS\Database\Capsule;
use WHMCS\Service\Status;

/** What Sync Accounts compares the services of WHMCS with. */
final class ListAccounts
{
    public function __construct(private readonly Action $action)
    {
    }

    /**
     * @return list<array<string, string>>
     *
     * @throws Refusal unless all accounts are in it
     */
    public function all(): array
    {
        $typed = $this->typedPackages();
        $ids = [];
        $accounts = (new Listing($this->action->panel(), $this->action->patience))->accounts(
            static function (array $account) use ($typed, &$ids): array {
                $entry = self::entry($account, $typed);
                $ids[is_string($account['external_ref'] ?? null) ? $account['external_ref'] : ''] = $account['id'];
                return $entry;
            },
        );
        (new AccountIds($this->action))->complete($ids);
        return $accounts;
    }

    private static function entry(array $account, array $typed): array
    {
        $text = static fn (string $key): string => is_scalar($account[$key] ?? null) ? (string) $account[$key] : '';
        $package = is_array($account['package'] ?? null) ? $account['package'] : [];
        $id = is_string($package['id'] ?? null) ? $package['id'] : '';
        $name = is_string($package['name'] ?? null) ? $package['name'] : '';
        $addresses = [...(array) ($account['ipv4'] ?? []), ...(array) ($account['ipv6'] ?? [])];
        return [
            'email' => $text('email'),
            'username' => $text('username'),
            'domain' => $text('domain'),
            'uniqueIdentifier' => $text('id'),
            'product' => in_array($name, $typed, true) ? $name : $id,
            'primaryip' => (string) ($addresses[0] ?? ''),
            'created' => date('Y-m-d H:i:s', intdiv((int) ($account['created_at'] ?? 0), 1_000_000)),
            // What is being set up or looked after is there, and is not suspended unless somebody holds it.
            'status' => ($account['holds'] ?? []) === [] ? Status::ACTIVE : Status::SUSPENDED,
        ];
    }

    /**
     * WHMCS finds the product by what its package field holds: the id, or a name that was typed.
     *
     * @return list<string> the names that were typed
     */
    private function typedPackages(): array
    {
        if (!class_exists(Capsule::class)) {
            return [];
        }
        try {
            $packages = Capsule::table('tblproducts')->where('servertype', 'opterius')->pluck('configoption1')->all();
        } catch (\Throwable $failure) {
            $this->action->log->note('The products could not be read: ' . $failure->getMessage());
            return [];
        }
        return array_values(array_filter(array_map('strval', $packages)));
    }
}
