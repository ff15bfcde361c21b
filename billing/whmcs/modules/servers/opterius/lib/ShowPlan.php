<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Says what Reconcile would change. WHMCS shows answers only as failures, so it also says that it is none. */
final class ShowPlan
{
    public function __construct(private readonly Action $action)
    {
    }

    /** @throws Refusal with the plan, unless everything is as it should be */
    public function run(): void
    {
        $plan = (new AccountQuestion($this->action))->ask('/plan');
        if (($plan['empty'] ?? null) === true) {
            return;
        }
        $parts = array_filter([
            self::part('Reconcile would change', $plan['changes'] ?? null, 'resource', 'change'),
            self::part('In its way', $plan['conflicts'] ?? null, 'step', 'detail'),
            self::part('It needs', $plan['missing'] ?? null, 'step', 'detail'),
        ]);
        throw new Refusal('This is an answer and no failure; nothing was changed. ' . implode(' ', $parts));
    }

    private static function part(string $title, mixed $rows, string $what, string $how): string
    {
        $lines = [];
        foreach (is_array($rows) ? $rows : [] as $row) {
            if (is_string($row[$what] ?? null) && is_string($row[$how] ?? null)) {
                $lines[] = $row[$what] . ': ' . rtrim($row[$how], '.');
            }
        }
        return $lines === [] ? '' : $title . ' - ' . implode('; ', $lines) . '.';
    }
}
