<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Address;
use WHMCS\Module\Server\Opterius\Params;
use WHMCS\Module\Server\Opterius\Refusal;

final class AddressTest extends TestCase
{
    /** @dataProvider addresses */
    public function test_the_address_comes_from_the_server_form(array $params, string $url): void
    {
        self::assertSame($url, Address::fromParams(new Params($params))->url('/api/self'));
    }

    public function addresses(): array
    {
        return [
            'name and port' => [
                ['serverhostname' => 'panel.example.com', 'serverip' => '192.0.2.1', 'serverport' => '9443'],
                'https://panel.example.com:9443/api/self',
            ],
            'no name' => [['serverip' => '192.0.2.1', 'serverport' => 8443], 'https://192.0.2.1:8443/api/self'],
            'no port' => [
                ['serverhostname' => ' panel.example.com ', 'serverport' => ''],
                'https://panel.example.com:8443/api/self',
            ],
            'IPv6' => [['serverip' => '2001:db8::1'], 'https://[2001:db8::1]:8443/api/self'],
            'https whatever the tick box says' => [
                ['serverhostname' => 'panel.example.com', 'serversecure' => '', 'serverhttpprefix' => 'http'],
                'https://panel.example.com:8443/api/self',
            ],
            // Some versions of WHMCS report such names; what they mean is not ours to guess.
            'DOT and DASH are left alone' => [
                ['serverhostname' => 'panelDOTmyDASHhostDOTcom'],
                'https://panelDOTmyDASHhostDOTcom:8443/api/self',
            ],
        ];
    }

    /** @dataProvider refusals */
    public function test_an_address_that_cannot_be_one_is_refused(array $params, string $message): void
    {
        $this->expectException(Refusal::class);
        $this->expectExceptionMessage($message);
        Address::fromParams(new Params($params));
    }

    public function refusals(): array
    {
        return [
            'nothing' => [[], 'No Opterius server is assigned'],
            'a URL' => [['serverhostname' => 'https://panel.example.com'], 'is not a host name'],
            'a path' => [['serverhostname' => 'panel.example.com/admin'], 'is not a host name'],
            'a user' => [['serverhostname' => 'user@panel.example.com'], 'is not a host name'],
            'a port in the name' => [['serverhostname' => 'panel.example.com:8443'], 'is not a host name'],
            'port 0' => [['serverhostname' => 'panel.example.com', 'serverport' => '0'], 'is not a number'],
            'port 70000' => [['serverhostname' => 'panel.example.com', 'serverport' => '70000'], 'is not a number'],
            'a port in words' => [['serverhostname' => 'panel.example.com', 'serverport' => 'https'], 'not a number'],
        ];
    }
}
