<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\ClientArea;
use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Service;
use Opterius\Whmcs\StandIn\Whmcs;
use WHMCS\Module\Server\Opterius\Module;

/** What a client sees of an account within the page of the product. */
final class ClientAreaTest extends PanelTestCase
{
    private const MIB = 1_048_576;
    private const GIB = 1_073_741_824;

    /** What would do something in a page if it got there as it is. */
    private const HOSTILE = '"><img src=x onerror=alert(1)>\'&{$smarty.version}';

    protected function setUp(): void
    {
        parent::setUp();
        $_SESSION = [];
    }

    public function test_it_shows_what_the_account_is_and_uses(): void
    {
        $service = $this->active(['disk_bytes' => 2560 * self::MIB, 'traffic_bytes' => 85 * self::GIB]);
        $text = self::text($service->clientArea());
        self::assertStringContainsString('Disk space 2.5 GiB of 10 GiB', $text);
        self::assertStringContainsString('Traffic this month 85 GiB of 100 GiB', $text);
        self::assertStringContainsString('Status Active', $text);
        self::assertStringContainsString('IP addresses 192.0.2.1', $text);
        self::assertStringContainsString('Nameservers ns1.web1.test ns2.web1.test', $text);
        self::assertStringContainsString('PHP version 8.4', $text);
        self::assertStringContainsString('Domain example.com', $text);
        self::assertStringNotContainsString('does not answer', $text);
    }

    public function test_a_part_of_the_disk_is_called_at_least(): void
    {
        $service = $this->active(['disk_bytes' => 2560 * self::MIB, 'disk_at_least' => true, 'traffic_bytes' => 85 * self::GIB]);
        $text = self::text($service->clientArea());
        self::assertStringContainsString('Disk space at least 2.5 GiB of 10 GiB', $text);
        self::assertStringContainsString('Traffic this month 85 GiB of 100 GiB', $text);
    }

    /** @dataProvider bars */
    public function test_a_bar_is_as_long_as_the_use_and_warns_before_it_is_full(int $mib, int $percent, string $tone): void
    {
        $html = $this->active(['disk_bytes' => $mib * self::MIB])->clientArea();
        self::assertStringContainsString("aria-valuenow=\"$percent\"", $html);
        self::assertStringContainsString("opterius-bar-$tone\" style=\"width: $percent%\"", $html);
    }

    public function bars(): array
    {
        return [
            'empty' => [0, 0, 'success'],
            'half full' => [5120, 50, 'success'],
            'three quarters' => [7680, 75, 'warning'],
            'nearly full' => [9216, 90, 'danger'],
            'more than full' => [20480, 100, 'danger'],
        ];
    }

    public function test_an_unlimited_account_is_never_full(): void
    {
        $package = $this->panel->state()['packages'][0];
        $this->panel->set(['packages' => [['limits' => ['disk_mib' => 0]] + $package]]);
        $html = $this->active(['disk_bytes' => 900 * self::GIB])->clientArea();
        self::assertStringContainsString('900 GiB, unlimited', self::text($html));
        self::assertStringContainsString('opterius-bar-success" style="width: 0%"', $html);
    }

    public function test_a_suspended_account_says_who_holds_it_and_why(): void
    {
        $service = $this->active();
        $service->suspend('Overdue on Payment');
        $id = $this->panel->state()['accounts'][0]['id'];
        $this->panel->asStaff('POST', "/api/accounts/$id/suspend", ['reason' => 'Sends spam', 'hold' => 'abuse']);
        $text = self::text($service->clientArea());
        self::assertStringContainsString('Status Suspended', $text);
        self::assertStringContainsString('Billing: Overdue on Payment', $text);
        self::assertStringContainsString('Suspended by our staff: Sends spam', $text);
    }

    public function test_the_links_make_whmcs_sign_in_and_hold_no_secret(): void
    {
        $html = $this->active()->clientArea();
        $start = 'href="clientarea.php?action=productdetails&amp;id=12&amp;dosinglesignon=1';
        self::assertSame(4, substr_count($html, $start));
        foreach (['"', '&amp;opterius=usage"', '&amp;opterius=addresses"', '&amp;opterius=operations"'] as $end) {
            self::assertStringContainsString($start . $end, $html);
        }
    }

