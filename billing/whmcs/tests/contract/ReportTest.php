<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\FakePanel;
use Opterius\Whmcs\StandIn\Hooks;
use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;
use Opterius\Whmcs\StandIn\Whmcs;
use WHMCS\Database\Capsule;

/** The report for the host, as a page of the admin area and as a widget on its first page. */
final class ReportTest extends PanelTestCase
{
    protected function setUp(): void
    {
        parent::setUp();
        $_SESSION = [];
    }

    protected function tearDown(): void
    {
        $_SESSION = [];
    }

    public function test_it_is_quiet_when_both_agree(): void
    {
        $this->active(101);
        $page = $this->page();
        self::assertStringContainsString('WHMCS and the Panel agree about everything.', $page);
        self::assertStringContainsString('Services and add-ons in WHMCS: 1. Accounts in the Panel: 1. Differences: 0.', $page);
        self::assertStringNotContainsString('<form', $page);
    }

    /** @dataProvider differences */
    public function test_each_difference_is_mended_by_its_button(string $make, string $title, string $button): void
    {
        $service = $this->active(101);
        $this->{$make}($service);
        $page = $this->page();
        self::assertStringContainsString("<h2>$title <span class=\"badge\">1</span></h2>", $page);
        $answer = $this->press($page, $button);
        self::assertStringContainsString('of service 101 has succeeded.', $answer);
        self::assertStringContainsString('WHMCS and the Panel agree about everything.', $answer);
        self::assertStringNotContainsString('<h2>', $answer);
    }

    public function differences(): array
    {
        return [
            'paid but missing' => ['makeMissing', 'Paid but missing', 'Create'],
            'present but cancelled' => ['makeCancelled', 'Present but cancelled', 'Terminate'],
            'wrong package' => ['makeWrongPackage', 'Wrong package', 'Change Package'],
            'suspended here only' => ['makeSuspendedHere', 'Wrong state', 'Suspend'],
            'suspended there only' => ['makeSuspendedThere', 'Wrong state', 'Unsuspend'],
            'created, and the answer was lost' => ['makePending', 'Wrong state', 'Create'],
            'drifted' => ['makeDrifted', 'Not as it should be on the server', 'Reconcile'],
        ];
    }

    protected function makeMissing(Service $service): void
    {
        $this->panel->asStaff('DELETE', '/api/accounts/' . $this->panel->account('s101')['id']);
    }

    protected function makeCancelled(Service $service): void
    {
        $service->edit(['domainstatus' => 'Cancelled']);
    }

    protected function makeWrongPackage(Service $service): void
    {
        $large = ['id' => '01890000-0000-7000-8000-000000000002', 'name' => 'Large'] + $this->panel->state()['packages'][0];
        $this->panel->set(['packages' => [$this->panel->state()['packages'][0], $large]]);
        $this->installation->product(['id' => 2, 'configoption1' => $large['id']]);
        $service->edit(['packageid' => 2]);
    }

    protected function makeSuspendedHere(Service $service): void
    {
        $service->edit(['domainstatus' => 'Suspended', 'suspendreason' => 'Overdue on Payment']);
    }

    protected function makeSuspendedThere(Service $service): void
    {
        self::assertSame('success', $service->suspend());
        $service->edit(['domainstatus' => 'Active']);
    }

    protected function makePending(Service $service): void
    {
        $service->edit(['domainstatus' => 'Pending']);
    }

    protected function makeDrifted(Service $service): void
    {
        $drift = ['changes' => [['resource' => 'site', 'change' => 'gone']]];
        $this->panel->set(['drift' => ['acc101' => $drift]]);
    }

    public function test_a_suspension_keeps_the_reason_that_whmcs_has(): void
    {
        $service = $this->active(101);
        $this->makeSuspendedHere($service);
        $this->press($this->page(), 'Suspend');
        self::assertSame('Overdue on Payment', $this->panel->account('s101')['holds'][0]['reason']);
        self::assertSame('Overdue on Payment', $service->row()['suspendreason']);
    }

