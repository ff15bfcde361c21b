<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;

/** The functions as WHMCS finds them. */
final class EntryPointsTest extends TestCase
{
    private const MODULE = '/modules/servers/opterius/opterius.php';

    /** What WHMCS calls by name: a function that is there makes it show its button, form, link or page. */
    private const OF_WHMCS = [
        'MetaData' => 'array', 'ConfigOptions' => 'array', 'TestConnection' => 'array', 'CreateAccount' => 'string',
        'SuspendAccount' => 'string', 'UnsuspendAccount' => 'string', 'TerminateAccount' => 'string',
        'Renew' => 'string', 'ChangePackage' => 'string', 'ChangePassword' => 'string',
        'AdminCustomButtonArray' => 'array', 'ClientAreaCustomButtonArray' => 'array',
        'ServiceSingleSignOn' => 'array', 'AdminSingleSignOn' => 'array', 'LoginLink' => 'string',
        'ClientArea' => 'array', 'AdminServicesTabFields' => 'array', 'UsageUpdate' => 'void',
        'ListAccounts' => 'array', 'CustomActions' => \WHMCS\Module\Server\CustomActionCollection::class,
        'MetricProvider' => \WHMCS\UsageBilling\Contracts\Metrics\ProviderInterface::class,
    ];

    public function test_what_is_defined_is_what_whmcs_calls_and_what_a_button_or_an_option_names(): void
    {
        $named = array_column(opterius_ConfigOptions(), 'Loader');
        foreach ([opterius_AdminCustomButtonArray(), opterius_ClientAreaCustomButtonArray()] as $buttons) {
            foreach ($buttons as $name) {
                $named[] = "opterius_$name";
            }
        }
        foreach (array_keys(self::OF_WHMCS) as $name) {
            $named[] = "opterius_$name";
        }
        $named = array_values(array_unique(array_map(strtolower(...), $named)));
        $defined = array_map(strtolower(...), array_column($this->functions(), 0));
        sort($named);
        sort($defined);
        self::assertSame($named, $defined);
    }

    public function test_no_button_is_without_its_function(): void
    {
        foreach ([opterius_AdminCustomButtonArray(), opterius_ClientAreaCustomButtonArray()] as $buttons) {
            self::assertNotEmpty($buttons);
            foreach ($buttons as $label => $function) {
                self::assertTrue(function_exists('opterius_' . $function), $label);
            }
        }
    }

    /** @dataProvider functions */
    public function test_every_function_survives_empty_params(string $function, string $type): void
    {
        $name = substr($function, strlen('opterius_'));
        self::assertSame(self::OF_WHMCS[$name] ?? $type, $type);
        self::assertType($type, $function([]), $function);
    }

    /** @return list<array{string, string}> every function of the module, with the type that it declares */
    public function functions(): array
    {
        $functions = [];
        foreach (get_defined_functions()['user'] as $name) {
            $function = new \ReflectionFunction($name);
            if (str_ends_with((string) $function->getFileName(), self::MODULE)) {
                $functions[] = [$function->getName(), (string) $function->getReturnType()];
            }
        }
        return $functions;
    }

    private static function assertType(string $type, mixed $result, string $function): void
    {
        $good = match ($type) {
            'array' => is_array($result),
            'string' => is_string($result),
            'void' => $result === null,
            default => $result instanceof $type,
        };
        self::assertTrue($good, "$function returned " . get_debug_type($result) . " as its $type");
    }

    /**
     * What the sample module that WHMCS publishes tests of any module: each of these functions, if it is there, returns
     * its type when it is given nothing at all.
     *
     * @dataProvider ofTheSample
     */
    public function test_the_functions_of_the_official_sample_return_what_it_asks_for(
        string $function,
        string $type,
        bool $offered = true,
    ): void {
        self::assertSame($offered, function_exists($function), 'a function that is there makes WHMCS show its form');
        if ($offered) {
            self::assertSame($type, get_debug_type($function([])));
        }
    }

