<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

use WHMCS\Database\Capsule;
use WHMCS\Service\Addon;

/**
 * Takes what every account of one server uses into the service records of WHMCS, once a day. One question to the Panel
 * for all of them, and one write for as many services as fit into a statement.
 */
final class UsageUpdate
{
    private const ALIVE = ['Active', 'Suspended'];

    /** Services to a write. Each takes eleven values, and some databases take no more than 32,766. */
    private const CHUNK = 500;

    public function __construct(private readonly Action $action)
    {
    }

    /** @throws Refusal with nothing written, if the Panel does not answer */
    public function run(): void
    {
        $services = [];
        $addons = [];
        $parts = [];
        foreach ((new Listing($this->action->panel(), $this->action->patience))->usage() as $row) {
            $ref = Ref::parse($row['external_ref'] ?? null);
            $columns = self::columns($row);
            if ($ref !== null && ($row['disk_at_least'] ?? null) === true) {
                $parts[] = ($ref->kind === Ref::SERVICE ? 'service ' : 'add-on ') . $ref->id;
            }
            if ($ref !== null && $columns !== []) {
                if ($ref->kind === Ref::SERVICE) {
                    $services[$ref->id] = $columns;
                } else {
                    $addons[$ref->id] = $columns;
                }
            }
        }
        // The columns hold numbers only, and of these accounts the number is the least that they use.
        if ($parts !== []) {
            $this->action->log->note('The disk use of these is at least what is written: not all of their files could be counted. '
                . implode(', ', $parts));
        }
        $server = $this->action->params->number('serverid');
        foreach (array_chunk($services, self::CHUNK, true) as $chunk) {
            $this->write($chunk, $server);
        }
        foreach (array_chunk($addons, self::CHUNK, true) as $chunk) {
            $this->writeAddons($chunk, $server);
        }
    }

    /** @return array<string, int|string> in MB, 0 for unlimited; nothing of what was not measured */
    private static function columns(array $row): array
    {
        $usage = Usage::of($row, is_array($row['limits'] ?? null) ? $row['limits'] : []);
        $columns = [];
        if ($usage->diskBytes !== null) {
            $columns['diskusage'] = (int) round($usage->diskBytes / Size::MIB);
            $columns['disklimit'] = $usage->diskLimitMib;
        }
        if ($usage->trafficBytes !== null) {
            $columns['bwusage'] = (int) round($usage->trafficBytes / Size::MIB);
            $columns['bwlimit'] = $usage->trafficLimitGib * 1024;
        }
        if ($columns !== []) {
            // When it was measured, so that nobody takes an old number for today's.
            $measured = $usage->measuredAt === null ? time() : intdiv($usage->measuredAt, 1_000_000);
            $columns['lastupdate'] = date('Y-m-d H:i:s', $measured);
        }
        return $columns;
    }

    /** @param array<int, array<string, int|string>> $services by service id */
    private function write(array $services, int $server): void
    {
        $sets = [];
        $values = [];
        foreach (['diskusage', 'disklimit', 'bwusage', 'bwlimit', 'lastupdate'] as $column) {
            $whens = '';
            foreach ($services as $id => $columns) {
                if (isset($columns[$column])) {
                    $whens .= ' WHEN ? THEN ?';
                    array_push($values, $id, $columns[$column]);
                }
            }
            if ($whens !== '') {
                $sets[] = "$column = CASE id$whens ELSE $column END";
            }
        }
        $ids = array_keys($services);
        // A service that has moved to another server since is that server's to report.
        Capsule::connection()->update(
            'UPDATE tblhosting SET ' . implode(', ', $sets) . ' WHERE server = ?'
            . ' AND domainstatus IN (' . self::marks(self::ALIVE) . ') AND id IN (' . self::marks($ids) . ')',
            [...$values, $server, ...self::ALIVE, ...$ids],
        );
    }

    /**
     * Add-ons have no such columns: WHMCS keeps the same under the names of service properties.
     *
     * @param array<int, array<string, int|string>> $addons by add-on id
     */
    private function writeAddons(array $addons, int $server): void
    {
        $alive = Capsule::table('tblhostingaddons')
            ->whereIn('id', array_keys($addons))
            ->where('server', $server)
            ->whereIn('status', self::ALIVE)
            ->pluck('id');
        $names = [
            'diskusage' => 'Disk Usage',
            'disklimit' => 'Disk Limit',
            'bwusage' => 'Bandwidth Usage',
            'bwlimit' => 'Bandwidth Limit',
            'lastupdate' => 'Last Update',
        ];
        foreach ($alive as $id) {
            $properties = [];
            foreach ($addons[(int) $id] as $column => $value) {
                $properties[$names[$column]] = (string) $value;
            }
            try {
                Addon::find($id)?->serviceProperties->save($properties);
            } catch (\Throwable $failure) {
                // One that cannot be written keeps none of the others from it.
                $this->action->log->note("The use of add-on $id was not saved: " . $failure->getMessage());
            }
        }
    }

    private static function marks(array $values): string
    {
        return implode(', ', array_fill(0, count($values), '?'));
    }
}