    public function test_a_form_that_does_not_come_from_this_page_does_nothing(): void
    {
        $service = $this->active(101);
        $this->makeCancelled($service);
        $form = $this->form($this->page(), 'Terminate');
        $before = $this->panel->changes();
        foreach ([['opterius_token' => ''], ['opterius_token' => 'x'], ['opterius_token' => ['x']]] as $forged) {
            self::assertStringContainsString('Nothing was done', $this->send($forged + $form));
        }
        self::assertStringContainsString('Nothing was done', $this->send(array_diff_key($form, ['opterius_token' => 1])));
        $_SESSION = [];
        self::assertStringContainsString('Nothing was done', $this->send($form));
        self::assertSame($before, $this->panel->changes());
    }

    public function test_a_link_does_nothing_whatever_it_says(): void
    {
        $service = $this->active(101);
        $this->makeCancelled($service);
        $form = $this->form($this->page(), 'Terminate');
        $before = $this->panel->changes();
        $this->installation->addonModulePage($form);
        self::assertSame($before, $this->panel->changes());
    }

    public function test_what_was_paid_since_the_page_was_made_is_not_terminated(): void
    {
        $service = $this->active(101);
        $this->makeCancelled($service);
        $form = $this->form($this->page(), 'Terminate');
        $service->edit(['domainstatus' => 'Active']);
        self::assertStringContainsString(
            'Nothing was done: service 101 has changed since the page was made, and Terminate is not what it needs now.',
            $this->send($form),
        );
        self::assertSame('active', $this->panel->account('s101')['status']);
    }

    public function test_a_button_cannot_be_turned_into_another(): void
    {
        $this->active(101);
        $service = $this->active(102);
        $this->makeCancelled($service);
        $form = $this->form($this->page(), 'Terminate');
        foreach ([['ref' => 's101'], ['ref' => 'a101'], ['ref' => 's9999'], ['ref' => 'x'], ['ref' => []], ['mend' => 'create'],
            ['mend' => 'drop'], ['mend' => []]] as $changes) {
            self::assertStringContainsString('Nothing was done', $this->send($changes + $form));
        }
        self::assertCount(2, $this->panel->state()['accounts']);
    }

    public function test_nothing_is_done_while_the_panel_cannot_be_asked(): void
    {
        $service = $this->active(101);
        $this->makeMissing($service);
        $form = $this->form($this->page(), 'Create');
        $this->panel->script(['on' => '*', 'fault' => 'drop_before', 'times' => 0]);
        $page = $this->send($form);
        self::assertStringContainsString('Nothing was done: 127.0.0.1:', $page);
        self::assertSame([], $this->panel->state()['accounts']);
    }

    public function test_a_button_that_fails_says_why(): void
    {
        $service = $this->active(101);
        $this->makeWrongPackage($service);
        $this->panel->script(['on' => 'PUT /api/accounts/*/package', 'fault' => 'ends', 'end' => 'rolled_back']);
        $page = $this->press($this->page(), 'Change Package');
        self::assertStringContainsString('Change Package of service 101 has failed: The dns zone step failed', $page);
    }

    public function test_an_add_on_is_sent_to_its_own_page(): void
    {
        $addon = $this->whmcs(['serviceid' => 101, 'addonId' => 5]);
        Capsule::table('tblhostingaddons')->update(['status' => 'Active']);
        $page = $this->page();
        self::assertStringContainsString('Press Create on its page.', $page);
        self::assertStringContainsString('clientsservices.php?userid=3&amp;id=101&amp;aid=5', $page);
        self::assertSame('success', $addon->create());
        self::assertStringNotContainsString('on its page', $this->page());
    }

