<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use WHMCS\Database\Capsule;

/**
 * What `$params['model']->serviceProperties` does: names to values, kept in custom fields that are made where they are
 * missing. For a service, some names are columns of its own row instead; for an add-on they are not.
 */
final class ServiceProperties
{
    private const COLUMNS = [
        'Username' => 'username', 'Password' => 'password', 'Domain' => 'domain', 'Dedicated IP' => 'dedicatedip',
        'Disk Usage' => 'diskusage', 'Disk Limit' => 'disklimit', 'Bandwidth Usage' => 'bwusage',
        'Bandwidth Limit' => 'bwlimit', 'Last Update' => 'lastupdate',
    ];

    /** @var array<string, string> what the module has saved, in this life of the service */
    public array $saved = [];

    /** How often the module has written. */
    public int $writes = 0;

    public bool $broken = false;

    public function __construct(private readonly int $id, private readonly bool $isAddon)
    {
    }

    /** @param array<string, mixed> $properties values, or `['type' => …, 'value' => …]` for a field of a certain type */
    public function save(array $properties): void
    {
        if ($this->broken) {
            throw new \RuntimeException('SQLSTATE[HY000]: General error: 2006 MySQL server has gone away');
        }
        $this->writes++;
        foreach ($properties as $name => $value) {
            $type = is_array($value) ? (string) $value['type'] : 'text';
            $value = (string) (is_array($value) ? $value['value'] : $value);
            $this->saved[$name] = $value;
            $column = $this->column($name);
            if ($column !== null) {
                $value = $column === 'password' ? encrypt($value) : $value;
                Capsule::table('tblhosting')->where('id', $this->id)->update([$column => $value]);
                continue;
            }
            Capsule::table('tblcustomfieldsvalues')->updateOrInsert(
                ['fieldid' => $this->field($name) ?? $this->makeField($name, $type), 'relid' => $this->id],
                ['value' => $value],
            );
        }
    }

    public function get(string $name): ?string
    {
        $column = $this->column($name);
        if ($column !== null) {
            $value = (string) Capsule::table('tblhosting')->where('id', $this->id)->value($column);
            return $column === 'password' ? decrypt($value) : $value;
        }
        $value = Capsule::table('tblcustomfieldsvalues')
            ->where(['fieldid' => $this->field($name) ?? 0, 'relid' => $this->id])->value('value');
        return $value === null ? null : (string) $value;
    }

    /** @return array<string, string> every custom field of the product or the add-on with this one's value */
    public function fields(): array
    {
        $fields = [];
        foreach (Capsule::table('tblcustomfields')->where($this->owner())->get() as $field) {
            $value = Capsule::table('tblcustomfieldsvalues')
                ->where(['fieldid' => $field->id, 'relid' => $this->id])->value('value');
            $fields[self::shortName($field->fieldname)] = (string) $value;
        }
        return $fields;
    }

    private function column(string $name): ?string
    {
        return $this->isAddon ? null : self::COLUMNS[$name] ?? null;
    }

    /** @return array{type: string, relid: int} */
    private function owner(): array
    {
        $relid = $this->isAddon
            ? Capsule::table('tblhostingaddons')->where('id', $this->id)->value('addonid')
            : Capsule::table('tblhosting')->where('id', $this->id)->value('packageid');
        return ['type' => $this->isAddon ? 'addon' : 'product', 'relid' => (int) $relid];
    }

    private function field(string $name): ?int
    {
        foreach (Capsule::table('tblcustomfields')->where($this->owner())->get() as $field) {
            if (self::shortName($field->fieldname) === $name) {
                return (int) $field->id;
            }
        }
        return null;
    }

    private function makeField(string $name, string $type): int
    {
        return Capsule::table('tblcustomfields')->insertGetId(
            ['fieldname' => $name, 'fieldtype' => $type, 'adminonly' => 'on'] + $this->owner()
        );
    }

    /** In WHMCS a field or an option may be called `name|what people see`. */
    public static function shortName(string $name): string
    {
        return explode('|', $name)[0];
    }
}
