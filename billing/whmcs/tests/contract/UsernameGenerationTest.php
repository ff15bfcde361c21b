<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use WHMCS\Module\Server\Opterius\UsernameGeneration;

final class UsernameGenerationTest extends PanelTestCase
{
    public function test_the_panel_is_asked_for_a_name_that_is_free(): void
    {
        self::assertSame('example', UsernameGeneration::answer($this->params(['username' => ''])));
        $this->panel->strangersAccount('example', 'stranger.example');
        self::assertSame('example2', UsernameGeneration::answer($this->params(['username' => ''])));
    }

    public function test_both_shapes_in_which_whmcs_may_hand_the_parameters_over_are_understood(): void
    {
        self::assertSame('example', UsernameGeneration::answer(['params' => $this->params(['username' => ''])]));
    }

    public function test_other_modules_services_are_left_alone(): void
    {
        self::assertNull(UsernameGeneration::answer($this->params(['moduletype' => 'cpanel'])));
        self::assertNull(UsernameGeneration::answer(['params' => $this->params(['moduletype' => 'cpanel'])]));
        self::assertNull(UsernameGeneration::answer([]));
        self::assertSame([], $this->panel->requests());
    }

    public function test_a_name_that_the_client_has_wished_for_is_taken_where_it_is_free(): void
    {
        $params = $this->params(['customfields' => ['Username' => ' Ada ']]);
        self::assertSame('ada', UsernameGeneration::answer($params));
        $this->panel->strangersAccount('ada', 'stranger.example');
        self::assertSame('ada2', UsernameGeneration::answer($params));
    }

    /** @dataProvider silences */
    public function test_without_the_panel_the_name_is_the_same_every_time(array $rule): void
    {
        $this->panel->script(['on' => 'GET /api/availability', 'times' => 0] + $rule);
        $params = $this->params(['username' => '']);
        self::assertSame('example12', UsernameGeneration::answer($params));
        self::assertSame('example12', UsernameGeneration::answer($params));
    }

    public function silences(): array
    {
        return [
            'no answer' => [['fault' => 'drop_before']],
            'half an answer' => [['fault' => 'half']],
            'a gateway' => [['fault' => 'html', 'status' => 502]],
            'a refusal' => [['fault' => 'reply', 'status' => 401, 'body' => ['code' => 'unauthorized']]],
            'another suggestion than a username' => [
                ['fault' => 'reply', 'status' => 200, 'body' => ['data' => ['suggestion' => 'root; rm']]],
            ],
        ];
    }

    public function test_a_service_without_a_server_still_gets_a_name(): void
    {
        $params = $this->params(['username' => '', 'serverhostname' => '', 'serverip' => '']);
        self::assertSame('example12', UsernameGeneration::answer($params));
    }

    public function test_what_it_answers_is_what_whmcs_orders(): void
    {
        foreach ([false, true] as $number => $nested) {
            $this->installation->nestsParamsOfUsernames = $nested;
            $service = $this->installation->service(['username' => '', 'domain' => "4-you$number.example"]);
            self::assertSame('success', $service->create());
            self::assertSame("you$number", $service->row()['username']);
            self::assertSame("you$number", $this->panel->account("s{$service->id}")['username']);
        }
    }
}