    public function test_the_services_of_a_server_that_does_not_answer_are_not_called_missing(): void
    {
        $this->active(101);
        $second = new FakePanel($this->panel->certificate);
        $this->installation->server($second, ['id' => 2, 'name' => 'web2']);
        $service = $this->active(102, ['server' => 2]);
        $second->script(['on' => '*', 'fault' => 'html', 'status' => 502, 'times' => 0]);
        $page = $this->page();
        self::assertStringContainsString('web2 (server 2) was left out, and nothing is said of its services: ', $page);
        self::assertStringContainsString('Differences: 0.', $page);
        self::assertStringNotContainsString('agree about everything', $page);
        self::assertSame('Active', $service->status);
    }

    public function test_a_list_that_is_not_whole_is_not_compared(): void
    {
        $this->active(101);
        $this->panel->script(['on' => 'GET /api/accounts', 'fault' => 'reply', 'status' => 200, 'times' => 0, 'body' => [
            'data' => [], 'page' => ['next' => null, 'total' => 1, 'snapshot' => '1'],
        ]]);
        self::assertStringNotContainsString('Paid but missing', $this->page());
    }

    public function test_an_account_that_no_service_is_about_says_where_it_is_ended(): void
    {
        $service = $this->active(101);
        Capsule::table('tblhosting')->where('id', $service->id)->delete();
        $page = $this->page();
        self::assertStringContainsString('Present but cancelled', $page);
        self::assertStringContainsString('opterius account terminate acc101', $page);
        self::assertStringNotContainsString('<form', $page);
    }

    public function test_nothing_that_anybody_has_entered_becomes_part_of_the_page(): void
    {
        $hostile = '"><img src=x onerror=alert(1)>\'';
        $service = $this->active(101);
        $service->edit(['domain' => $hostile, 'username' => $hostile, 'domainstatus' => 'Cancelled']);
        $this->installation->server(null, ['id' => 2, 'name' => $hostile]);
        $accounts = $this->panel->state()['accounts'];
        $accounts[] = array_replace($accounts[0], [
            'id' => 'x', 'external_ref' => 's9', 'username' => $hostile, 'domain' => $hostile, 'status' => 'active',
        ]);
        $this->panel->set(['accounts' => $accounts]);
        $page = $this->page() . $this->installation->adminHome();
        self::assertStringNotContainsString('<img', $page);
        self::assertGreaterThan(4, substr_count($page, '&lt;img'));
    }

    public function test_a_defect_is_a_sentence_and_not_a_white_page(): void
    {
        Capsule::schema()->drop('tblhosting');
        self::assertStringContainsString('The report could not be made: ', $this->page());
        self::assertStringContainsString('The report could not be made: ', $this->installation->adminHome());
    }

    public function test_the_export_is_a_file_of_all_that_was_sold(): void
    {
        $database = tempnam(sys_get_temp_dir(), 'whmcs');
        unlink($database);
        Whmcs::install($database)->service(['id' => 101, 'domain' => '=cmd()', 'domainstatus' => 'Active', 'nextduedate' => '0000-00-00']);
        $program = 'require ' . var_export(dirname(__DIR__) . '/bootstrap.php', true) . ';'
            . 'Opterius\Whmcs\StandIn\Whmcs::install(' . var_export($database, true) . ');'
            . 'require ' . var_export(dirname(__DIR__, 2) . '/modules/addons/opterius/opterius.php', true) . ';'
            . 'ob_start(); echo "<html>"; $_GET = ["action" => "export"]; opterius_output([]); echo "after";';
        exec('php -r ' . escapeshellarg($program) . ' 2>&1', $lines, $status);
        unlink($database);
        self::assertSame(0, $status);
        self::assertSame([
            'kind,id,client,status,domain,username,package,next_due_on',
            'service,101,3,Active,"\'=cmd()",examplec,' . FakePanel::PACKAGE_ID . ',',
        ], array_map('trim', $lines));
    }

    public function test_the_page_offers_the_export_by_a_link_that_changes_nothing(): void
    {
        self::assertStringContainsString(
            'href="addonmodules.php?module=opterius&amp;action=export"',
            $this->page(),
        );
    }

