<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

use WHMCS\Module\Server\Opterius\Html;

/** What of the report is worth a look, in a few numbers for the first page of the admin area. */
final class Health
{
    /** Seconds for one server: the page waits for this. */
    private const BUDGET = 4.0;

    /** @return array{differences: array<string, int>, silent: list<string>, queue: int|null} */
    public static function numbers(): array
    {
        $report = Report::make(self::BUDGET);
        $numbers = [];
        foreach (Kind::cases() as $kind) {
            $count = count($report->ofKind($kind));
            if ($count > 0) {
                $numbers[$kind->title()] = $count;
            }
        }
        return ['differences' => $numbers, 'silent' => array_keys($report->silent), 'queue' => self::queue()];
    }

    /** @param array<mixed> $numbers as above, perhaps from a cache */
    public static function html(array $numbers): string
    {
        if (isset($numbers['failed'])) {
            return '<div class="widget-content-padded">'
                . Html::text('The report could not be made: ' . $numbers['failed']) . '</div>';
        }
        $rows = '';
        foreach (is_array($numbers['differences'] ?? null) ? $numbers['differences'] : [] as $title => $count) {
            $rows .= self::row((string) $title, (string) $count, 'addonmodules.php?module=opterius');
        }
        foreach (is_array($numbers['silent'] ?? null) ? $numbers['silent'] : [] as $server) {
            $rows .= self::row($server . ' does not answer', '!', 'addonmodules.php?module=opterius');
        }
        if (($numbers['queue'] ?? 0) > 0) {
            $rows .= self::row('Waiting in the Module Queue', (string) $numbers['queue'], 'modulequeue.php');
        }
        return '<div class="widget-content-padded">' . ($rows === ''
            ? Html::text('WHMCS and the Panel agree about everything, and nothing waits in the Module Queue.')
            : $rows) . '</div>';
    }

    private static function row(string $label, string $count, string $link): string
    {
        return '<div><a href="' . Html::text($link) . '">' . Html::text($label) . '</a> <span class="badge">'
            . Html::text($count) . '</span></div>';
    }

    /** How many actions of this module have failed and wait for somebody to press Retry; null if WHMCS does not say. */
    private static function queue(): ?int
    {
        $result = localAPI('GetModuleQueue', ['moduleName' => 'opterius']);
        return is_array($result) && ($result['result'] ?? null) === 'success' ? (int) ($result['count'] ?? 0) : null;
    }
}
