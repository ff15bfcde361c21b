<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\PanelTestCase;

final class PackageLoaderTest extends PanelTestCase
{
    public function test_it_offers_ids_under_names_with_limits(): void
    {
        self::assertSame(
            [FakePanel::PACKAGE_ID => 'Starter (10 GiB disk, 100 GiB traffic, 5 PHP workers)'],
            opterius_PackageLoader($this->params()),
        );
    }

    public function test_it_reads_every_page(): void
    {
        $packages = array_map(
            static fn (int $number): array => ['id' => "id-$number", 'name' => "P$number", 'limits' => []],
            range(1, 7),
        );
        $this->panel->set(['packages' => $packages, 'packages_per_page' => 3]);
        $labels = opterius_PackageLoader($this->params());
        self::assertSame(array_column($packages, 'id'), array_keys($labels));
        self::assertSame('P7 (unlimited disk, unlimited traffic)', $labels['id-7']);
    }

    public function test_a_list_that_breaks_off_is_not_shown_as_the_whole_list(): void
    {
        $this->panel->script(['on' => 'GET /api/packages', 'fault' => 'half']);
        $this->expectExceptionMessage('dropped the connection before its answer was complete');
        opterius_PackageLoader($this->params());
    }

    public function test_an_empty_server_group_leaves_the_form_usable(): void
    {
        self::assertSame(
            ['' => 'Choose a server group with an Opterius server first'],
            opterius_PackageLoader($this->params(['serverhostname' => '', 'serverip' => ''])),
        );
    }

    public function test_a_retired_package_is_offered_only_to_the_product_that_has_it(): void
    {
        $this->panel->set(['packages' => [
            ['id' => 'id-1', 'name' => 'New', 'limits' => []],
            ['id' => 'id-2', 'name' => 'Old & Co', 'limits' => [], 'retired' => true],
        ]]);
        $all = [
            'id-1' => 'New (unlimited disk, unlimited traffic)',
            'id-2' => 'Old & Co (unlimited disk, unlimited traffic) - retired',
        ];
        foreach (['id-2', 'Old &amp; Co'] as $chosen) {
            self::assertSame($all, opterius_PackageLoader($this->params(['configoption1' => $chosen])));
        }
        foreach (['id-1', ''] as $chosen) {
            self::assertSame(['id-1'], array_keys(opterius_PackageLoader($this->params(['configoption1' => $chosen]))));
        }
        // A form that does not say what is chosen must not lose it.
        $unsaid = array_diff_key($this->params(), ['configoption1' => true]);
        self::assertSame($all, opterius_PackageLoader($unsaid));
    }

    public function test_no_package_is_explained(): void
    {
        $this->panel->set(['packages' => []]);
        $this->expectExceptionMessage('The Panel has no package yet.');
        opterius_PackageLoader($this->params());
    }
}