    public function test_the_first_page_of_the_admin_area_counts_the_differences(): void
    {
        $this->makeCancelled($this->active(101));
        $this->makeCancelled($this->active(102));
        $this->makeSuspendedHere($this->active(103));
        $widget = self::text($this->installation->adminHome());
        self::assertSame('Opterius Present but cancelled 2 Wrong state 1', $widget);
    }

    public function test_it_counts_what_waits_in_the_module_queue(): void
    {
        $service = $this->active(101);
        $this->panel->script(['on' => 'POST /api/accounts/*/suspend', 'fault' => 'ends', 'end' => 'rolled_back']);
        self::assertNotSame('success', $service->suspend());
        self::assertStringContainsString('Waiting in the Module Queue 1', self::text($this->installation->adminHome()));
        self::assertSame('success', $service->suspend());
        self::assertStringNotContainsString('Module Queue 1', self::text($this->installation->adminHome()));
    }

    public function test_the_widget_is_quiet_when_nothing_is_wrong_and_says_when_a_server_is_silent(): void
    {
        $this->active(101);
        self::assertStringContainsString('agree about everything', self::text($this->installation->adminHome()));
        $this->panel->script(['on' => '*', 'fault' => 'drop_before', 'times' => 0]);
        self::assertSame('Opterius web1 (server 1) does not answer !', self::text($this->installation->adminHome()));
    }

    public function test_the_functions_of_the_provisioning_module_are_not_taken_for_the_reports(): void
    {
        $program = 'const WHMCS = true; require '
            . var_export(dirname(__DIR__, 2) . '/modules/addons/opterius/opterius.php', true) . ';'
            . 'echo json_encode(array_values(array_filter(get_defined_functions()["user"],'
            . 'static fn ($name) => str_starts_with($name, "opterius_"))));';
        self::assertSame(
            '["opterius_config","opterius_output"]',
            shell_exec('php -r ' . escapeshellarg($program) . ' 2>&1'),
        );
    }

    public function test_the_report_introduces_itself_to_whmcs(): void
    {
        $folder = dirname(__DIR__, 2) . '/modules/addons/opterius/';
        require_once $folder . 'opterius.php';
        $config = opterius_config();
        foreach (['name', 'description', 'version', 'author', 'language'] as $key) {
            self::assertNotSame('', $config[$key]);
        }
        $json = json_decode((string) file_get_contents($folder . 'whmcs.json'), true);
        self::assertSame(['1.0', 'whmcs-addons', 'opterius'], [$json['schema'], $json['type'], $json['name']]);
        self::assertFileExists($folder . $json['logo']['filename']);
        self::assertTrue(Hooks::has('AdminHomeWidgets'));
    }

    private function active(int $id, array $row = []): Service
    {
        $service = $this->installation->service($row + ['id' => $id, 'username' => "acc$id", 'domain' => "acc$id.com"]);
        self::assertSame('success', $service->create());
        return $service;
    }

    private function page(): string
    {
        return $this->installation->addonModulePage();
    }

    /** @return array<string, string> the fields of the form that has this button */
    private function form(string $page, string $button): array
    {
        $before = libxml_use_internal_errors(true);
        $document = new \DOMDocument();
        $document->loadHTML('<?xml encoding="UTF-8">' . $page);
        libxml_use_internal_errors($before);
        foreach ((new \DOMXPath($document))->query('//form') as $form) {
            if (trim($form->textContent) === $button && $form->getAttribute('method') === 'post') {
                $fields = [];
                foreach ($form->getElementsByTagName('input') as $input) {
                    $fields[$input->getAttribute('name')] = $input->getAttribute('value');
                }
                return $fields;
            }
        }
        self::fail("The page has no button $button.");
    }

    private function send(array $form): string
    {
        return $this->installation->addonModulePage([], $form);
    }

    private function press(string $page, string $button): string
    {
        return $this->send($this->form($page, $button));
    }

    private static function text(string $html): string
    {
        return trim((string) preg_replace('/\s+/', ' ', (string) preg_replace('~<[^>]+>~', ' ', $html)));
    }
}
