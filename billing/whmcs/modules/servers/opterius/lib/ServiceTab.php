<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * What the staff see of an account in the service's record. It is only looked at, so there is nothing to save; and a
 * Panel that does not answer takes the record of the service from nobody.
 */
final class ServiceTab
{
    private const TITLE = 'Opterius';

    /** Seconds for each question, so that one without an answer leaves time for the others. */
    private const LONGEST_LOOK = 2.5;

    private const OUTCOMES = [
        'running' => 'still running',
        'committed' => 'done',
        'rolled_back' => 'failed; everything was undone',
        'not_sent' => 'failed; nothing was begun',
        'needs_attention' => 'needs attention',
    ];

    public function __construct(private readonly Action $action)
    {
    }

    /** @return array<string, string> label to HTML */
    public static function failed(string $sentence): array
    {
        return [self::TITLE => Html::text($sentence)];
    }

    /**
     * @return array<string, string> label to HTML
     *
     * @throws Refusal
     */
    public function fields(): array
    {
        $ref = Ref::of($this->action->params);
        if ($ref === null) {
            return [];
        }
        $panel = $this->action->panel();
        $path = '/api/accounts/ref:' . $ref;
        $reply = $this->look($panel, $path, []);
        $operation = $this->look($panel, '/api/operations', ['external_ref' => (string) $ref, 'limit' => 1])->data();
        $operation = is_array($operation[0] ?? null) ? $operation[0] : null;
        $account = $reply->data();
        if ($account === null) {
            return [self::TITLE => self::without($reply, $panel)] + self::last($operation);
        }
        $usage = $this->look($panel, $path . '/usage', [])->data();
        return [
            self::TITLE => self::status($account),
            'Account' => self::account($account),
            'Limits and Use' => self::limits($account, $usage),
        ] + self::last($operation) + ['Drift' => self::drift($account['drift'] ?? null)];
    }

    private function look(Panel $panel, string $path, array $query): Reply
    {
        return $panel->get($path, $query, min(self::LONGEST_LOOK, $this->action->patience->left()));
    }

    private static function without(Reply $reply, Panel $panel): string
    {
        $problem = $reply->problem() ?? [];
        $until = $problem['restorable_until'] ?? null;
        return Html::text(match ($problem['code'] ?? '') {
            'not_found' => 'The Panel has no account for this service. Create makes one.',
            'account_gone' => 'Removed on ' . self::time($problem['terminated_at'] ?? null) . '. '
                . (is_int($until) && $until > 1_000_000 * time()
                    ? 'Restore brings it back, until ' . self::time($until) . '.'
                    : 'It cannot be restored; Create makes a new account.'),
            default => Explanation::of($reply, $panel->address),
        });
    }

    private static function status(array $account): string
    {
        $status = self::text($account, 'status');
        $tone = ['active' => 'success', 'suspended' => 'warning'][$status] ?? 'danger';
        $lines = ['<span class="label label-' . $tone . '">' . Html::text(str_replace('_', ' ', $status)) . '</span>'];
        foreach (self::items($account, 'holds') as $hold) {
            $lines[] = Html::text(sprintf(
                'Held for %s since %s by %s: %s',
                self::text($hold, 'hold'),
                self::time($hold['since'] ?? null),
                self::text($hold, 'by'),
                self::text($hold, 'reason'),
            ));
        }
        return implode('<br>', $lines);
    }

    private static function account(array $account): string
    {
        $server = is_array($account['server'] ?? null) ? $account['server'] : [];
        $package = is_array($account['package'] ?? null) ? $account['package'] : [];
        $addresses = [...self::texts($account, 'ipv4'), ...self::texts($account, 'ipv6')];
        return self::table(array_filter([
            'Username' => self::text($account, 'username'),
            'Domain' => self::text($account, 'domain'),
            'Package' => self::text($package, 'name'),
            'Server' => self::text($server, 'name') . ' (' . self::text($server, 'hostname') . ')',
            'Addresses' => implode(', ', $addresses),
            'Nameservers' => implode(', ', self::texts($account, 'nameservers')),
            'PHP version' => self::php($account),
            'Created' => self::time($account['created_at'] ?? null),
            'Account id' => self::text($account, 'id'),
        ]));
    }

    /** What is chosen, and what runs where that is not the same, as for `newest`. */
    private static function php(array $account): string
    {
        $choice = self::text($account, 'php_version');
        $runs = self::text($account, 'php_runs');
        return $runs === '' || $runs === $choice ? $choice : $choice . ' (' . $runs . ' runs)';
    }

    private static function limits(array $account, ?array $usage): string
    {
        $limits = is_array($account['limits'] ?? null) ? $account['limits'] : [];
        $overrides = is_array($account['overrides'] ?? null) ? $account['overrides'] : [];
        $enforcement = is_array($account['enforcement'] ?? null) ? $account['enforcement'] : [];
        $used = [
            'disk_mib' => self::atLeast($usage, self::size($usage['disk_bytes'] ?? null)),
            'files' => self::atLeast($usage, self::number($usage['files'] ?? null)),
            'bandwidth_gib' => self::size($usage['traffic_bytes'] ?? null),
            'processes' => self::number($usage['processes'] ?? null),
        ];
        $labels = Limits::labels();
        $rows = '';
        foreach ($limits as $name => $limit) {
            $notes = [];
            if (array_key_exists($name, $overrides)) {
                $notes[] = 'not the package\'s';
            }
            if (($enforcement[$name] ?? '') === 'not enforced on this server') {
                $notes[] = 'not enforced on this server';
            }
            $rows .= self::row([
                $labels[$name] ?? (string) $name,
                $used[$name] ?? '',
                self::limit((string) $name, $limit),
                implode('; ', $notes),
            ]);
        }
        $measured = is_int($usage['measured_at'] ?? null)
            ? 'Measured ' . self::time($usage['measured_at'])
            : 'The use could not be measured just now.';
        return self::tableOf(['Limit', 'Used', 'Allowed', ''], $rows) . Html::text($measured);
    }