    public function ofTheSample(): array
    {
        return [
            ['opterius_ConfigOptions', 'array'],
            ['opterius_MetaData', 'array'],
            ['opterius_CreateAccount', 'string'],
            ['opterius_SuspendAccount', 'string'],
            ['opterius_UnsuspendAccount', 'string'],
            ['opterius_TerminateAccount', 'string'],
            ['opterius_ChangePassword', 'string'],
            ['opterius_ChangePackage', 'string'],
            ['opterius_TestConnection', 'array'],
            ['opterius_AdminCustomButtonArray', 'array'],
            ['opterius_ClientAreaCustomButtonArray', 'array'],
            ['opterius_AdminServicesTabFields', 'array'],
            // The staff's tab has nothing to save.
            ['opterius_AdminServicesTabFieldsSave', 'null', false],
            ['opterius_ServiceSingleSignOn', 'array'],
            ['opterius_AdminSingleSignOn', 'array'],
            ['opterius_ClientArea', 'array'],
        ];
    }

    public function test_a_function_that_has_nothing_to_work_with_says_so_and_never_that_it_is_done(): void
    {
        foreach ($this->functions() as [$function, $type]) {
            $result = $type === 'string' ? $function([]) : null;
            self::assertNotSame('success', $result, $function);
        }
        self::assertFalse(opterius_TestConnection([])['success']);
        self::assertFalse(opterius_ServiceSingleSignOn([])['success']);
        self::assertFalse(opterius_AdminSingleSignOn([])['success']);
        self::assertFalse(opterius_ListAccounts([])['success']);
    }

    public function test_every_function_survives_params_of_the_wrong_types(): void
    {
        $keys = [
            'serviceid', 'addonId', 'domain', 'username', 'password', 'configoption1', 'clientsdetails', 'model',
            'serverhostname', 'serverip', 'serverport', 'serveraccesshash', 'serverpassword',
        ];
        foreach ([[], null, 1.5, false, new \stdClass()] as $value) {
            $params = array_fill_keys($keys, $value);
            foreach ($this->functions() as [$function, $type]) {
                if ($function === 'opterius_PackageLoader' && is_float($value)) {
                    continue; // A server called 1.5 is one, and a loader reports its failure by throwing.
                }
                $result = $function($params);
                self::assertType($type, $result, $function);
                self::assertStringNotContainsString('failed inside', (string) json_encode($result));
            }
        }
    }

    public function test_the_metadata_promises_only_what_is_there(): void
    {
        self::assertSame([
            'DisplayName' => 'Opterius',
            'APIVersion' => '1.1',
            'RequiresServer' => true,
            'DefaultSSLPort' => '8443',
            'ServiceSingleSignOnLabel' => 'Sign in to the control panel',
            'AdminSingleSignOnLabel' => 'Sign in to the Opterius Panel',
            'ListAccountsUniqueIdentifierDisplayName' => 'Opterius Account ID',
            'ListAccountsUniqueIdentifierField' => 'customfield.Opterius Account ID',
            'ListAccountsProductField' => 'configoption1',
        ], opterius_MetaData());
    }

    public function test_the_package_is_option_1_and_stays_it(): void
    {
        $options = opterius_ConfigOptions();
        self::assertSame('Package Name', array_key_first($options));
        self::assertTrue($options['Package Name']['SimpleMode']);
        self::assertTrue(function_exists($options['Package Name']['Loader']));
        self::assertLessThanOrEqual(24, count($options));
    }

    /** @dataProvider descriptions */
    public function test_the_description_of_the_module_is_complete(string $folder, string $type): void
    {
        $folder = dirname(__DIR__, 2) . $folder;
        $json = json_decode((string) file_get_contents($folder . 'whmcs.json'), true);
        self::assertSame(['1.0', $type, 'opterius'], [$json['schema'], $json['type'], $json['name']]);
        foreach (['license', 'category'] as $key) {
            self::assertNotSame('', $json[$key]);
        }
        foreach (['name', 'tagline', 'long'] as $key) {
            self::assertNotSame('', $json['description'][$key]);
        }
        self::assertGreaterThan(2, count($json['description']['features']));
        foreach (['homepage', 'learn_more', 'support_url', 'docs_url'] as $key) {
            self::assertStringStartsWith('https://', $json['support'][$key]);
        }
        self::assertNotFalse(filter_var($json['support']['email'], FILTER_VALIDATE_EMAIL));
        self::assertNotSame('', $json['authors'][0]['name']);
        [$width] = getimagesize($folder . $json['logo']['filename']);
        self::assertLessThanOrEqual(500, $width);
    }

    public function descriptions(): array
    {
        return [
            ['/modules/servers/opterius/', 'whmcs-servers'],
            ['/modules/addons/opterius/', 'whmcs-addons'],
        ];
    }
}
