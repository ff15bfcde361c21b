<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

/** What `$params['model']->serviceProperties` does for a service: names to values, some of them core columns. */
final class ServiceProperties
{
    /** @var array<string, string> */
    public array $saved = [];

    public function __construct(private readonly bool $broken = false)
    {
    }

    public function save(array $properties): void
    {
        if ($this->broken) {
            throw new \RuntimeException('SQLSTATE[HY000]: General error: 2006 MySQL server has gone away');
        }
        $this->saved = array_replace($this->saved, $properties);
    }

    public function get(string $name): ?string
    {
        return $this->saved[$name] ?? null;
    }
}
