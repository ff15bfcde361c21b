<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;
use Opterius\Whmcs\StandIn\Whmcs;

final class ChangePackageTest extends PanelTestCase
{
    private const PRO = '01890000-0000-7000-8000-000000000002';

    protected function setUp(): void
    {
        parent::setUp();
        $starter = $this->panel->state()['packages'][0];
        $this->panel->set(['packages' => [
            $starter,
            ['id' => self::PRO, 'name' => 'Pro', 'limits' => ['disk_mib' => 102400, 'bandwidth_gib' => 1000]],
        ]]);
    }

    private function active(array $changes = []): Service
    {
        $service = $this->whmcs($changes);
        self::assertSame('success', $service->create());
        return $service;
    }

    /** @return array{string, array<string, int>} the package and the overrides of the account */
    private function sold(): array
    {
        $account = $this->panel->account('s12');
        return [$account['package']['name'], $account['overrides']];
    }

    public function test_an_upgrade_and_its_options_are_one_change(): void
    {
        $service = $this->active();
        $this->installation->product(['id' => 2, 'configoption1' => self::PRO]);
        $this->installation->option(2, 'disk_mib|Disk Space', Whmcs::DROPDOWN, ['204800|200 GB', 'unlimited|No limit']);
        $this->installation->option(2, 'databases|Databases', Whmcs::QUANTITY);
        $choices = ['disk_mib' => '204800', 'databases' => 5];
        self::assertSame('success', $service->changePackage(2, $choices));
        self::assertSame(['Pro', ['disk_mib' => 204800, 'databases' => 5]], $this->sold());
        [$request] = $this->panel->requests('PUT');
        self::assertSame('/api/accounts/ref:s12/package', $request['path']);
        self::assertSame([
            'package_id' => self::PRO,
            'limits' => ['disk_mib' => 204800, 'databases' => 5],
            'keep_overrides' => false,
            'force' => false,
        ], $request['body']);
    }

    public function test_an_option_alone_is_changed_without_another_product(): void
    {
        $this->installation->product(['id' => 1]);
        $this->installation->option(1, 'Disk Space', Whmcs::RADIO, ['20 GB', 'unlimited', 'default']);
        $service = $this->active();
        self::assertSame('success', $service->changePackage(null, ['Disk Space' => '20 GB']));
        self::assertSame(['Starter', ['disk_mib' => 20480]], $this->sold());
        self::assertSame('success', $service->changePackage(null, ['Disk Space' => 'unlimited']));
        self::assertSame(['Starter', ['disk_mib' => 0]], $this->sold());
        self::assertSame('success', $service->changePackage(null, ['Disk Space' => 'default']));
        self::assertSame(['Starter', []], $this->sold());
    }

    public function test_none_of_what_is_sold_by_the_piece_is_never_unlimited(): void
    {
        $service = $this->active(['configoptions' => ['mailboxes' => 0]]);
        self::assertSame('success', $service->changePackage());
        self::assertSame(['Starter', []], $this->sold());
    }

    public function test_the_same_again_changes_nothing(): void
    {
        $service = $this->active();
        self::assertSame('success', $service->changePackage());
        self::assertSame('success', $service->changePackage());
        self::assertSame(['create'], array_column($this->panel->state()['operations'], 'kind'));
    }

    public function test_a_change_to_less_than_is_used_is_refused_with_the_numbers(): void
    {
        $service = $this->active(['configoption1' => self::PRO]);
        $this->panel->set(['usage' => ['examplec' => ['disk_bytes' => 20 * 1024 ** 3]]]);
        $service->overrides['configoption1'] = FakePanel::PACKAGE_ID;
        $sentence = $service->changePackage();
        self::assertSentence(
            'The account `examplec` uses more than that. disk_mib: 20480 MiB are used, and Starter allows 10240.',
            $sentence,
        );
        self::assertStringContainsString('Have the customer free that much first', $sentence);
        self::assertStringNotContainsString('force', $sentence);
        self::assertSame(['Pro', []], $this->sold());
        // Unless the product says that it is meant so.
        $service->overrides['configoption3'] = 'apply';
        self::assertSame('success', $service->changePackage());
        self::assertSame(['Starter', []], $this->sold());
    }

    public function test_limits_that_staff_set_by_hand_end_with_a_change_of_package_and_are_named(): void
    {
        $service = $this->active();
        $this->panel->asStaff('PUT', '/api/accounts/ref:s12/package', [
            'package' => 'Starter', 'limits' => ['php_workers' => 9],
        ]);
        $service->overrides['configoption1'] = self::PRO;
        self::assertSame('success', $service->changePackage());
        self::assertSame(['Pro', []], $this->sold());
        self::assertStringContainsString('were left to the package: php_workers=9', Whmcs::log()->text());
    }

    public function test_a_product_can_let_limits_set_by_hand_stay(): void
    {
        $service = $this->active(['configoption5' => 'keep', 'configoptions' => ['files' => '1000']]);
        $this->panel->asStaff('PUT', '/api/accounts/ref:s12/package', [
            'package' => 'Starter', 'limits' => ['php_workers' => 9],
        ]);
        $service->overrides['configoption1'] = self::PRO;
        $service->overrides['configoptions'] = ['files' => ''];
        self::assertSame('success', $service->changePackage());
        // What the client does not choose any more ends all the same.
        self::assertSame(['Pro', ['php_workers' => 9]], $this->sold());
    }

    public function test_the_client_can_choose_the_package_itself(): void
    {
        $service = $this->active();
        $service->overrides['configoptions'] = ['package' => 'Pro'];
        self::assertSame('success', $service->changePackage());
        self::assertSame(['Pro', []], $this->sold());
    }

    public function test_a_package_name_that_whmcs_encoded_is_found(): void
    {
        $service = $this->active();
        $this->panel->set(['packages' => [['id' => 'x', 'name' => 'R&D', 'limits' => []]]]);
        $service->overrides['configoption1'] = 'R&amp;D';
        self::assertSame('success', $service->changePackage());
        self::assertSame(['R&D', []], $this->sold());
    }

    public function test_an_unknown_package_and_an_unclear_option_are_named(): void
    {
        $service = $this->active();
        $service->overrides['configoption1'] = 'pro';
        self::assertSentence('Package not found: there is no package `pro`', $service->changePackage());
        $service->overrides = ['configoptions' => ['Disk Space' => '20']];
        self::assertSentence('The configurable option Disk Space reads `20`, which is not', $service->changePackage());
        self::assertSame(['Starter', []], $this->sold());
        $service->overrides = ['producttype' => 'reselleraccount'];
        self::assertSentence('This product is a reseller account', $service->changePackage());
    }
}