    public function test_an_add_on_is_shown_without_links_that_would_lead_to_the_account_of_its_service(): void
    {
        $addon = $this->whmcs(['addonId' => 5]);
        self::assertSame('success', $addon->create());
        $html = ClientArea::render(...self::output($addon->params()));
        self::assertStringContainsString('Status Active', self::text($html));
        self::assertStringNotContainsString('dosinglesignon', $html);
    }

    public function test_the_panel_is_asked_once_a_minute_and_not_for_every_page(): void
    {
        $service = $this->active();
        $service->clientArea();
        $asked = count($this->panel->requests('GET'));
        $service->clientArea();
        self::assertCount($asked, $this->panel->requests('GET'));
        $_SESSION['opterius_last_answers']['1/s12']['at'] -= 61;
        $service->clientArea();
        self::assertCount($asked + 2, $this->panel->requests('GET'));
    }

    public function test_the_session_keeps_nothing_but_what_is_shown(): void
    {
        $service = $this->active();
        $service->clientArea();
        $kept = $_SESSION['opterius_last_answers']['1/s12']['account'];
        self::assertArrayNotHasKey('email', $kept);
        self::assertArrayNotHasKey('operation', $kept);
        self::assertArrayHasKey('status', $kept);
    }

    /** @dataProvider failures */
    public function test_it_comes_with_a_quiet_note_while_the_panel_is_down(array $rule): void
    {
        $service = $this->active(['disk_bytes' => 2560 * self::MIB]);
        $this->panel->script(['on' => '*', 'times' => 0] + $rule);
        $text = self::text($service->clientArea());
        self::assertStringContainsString('The server does not answer just now.', $text);
        self::assertStringNotContainsString('127.0.0.1', $text);
        self::assertStringNotContainsString('Panel', $text);
    }

    public function failures(): array
    {
        return [
            'it drops the connection' => [['fault' => 'drop_before']],
            'it never answers' => [['fault' => 'hang_before']],
            'a proxy answers for it' => [['fault' => 'html', 'status' => 502]],
            'another web server answers' => [['fault' => 'html', 'status' => 404]],
            'it answers with nonsense' => [['fault' => 'truncate']],
        ];
    }

    public function test_all_that_it_waits_for_takes_less_than_three_seconds(): void
    {
        $budget = (new \ReflectionClassConstant(Module::class, 'PAGE_BUDGET'))->getValue();
        self::assertLessThan(3.0, $budget);
        $service = $this->active();
        $this->panel->script(['on' => 'GET *', 'times' => 0, 'fault' => 'hang_before']);
        $service->clientArea();
        // Each request was given what was left of the budget, and ended for that reason.
        $waited = array_filter(
            Whmcs::log()->entries,
            static fn (array $entry): bool => $entry['action'] === 'ClientArea',
        );
        self::assertNotEmpty($waited);
        foreach ($waited as $entry) {
            self::assertStringContainsString('curl=' . CURLE_OPERATION_TIMEDOUT, $entry['processed']);
        }
    }

    public function test_an_answer_from_before_is_shown_with_its_time_while_the_panel_is_down(): void
    {
        $service = $this->active(['disk_bytes' => 2560 * self::MIB]);
        $service->clientArea();
        $_SESSION['opterius_last_answers']['1/s12']['at'] -= 600;
        $this->panel->script(['on' => '*', 'times' => 0, 'fault' => 'drop_before']);
        $text = self::text($service->clientArea());
        self::assertStringContainsString('This is how things stood', $text);
        self::assertStringContainsString('2.5 GiB of 10 GiB', $text);
        self::assertStringContainsString('Status Active', $text);
    }

    public function test_an_answer_of_more_than_an_hour_ago_says_nothing_any_more(): void
    {
        $service = $this->active(['disk_bytes' => 2560 * self::MIB]);
        $service->clientArea();
        $_SESSION['opterius_last_answers']['1/s12']['at'] -= 3601;
        $this->panel->script(['on' => '*', 'times' => 0, 'fault' => 'drop_before']);
        self::assertStringNotContainsString('Status', self::text($service->clientArea()));
    }

