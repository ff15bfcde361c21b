<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** What an account uses of what it may. Null is what nobody has measured yet; a limit of 0 is none. */
final class Usage
{
    public function __construct(
        public readonly ?int $diskBytes,
        public readonly ?int $trafficBytes,
        public readonly int $diskLimitMib,
        public readonly int $trafficLimitGib,
        public readonly ?int $measuredAt,
        /** Whether the account may use more of the disk than that: not all of its home could be counted. */
        public readonly bool $diskAtLeast = false,
    ) {
    }

    /**
     * @param array $usage as the Panel gives it, for one account or in the list of all
     * @param array $limits by name, in the units that their names end in
     */
    public static function of(array $usage, array $limits): self
    {
        $number = static fn (array $from, string $key): ?int => is_int($from[$key] ?? null) ? max(0, $from[$key]) : null;
        return new self(
            $number($usage, 'disk_bytes'),
            $number($usage, 'traffic_bytes'),
            $number($limits, 'disk_mib') ?? 0,
            $number($limits, 'bandwidth_gib') ?? 0,
            $number($usage, 'measured_at'),
            ($usage['disk_at_least'] ?? null) === true,
        );
    }

    /** What UsageUpdate has left in the service's own record; null if it has never run. */
    public static function recorded(?object $model): ?self
    {
        $get = static function (string $name) use ($model): string {
            $value = $model?->serviceProperties->get($name);
            return is_scalar($value) ? (string) $value : '';
        };
        $measured = strtotime($get('Last Update'));
        if ($measured === false || $measured <= 0) {
            return null;
        }
        return new self(
            (int) $get('Disk Usage') * Size::MIB,
            (int) $get('Bandwidth Usage') * Size::MIB,
            (int) $get('Disk Limit'),
            intdiv((int) $get('Bandwidth Limit'), 1024),
            $measured * 1_000_000,
        );
    }

    public function diskLimitBytes(): int
    {
        return $this->diskLimitMib * Size::MIB;
    }

    public function trafficLimitBytes(): int
    {
        return $this->trafficLimitGib * Size::GIB;
    }
}
