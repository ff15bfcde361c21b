<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Usage;

final class UsageFiguresTest extends TestCase
{
    public function test_what_was_not_measured_is_not_nought(): void
    {
        $usage = Usage::of(['disk_bytes' => null, 'traffic_bytes' => 0, 'measured_at' => null], []);
        self::assertNull($usage->diskBytes);
        self::assertSame(0, $usage->trafficBytes);
        self::assertNull($usage->measuredAt);
    }

    public function test_anything_that_is_no_number_was_not_measured(): void
    {
        $usage = Usage::of(['disk_bytes' => '12', 'traffic_bytes' => 1.5], ['disk_mib' => 'many', 'bandwidth_gib' => -4]);
        self::assertNull($usage->diskBytes);
        self::assertNull($usage->trafficBytes);
        self::assertSame([0, 0], [$usage->diskLimitMib, $usage->trafficLimitGib]);
    }

    public function test_a_service_that_was_never_updated_has_no_recorded_usage(): void
    {
        foreach (['', '0000-00-00 00:00:00', 'never'] as $date) {
            $model = new class ($date) {
                public object $serviceProperties;

                public function __construct(string $date)
                {
                    $this->serviceProperties = new class ($date) {
                        public function __construct(private readonly string $date)
                        {
                        }

                        public function get(string $name): string
                        {
                            return $name === 'Last Update' ? $this->date : '0';
                        }
                    };
                }
            };
            self::assertNull(Usage::recorded($model));
        }
        self::assertNull(Usage::recorded(null));
    }
}