    public function test_what_whmcs_has_written_down_is_shown_where_nothing_else_is_known(): void
    {
        $service = $this->active();
        $service->edit([
            'diskusage' => 3072, 'disklimit' => 10240, 'bwusage' => 1024, 'bwlimit' => 0, 'lastupdate' => '2026-03-02 04:00:00',
        ]);
        $this->panel->script(['on' => '*', 'times' => 0, 'fault' => 'drop_before']);
        $text = self::text($service->clientArea());
        self::assertStringContainsString('Disk space 3 GiB of 10 GiB', $text);
        self::assertStringContainsString('Traffic this month 1 GiB, unlimited', $text);
        self::assertStringContainsString('Measured 2 March 2026, 04:00', $text);
    }

    public function test_an_account_is_shown_though_its_use_cannot_be_measured(): void
    {
        $service = $this->active();
        $this->panel->script(['on' => 'GET /api/accounts/*/usage', 'times' => 0, 'fault' => 'hang_before']);
        $text = self::text($service->clientArea());
        self::assertStringContainsString('Status Active', $text);
        self::assertStringContainsString('Disk space not measured yet', $text);
    }

    public function test_a_removed_account_and_one_that_was_never_made_are_said_to_be_so(): void
    {
        $service = $this->whmcs();
        self::assertStringContainsString('has not been set up yet', self::text($service->clientArea()));
        self::assertSame('success', $service->create());
        self::assertSame('success', $service->terminate());
        $html = $service->clientArea();
        self::assertStringContainsString('This hosting account was removed on', self::text($html));
        self::assertStringNotContainsString('dosinglesignon', $html);
    }

    public function test_a_server_form_that_is_not_complete_still_gives_a_page(): void
    {
        $service = $this->active();
        $service->overrides = ['serveraccesshash' => ''];
        self::assertStringContainsString('does not answer just now', self::text($service->clientArea()));
        self::assertStringContainsString('does not answer just now', self::text(ClientArea::render(...self::output([]))));
    }

    public function test_it_is_read_in_the_language_that_the_visitor_reads(): void
    {
        $service = $this->active(['disk_bytes' => 2560 * self::MIB]);
        [$template, $vars] = self::output($service->params());
        $in = static fn (array $more): string => self::text(ClientArea::render($template, $more + $vars));
        self::assertStringContainsString('2,5 GiB von 10 GiB', $in(['language' => 'german']));
        self::assertStringContainsString('2.5 GiB of 10 GiB', $in(['language' => 'klingon']));
        self::assertStringContainsString('2.5 GiB of 10 GiB', $in([]));
    }

    public function test_nothing_that_anybody_has_entered_becomes_part_of_the_page(): void
    {
        $service = $this->active();
        $account = array_replace($this->panel->state()['accounts'][0], [
            'username' => self::HOSTILE, 'domain' => self::HOSTILE, 'ipv4' => [self::HOSTILE], 'ipv6' => [self::HOSTILE],
            'nameservers' => [self::HOSTILE], 'php_version' => self::HOSTILE, 'php_runs' => self::HOSTILE, 'status' => self::HOSTILE,
            'holds' => [['hold' => self::HOSTILE, 'reason' => self::HOSTILE]],
        ]);
        $this->panel->script([
            'on' => 'GET /api/accounts/ref:s12', 'fault' => 'reply', 'status' => 200, 'body' => ['data' => $account],
        ]);
        $html = $service->clientArea();
        self::assertStringNotContainsString('<img', $html);
        self::assertStringContainsString('&lt;img src=x onerror=alert(1)&gt;', $html);
        // Eight values, and the status is one of them.
        self::assertSame(9, substr_count(self::text($html), self::HOSTILE));
    }

    public function test_every_value_in_the_template_is_escaped(): void
    {
        $template = (string) file_get_contents(
            dirname(__DIR__, 2) . '/modules/servers/opterius/templates/clientarea.tpl'
        );
        preg_match_all('/\{\$[^}]+\}/', $template, $printed);
        self::assertGreaterThan(15, count($printed[0]));
        foreach ($printed[0] as $value) {
            self::assertStringEndsWith("|escape:'html'}", $value);
        }
        self::assertStringNotContainsString('nofilter', $template);
    }

