<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** A service or an add-on as it stands in WHMCS. */
final class Record
{
    public function __construct(
        public readonly Ref $ref,
        public readonly int $client,
        public readonly int $server,
        /** As WHMCS names it: Pending, Active, Suspended, Terminated, Cancelled, Fraud or Completed. */
        public readonly string $status,
        public readonly string $domain,
        public readonly string $username,
        /** What its product says: a package's id, or a name that was typed. */
        public readonly string $package,
        /** `2025-01-31`; empty if it is never due. */
        public readonly string $nextDueOn,
        /** The service that an add-on belongs to; for a service, its own number. */
        public readonly int $service,
    ) {
    }

    public function isAlive(): bool
    {
        return in_array($this->status, ['Active', 'Suspended'], true);
    }
}