    /** @return array<string, string> */
    private static function last(?array $operation): array
    {
        if ($operation === null) {
            return [];
        }
        $outcome = self::text($operation, 'outcome');
        $said = sprintf(
            '%s, %s: %s',
            ucfirst(self::text($operation, 'kind')),
            self::time($operation['started_at'] ?? null),
            self::OUTCOMES[$outcome] ?? $outcome,
        );
        $lines = [$said . (($operation['abandoned'] ?? false) === true ? ' (abandoned)' : '')];
        if (is_array($operation['error'] ?? null)) {
            $lines[] = Explanation::ofProblem(array_diff_key($operation['error'], ['operation_id' => 1]));
        }
        foreach (self::texts($operation, 'left') as $left) {
            $lines[] = 'Not as it should be: ' . $left;
        }
        $rows = '';
        foreach (self::items($operation, 'steps') as $step) {
            $took = $step['duration_us'] ?? null;
            $rows .= self::row([
                self::text($step, 'name') . (self::text($step, 'direction') === 'back' ? ' (undone)' : ''),
                self::text($step, 'state'),
                is_int($took) ? number_format($took / 1000, 1, '.', '') . ' ms' : '',
                self::text($step, 'detail'),
            ]);
        }
        $html = Html::lines($lines);
        $html .= $rows === '' ? '' : self::tableOf(['Step', 'State', 'Time', ''], $rows);
        return ['Last Operation' => $html . '<small>' . Html::text(
            'Operation ' . self::text($operation, 'id') . ', request ' . self::text($operation, 'request_id')
        ) . '</small>'];
    }

    private static function drift(mixed $drift): string
    {
        if (!is_array($drift)) {
            return Html::text('None: the server is as the Panel wants it.');
        }
        $lines = ['Found ' . self::time($drift['found_at'] ?? null)
            . (($drift['mended'] ?? false) === true ? ', and mended since:' : '. Reconcile mends it:')];
        foreach (self::items($drift, 'changes') as $change) {
            $lines[] = self::text($change, 'resource') . ': ' . self::text($change, 'change');
        }
        foreach (['conflicts' => 'In the way', 'missing' => 'Missing'] as $key => $what) {
            foreach (self::items($drift, $key) as $obstacle) {
                $lines[] = $what . ': ' . self::text($obstacle, 'step') . ', ' . self::text($obstacle, 'detail');
            }
        }
        return Html::lines($lines);
    }

    private static function limit(string $name, mixed $limit): string
    {
        if (!is_int($limit) || $limit === 0) {
            return 'unlimited';
        }
        return match (true) {
            str_ends_with($name, '_mib') => Size::mib($limit),
            str_ends_with($name, '_gib') => Size::mib($limit * 1024),
            $name === 'cpu_percent' => $limit . ' %',
            default => (string) $limit,
        };
    }

    /** @param array<string, string> $values */
    private static function table(array $values): string
    {
        $rows = '';
        foreach ($values as $label => $value) {
            $rows .= self::row([$label, $value]);
        }
        return self::tableOf([], $rows);
    }

    private static function tableOf(array $heads, string $rows): string
    {
        $head = '';
        foreach ($heads as $label) {
            $head .= '<th>' . Html::text($label) . '</th>';
        }
        return '<table class="table table-condensed" style="width:auto;margin:0 0 4px">'
            . ($head === '' ? '' : "<tr>$head</tr>") . $rows . '</table>';
    }

    private static function row(array $cells): string
    {
        $html = '';
        foreach ($cells as $cell) {
            $html .= '<td>' . Html::text($cell) . '</td>';
        }
        return "<tr>$html</tr>";
    }

    /** Not all of the home could be counted: the number is the least that is used. */
    private static function atLeast(?array $usage, string $number): string
    {
        return $number !== '' && ($usage['disk_at_least'] ?? null) === true ? "at least $number" : $number;
    }

    private static function size(mixed $bytes): string
    {
        return is_int($bytes) ? Size::bytes($bytes) : '';
    }

    private static function number(mixed $number): string
    {
        return is_int($number) ? (string) $number : '';
    }

    private static function time(mixed $micros): string
    {
        return is_int($micros) ? date('Y-m-d H:i:s', intdiv($micros, 1_000_000)) : 'an unknown time';
    }

    private static function text(array $from, string $key): string
    {
        return is_scalar($from[$key] ?? null) ? (string) $from[$key] : '';
    }

    /** @return list<string> */
    private static function texts(array $from, string $key): array
    {
        $values = is_array($from[$key] ?? null) ? $from[$key] : [];
        return array_values(array_map('strval', array_filter($values, 'is_scalar')));
    }

    /** @return list<array> */
    private static function items(array $from, string $key): array
    {
        return array_values(array_filter(is_array($from[$key] ?? null) ? $from[$key] : [], 'is_array'));
    }
}
