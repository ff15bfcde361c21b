<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

use WHMCS\Module\Server\Opterius\Entities;

/** As much of an account in the Panel as the report compares. */
final class Account
{
    /** @param list<string> $holds who holds it: billing, abuse */
    private function __construct(
        public readonly string $id,
        public readonly string $ref,
        public readonly string $username,
        public readonly string $domain,
        public readonly string $status,
        public readonly array $holds,
        public readonly string $packageId,
        public readonly string $packageName,
        public readonly bool $drifted,
        /** What goes on with it just now: create, suspend and the like; empty if nothing does. */
        public readonly string $running,
        public readonly bool $needsAttention,
    ) {
    }

    /** @param array $account as the Panel gives it */
    public static function of(array $account): self
    {
        $text = static fn (array $from, string $key): string => is_scalar($from[$key] ?? null) ? (string) $from[$key] : '';
        $package = is_array($account['package'] ?? null) ? $account['package'] : [];
        $holds = array_filter(is_array($account['holds'] ?? null) ? $account['holds'] : [], 'is_array');
        $drift = $account['drift'] ?? null;
        $operation = is_array($account['operation'] ?? null) ? $account['operation'] : [];
        $outcome = $text($operation, 'outcome');
        return new self(
            $text($account, 'id'),
            $text($account, 'external_ref'),
            $text($account, 'username'),
            $text($account, 'domain'),
            $text($account, 'status'),
            array_values(array_map(static fn (array $hold): string => $text($hold, 'hold'), $holds)),
            $text($package, 'id'),
            $text($package, 'name'),
            is_array($drift) && ($drift['mended'] ?? false) !== true,
            match (true) {
                $outcome === 'running' => $text($operation, 'kind'),
                $text($account, 'status') === 'provisioning' => 'create',
                default => '',
            },
            $outcome === 'needs_attention' || $text($account, 'status') === 'needs_attention',
        );
    }

    /** @param string $package what a product says: an id, or a name that was typed, perhaps as it stands in HTML */
    public function has(string $package): bool
    {
        return strcasecmp($package, $this->packageId) === 0
            || in_array($this->packageName, [$package, Entities::decode($package)], true);
    }
}
