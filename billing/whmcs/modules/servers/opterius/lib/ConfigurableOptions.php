<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

use WHMCS\Database\Capsule;

/**
 * Gives the product of a service configurable options for the limits that an account can have, under the names that
 * this module reads. They are hidden and have one choice, which changes nothing: what is sold for which price the host
 * enters before showing them. What is there already stays as it is.
 */
final class ConfigurableOptions
{
    private const GROUP = 'Opterius limits';
    private const DROPDOWN = 1;
    private const CHOICE = 'default|As the package says';
    private const PRICES = [
        'msetupfee', 'qsetupfee', 'ssetupfee', 'asetupfee', 'bsetupfee', 'tsetupfee',
        'monthly', 'quarterly', 'semiannually', 'annually', 'biennially', 'triennially',
    ];

    public function __construct(private readonly Action $action)
    {
    }

    /** @throws Refusal if this is no service of a product */
    public function run(): void
    {
        $ref = Ref::of($this->action->params);
        $product = $this->action->params->number('pid');
        if ($ref?->kind !== Ref::SERVICE || $product <= 0) {
            throw new Refusal(
                'Only products have configurable options. Press the button on a service of the product that is to have '
                . 'them.'
            );
        }
        $made = Capsule::connection()->transaction(static fn (): array => self::make($product));
        if ($made !== []) {
            (new ServiceRecord($this->action, $ref))->tell(
                'Configurable options were created, hidden, for the product of this service: ' . implode(', ', $made)
                . '. Add choices and prices to them in the group "' . self::GROUP . '" and show them'
            );
        }
    }

    /** @return list<string> the limits that an option was made for */
    private static function make(int $product): array
    {
        $group = Capsule::table('tblproductconfiggroups')->where('name', self::GROUP)->value('id')
            ?? Capsule::table('tblproductconfiggroups')->insertGetId([
                'name' => self::GROUP, 'description' => 'Limits of Opterius accounts',
            ]);
        $link = ['gid' => $group, 'pid' => $product];
        if (!Capsule::table('tblproductconfiglinks')->where($link)->exists()) {
            Capsule::table('tblproductconfiglinks')->insert($link);
        }
        $there = self::limitsOfferedBy($product);
        $made = [];
        $labels = Limits::labels();
        foreach (ProductOptions::LIMITS as $order => $limit) {
            if (!in_array($limit, $there, true)) {
                self::makeOption((int) $group, $order, "$limit|{$labels[$limit]}");
                $made[] = $labels[$limit];
            }
        }
        return $made;
    }

    /** @return list<string|null> the limits that options of this product set, whatever they are called */
    private static function limitsOfferedBy(int $product): array
    {
        $groups = Capsule::table('tblproductconfiglinks')->where('pid', $product)->pluck('gid');
        $names = Capsule::table('tblproductconfigoptions')->whereIn('gid', $groups)->pluck('optionname')->all();
        return array_map(Limits::limitNamed(...), $names);
    }

    private static function makeOption(int $group, int $order, string $name): void
    {
        $option = Capsule::table('tblproductconfigoptions')->insertGetId([
            'gid' => $group, 'optionname' => $name, 'optiontype' => self::DROPDOWN, 'qtyminimum' => 0,
            'qtymaximum' => 0, 'order' => $order, 'hidden' => 1,
        ]);
        $choice = Capsule::table('tblproductconfigoptionssub')->insertGetId([
            'configid' => $option, 'optionname' => self::CHOICE, 'sortorder' => 0, 'hidden' => 0,
        ]);
        // A choice without a price in some currency could not be ordered in it.
        foreach (Capsule::table('tblcurrencies')->pluck('id') as $currency) {
            Capsule::table('tblpricing')->insert(
                ['type' => 'configoptions', 'currency' => $currency, 'relid' => $choice]
                + array_fill_keys(self::PRICES, 0)
            );
        }
    }
}