    public function test_it_takes_from_themes_only_what_all_of_them_have_and_brings_no_framework(): void
    {
        $html = $this->active()->clientArea();
        self::assertStringContainsString('btn btn-primary', $html);
        // `badge` is grey in one Bootstrap, `label` is nothing in the other, `panel` and `card` exclude each other.
        self::assertDoesNotMatchRegularExpression('/class="[^"]*\b(badge|label|panel|card|progress)\b/', $html);
        self::assertStringNotContainsString('<script', $html);
        self::assertStringNotContainsString('<link', $html);
        // The rules it brings are for its own parts alone.
        preg_match('~<style>(.*)</style>~s', $html, $style);
        preg_match_all('/([^{}]+)\{[^{}]*\}/', $style[1], $rules);
        self::assertNotEmpty($rules[1]);
        foreach ($rules[1] as $selector) {
            self::assertStringStartsWith('.opterius', trim($selector));
        }
        // The variables are nexus's, and each has a value for themes that do not know it.
        preg_match_all('/var\((--[a-z-]+)(, [^)]+)?\)/', $style[1], $colours);
        self::assertNotEmpty($colours[1]);
        self::assertNotContains('', $colours[2]);
    }

    public function test_it_is_well_formed(): void
    {
        $before = libxml_use_internal_errors(true);
        $page = new \DOMDocument();
        $page->loadXML('<page>' . $this->active()->clientArea() . '</page>');
        $errors = array_map(static fn (\LibXMLError $error): string => $error->message, libxml_get_errors());
        libxml_clear_errors();
        libxml_use_internal_errors($before);
        self::assertSame([], $errors);
    }

    public function test_the_clients_button_has_the_server_measure_anew(): void
    {
        $service = $this->active(['disk_bytes' => 1024 * self::MIB]);
        self::assertStringContainsString('1 GiB of 10 GiB', self::text($service->clientArea()));
        $this->panel->set(['usage' => ['examplec' => ['disk_bytes' => 2048 * self::MIB]]]);
        self::assertStringContainsString('1 GiB of 10 GiB', self::text($service->clientArea()));
        self::assertSame('success', $service->clientButton('measureusage'));
        self::assertStringContainsString('2 GiB of 10 GiB', self::text($service->clientArea()));
    }

    public function test_the_clients_buttons_are_a_safe_set_that_exists_and_changes_nothing(): void
    {
        self::assertSame(['Measure usage now' => 'measureusage'], opterius_ClientAreaCustomButtonArray());
        self::assertFalse(function_exists('opterius_ClientAreaAllowedFunctions'));
        $service = $this->active();
        $before = $this->panel->state()['accounts'];
        $service->clientButton('measureusage');
        self::assertSame($before, $this->panel->state()['accounts']);
        foreach ($this->panel->requests('', '/api/accounts/ref:s12/usage') as $request) {
            self::assertSame('GET', $request['method']);
        }
    }

    public function test_a_measurement_that_fails_tells_the_client_nothing_of_the_inside(): void
    {
        $service = $this->active();
        $this->panel->script(['on' => 'GET *', 'times' => 0, 'fault' => 'html', 'status' => 502]);
        $sentence = $service->clientButton('measureusage');
        self::assertSentence('The use could not be measured just now.', $sentence);
        self::assertStringNotContainsString('502', $sentence);
        self::assertStringContainsString('HTTP 502', Whmcs::log()->text());
    }

    /** @param array<string, int> $usage */
    private function active(array $usage = []): Service
    {
        $service = $this->whmcs();
        self::assertSame('success', $service->create());
        if ($usage !== []) {
            $this->panel->set(['usage' => ['examplec' => $usage]]);
        }
        return $service;
    }

    /** @return array{string, array} */
    private static function output(array $params): array
    {
        $output = opterius_ClientArea($params);
        return [$output['tabOverviewModuleOutputTemplate'], $output['templateVariables']];
    }

    /** What a person reads. */
    private static function text(string $html): string
    {
        $html = (string) preg_replace(['~<style>.*</style>~s', '~<[^>]+>~'], ' ', $html);
        return trim((string) preg_replace('/\s+/', ' ', html_entity_decode($html, ENT_QUOTES | ENT_HTML5)));
    }
}
