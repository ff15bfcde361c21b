<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** The packages of the Panel, as the product form offers them. */
final class Packages
{
    /** Pages asked for at most: a Panel that never ends its list must not keep the form busy. */
    private const MOST_PAGES = 50;

    public function __construct(private readonly Action $action)
    {
    }

    /**
     * The values are ids, which no rename changes; the labels are for people. A retired package takes no new accounts, so
     * it is offered only to the product that has it; where WHMCS does not say which one that is, it stands there with a
     * word that says so, since a form that lacks the package of its product would save another one.
     *
     * @return array<string, string> package id to label
     *
     * @throws Refusal
     */
    public function labels(): array
    {
        $panel = $this->action->panel();
        $labels = [];
        $chosen = $this->action->params->has('configoption1')
            ? Entities::decode((new ProductOptions($this->action->params))->package())
            : null;
        $query = [];
        for ($page = 0; $page < self::MOST_PAGES; $page++) {
            $reply = $panel->get('/api/packages', $query, $this->action->patience->left());
            $packages = $reply->data();
            if ($packages === null) {
                throw new Refusal(Explanation::of($reply, $panel->address));
            }
            foreach ($packages as $package) {
                if (is_string($package['id'] ?? null) && is_string($package['name'] ?? null)) {
                    $retired = ($package['retired'] ?? false) === true;
                    if ($retired && $chosen !== null && !in_array($chosen, [$package['id'], $package['name']], true)) {
                        continue;
                    }
                    $limits = is_array($package['limits'] ?? null) ? $package['limits'] : [];
                    $labels[$package['id']] = $package['name'] . ' (' . self::limits($limits) . ')'
                        . ($retired ? ' - retired' : '');
                }
            }
            $next = $reply->nextPage();
            if ($next === null) {
                break;
            }
            $query = ['cursor' => $next];
        }
        if ($labels === []) {
            throw new Refusal(self::none());
        }
        return $labels;
    }

    public static function none(): string
    {
        return 'The Panel has no package yet. Create one in the Panel under Server Mode > Packages, then choose it in '
            . 'the product\'s Module Settings.';
    }

    /** @param array<string, mixed> $limits in the units that their names end in; 0 is unlimited */
    private static function limits(array $limits): string
    {
        $limit = static fn (string $key): int => is_int($limits[$key] ?? null) ? $limits[$key] : 0;
        $size = static fn (int $mib): string => $mib % 1024 === 0 ? intdiv($mib, 1024) . ' GiB' : $mib . ' MiB';
        $parts = [
            ($limit('disk_mib') === 0 ? 'unlimited' : $size($limit('disk_mib'))) . ' disk',
            ($limit('bandwidth_gib') === 0 ? 'unlimited' : $limit('bandwidth_gib') . ' GiB') . ' traffic',
        ];
        if ($limit('php_workers') > 0) {
            $parts[] = $limit('php_workers') . ' PHP workers';
        }
        if ($limit('memory_mib') > 0) {
            $parts[] = $size($limit('memory_mib')) . ' memory';
        }
        return implode(', ', $parts);
    }
}
