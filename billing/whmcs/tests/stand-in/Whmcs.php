<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use WHMCS\Database\Capsule;

/**
 * An installation of WHMCS, as a provisioning module meets it. It is written from the public documentation, and it is
 * the one that the global functions (`add_hook`, `localAPI`, …) speak to.
 */
final class Whmcs
{
    public const MODULE = 'opterius';

    // The types of configurable options.
    public const DROPDOWN = 1;
    public const RADIO = 2;
    public const YES_NO = 3;
    public const QUANTITY = 4;

    private static ?self $current = null;

    /** Whether texts that people have entered reach the module encoded as HTML. */
    public bool $encodesHtml = false;

    /** Whether the hook for usernames gets the parameters as `$vars['params']`: what is published shows both. */
    public bool $nestsParamsOfUsernames = false;

    public readonly ModuleLog $moduleLog;
    public readonly Parameters $parameters;

    private function __construct()
    {
        $this->moduleLog = new ModuleLog();
        $this->parameters = new Parameters($this);
    }

    /** A new installation, or the one whose database is in this file. */
    public static function install(string $database = ':memory:', string $url = 'https://billing.example.com'): self
    {
        Database::open($database);
        Hooks::reset();
        self::$current = new self();
        self::$current->setting('SystemURL') ?? self::$current->configure('SystemURL', $url . '/');
        return self::$current;
    }

    public static function current(): self
    {
        return self::$current ??= self::install();
    }

    /** The log that the global logModuleCall writes to. */
    public static function log(): ModuleLog
    {
        return self::current()->moduleLog;
    }

    public function configure(string $setting, string $value): void
    {
        Capsule::table('tblconfiguration')->updateOrInsert(['setting' => $setting], ['value' => $value]);
    }

    public function setting(string $setting): ?string
    {
        return Capsule::table('tblconfiguration')->where('setting', $setting)->value('value');
    }

    // What the host enters.

    /** @param array<string, mixed> $row the columns that are to differ */
    public function client(array $row = []): int
    {
        return self::put('tblclients', $row + [
            'uuid' => sprintf('%032x', random_int(1, PHP_INT_MAX)), 'firstname' => 'Ada', 'lastname' => '',
            'email' => 'ada@example.org', 'language' => 'english', 'status' => 'Active', 'country' => 'GB',
        ]);
    }

    /** A server form that leads to a Panel, in a group of its own. */
    public function server(?FakePanel $panel, array $row = []): int
    {
        $id = self::put('tblservers', $row + [
            'name' => 'web1', 'ipaddress' => '127.0.0.1', 'hostname' => '127.0.0.1', 'type' => self::MODULE,
            'password' => encrypt(''), 'accesshash' => $panel?->accessHash() ?? '', 'secure' => 'on',
            'port' => (string) $panel?->port, 'active' => 1, 'disabled' => 0,
        ]);
        $group = self::put('tblservergroups', ['id' => $id, 'name' => "Group $id"]);
        Capsule::table('tblservergroupsrel')->updateOrInsert(['groupid' => $group, 'serverid' => $id]);
        return $id;
    }

    public function product(array $row = []): int
    {
        return self::put('tblproducts', $row + [
            'type' => 'hostingaccount', 'name' => 'Starter Hosting', 'servertype' => self::MODULE, 'gid' => 1,
            'servergroup' => 1, 'configoption1' => FakePanel::PACKAGE_ID, 'welcomeemail' => 1, 'autosetup' => 'payment',
        ]);
    }

    /** A product add-on that has a module of its own. */
    public function addonProduct(
        array $row = [],
        array $configOptions = ['configoption1' => FakePanel::PACKAGE_ID],
    ): int {
        $id = self::put('tbladdons', $row + [
            'name' => 'Second site', 'module' => self::MODULE, 'type' => 'hostingaccount', 'server_group_id' => 1,
        ]);
        foreach ($configOptions as $name => $value) {
            Capsule::table('tblmodule_configuration')->updateOrInsert(
                ['entity_type' => 'addon', 'entity_id' => $id, 'setting_name' => $name],
                ['value' => $value],
            );
        }
        return $id;
    }

    /**
     * A configurable option of a product.
     *
     * @param list<string> $choices of a drop-down or radio buttons; each may be `value|what people see`
     */
    public function option(int $product, string $name, int $type = self::QUANTITY, array $choices = []): int
    {
        $group = Capsule::table('tblproductconfiglinks')->where('pid', $product)->value('gid');
        if ($group === null) {
            $group = self::put('tblproductconfiggroups', ['name' => "Options of $product"]);
            self::put('tblproductconfiglinks', ['gid' => $group, 'pid' => $product]);
        }
        $id = self::put('tblproductconfigoptions', ['gid' => $group, 'optionname' => $name, 'optiontype' => $type]);
        foreach ($choices ?: ['unit'] as $choice) {
            self::put('tblproductconfigoptionssub', ['configid' => $id, 'optionname' => $choice]);
        }
        return $id;
    }

    /** An order that waits to be provisioned. Client 3, product 1 and server 1 are there if nothing else was said. */
    public function service(array $row = []): Service
    {
        $this->hasAll($row);
        return new Service($this, self::put('tblhosting', $row + [
            'userid' => 3, 'packageid' => 1, 'server' => 1, 'domain' => 'example.com', 'username' => 'examplec',
            'password' => encrypt('Kx7dQ2mVw9'), 'domainstatus' => 'Pending', 'billingcycle' => 'Monthly',
            'regdate' => gmdate('Y-m-d'), 'nextduedate' => gmdate('Y-m-d', strtotime('+1 month')),
        ]));
    }

    /** An add-on of a service that waits to be provisioned. */
    public function addon(Service $service, array $row = []): Service
    {
        $of = Capsule::table('tblhosting')->find($service->id);
        return new Service($this, self::put('tblhostingaddons', $row + [
            'hostingid' => $service->id, 'userid' => $of->userid, 'server' => $of->server, 'status' => 'Pending',
            'addonid' => Capsule::table('tbladdons')->value('id') ?? $this->addonProduct(),
            'regdate' => gmdate('Y-m-d'), 'nextduedate' => $of->nextduedate,
        ]), true);
    }

    /** @param array<string, mixed> $row */
    private function hasAll(array $row): void
    {
        $needed = [
            'tblclients' => [$row['userid'] ?? 3, fn (int $id) => $this->client(['id' => $id])],
            'tblproducts' => [$row['packageid'] ?? 1, fn (int $id) => $this->product(['id' => $id])],
        ];
        foreach ($needed as $table => [$id, $make]) {
            Capsule::table($table)->find($id) ?? $make($id);
        }
    }

    /**
     * A service or an add-on that waits to be created, made from parameters as the module would be called with them:
     * the rows get what they can hold, and the rest is handed over as it is given. A username or a password that is
     * null is made up when the service is created.
     *
     * @param array<string, mixed> $params
     * @param bool                 $keep   whether a service of this number that is there goes on from where it is
     */
    public function adopt(array $params, bool $keep = false): Service
    {
        $text = static fn (string ...$names): array => array_filter(
            array_intersect_key($params, array_flip($names)),
            static fn (mixed $value): bool => is_string($value),
        );
        $number = static fn (string $name, int $default): int => is_numeric($params[$name] ?? null)
            ? (int) $params[$name]
            : $default;
        $client = self::put('tblclients', ['id' => $number('userid', 3)] + $this->clientRow($params));
        $server = $number('serverid', 1);
        $form = $this->serverRow($params);
        if (Capsule::table('tblservers')->find($server) === null) {
            $this->server(null, $form + ['id' => $server]);
        } elseif ($form !== []) {
            Capsule::table('tblservers')->where('id', $server)->update($form);
        }
        $options = array_filter(
            $params,
            static fn (mixed $value, string $name): bool => is_string($value) && str_starts_with($name, 'configoption')
                && ctype_digit(substr($name, 12)),
            ARRAY_FILTER_USE_BOTH,
        );
        $type = $text('producttype') === [] ? [] : ['type' => $params['producttype']];
        $product = $this->product(['id' => $number('pid', 1)] + $options + $type);
        $id = $number('serviceid', 12);
        $names = $text('domain', 'username', 'password');
        if (isset($names['password'])) {
            $names['password'] = encrypt($names['password']);
        }
        // Null stands for what WHMCS has still to make up.
        $madeUp = array_keys(array_intersect_key($params, ['username' => 1, 'password' => 1]), null, true);
        $names += array_fill_keys($madeUp, '');
        $row = ['id' => $id, 'userid' => $client, 'packageid' => $product, 'server' => $server] + $names;
        $addon = $number('addonId', 0);
        if (!$keep || Capsule::table('tblhosting')->find($id) === null) {
            $this->forget('product', 'tblhosting', $id);
            $service = $this->service($row);
        } else {
            Capsule::table('tblhosting')->where('id', $id)->update($row);
            $service = new Service($this, $id);
        }
        if ($addon > 0) {
            $service = $this->adoptAddon($service, $addon, $params, $options, $keep);
        }
        $built = $service->params();
        foreach ($params as $name => $value) {
            $empty = $value === '' && in_array($name, ['domain', 'username', 'password'], true);
            $same = array_key_exists($name, $built) && $built[$name] === $value;
            if ($empty || (!$same && !in_array($name, $madeUp, true))) {
                $service->overrides[$name] = $value;
            }
        }
        return $service;
    }

    private function adoptAddon(Service $service, int $id, array $params, array $options, bool $keep): Service
    {
        $addonProduct = $this->addonProduct(['id' => 1], $options ?: ['configoption1' => FakePanel::PACKAGE_ID]);
        $there = Capsule::table('tblhostingaddons')->find($id) !== null;
        if (!$keep || !$there) {
            $this->forget('addon', 'tblhostingaddons', $id);
            $addon = $this->addon($service, ['id' => $id, 'addonid' => $addonProduct]);
        } else {
            $addon = new Service($this, $id, true);
        }
        $names = ['username' => 'Username', 'password' => 'Password', 'domain' => 'Domain'];
        $row = (array) Capsule::table('tblhosting')->find($service->id);
        $given = ['password' => decrypt($row['password'])] + $row;
        if (!$keep || !$there) {
            foreach ($names as $name => $property) {
                $addon->properties->save([$property => $given[$name]]);
            }
        }
        $addon->properties->saved = [];
        return $addon;
    }

    /** @return array<string, string> */
    private function clientRow(array $params): array
    {
        $details = is_array($params['clientsdetails'] ?? null) ? $params['clientsdetails'] : [];
        $columns = ['firstname', 'lastname', 'companyname', 'email', 'language', 'country'];
        $given = array_filter(array_intersect_key($details, array_flip($columns)), is_string(...));
        return $given + (Capsule::table('tblclients')->find($params['userid'] ?? 3) === null ? [
            'firstname' => 'Ada', 'email' => 'ada@example.org', 'language' => 'english', 'status' => 'Active',
        ] : []);
    }

    /** @return array<string, string> */
    private function serverRow(array $params): array
    {
        $columns = [
            'serverip' => 'ipaddress', 'serverhostname' => 'hostname', 'serverusername' => 'username',
            'serverpassword' => 'password', 'serveraccesshash' => 'accesshash', 'serverport' => 'port',
        ];
        $row = [];
        foreach ($columns as $name => $column) {
            if (is_string($params[$name] ?? null)) {
                $row[$column] = $name === 'serverpassword' ? encrypt($params[$name]) : $params[$name];
            }
        }
        return $row;
    }

    /** Leaves nothing of a service or add-on that had this number before. */
    private function forget(string $type, string $table, int $id): void
    {
        $fields = Capsule::table('tblcustomfields')->where('type', $type)->pluck('id')->all();
        Capsule::table('tblcustomfieldsvalues')->where('relid', $id)->whereIn('fieldid', $fields)->delete();
        $kind = $type === 'addon' ? 'addon' : 'service';
        Capsule::table('tblmodulequeue')->where(['service_type' => $kind, 'service_id' => $id])->delete();
        Capsule::table('standin_mails')->where(['kind' => $kind, 'relid' => $id])->delete();
        Capsule::table($table)->where('id', $id)->delete();
    }

    // What happens.

    /**
     * Edits a client's record, as the client or staff do.
     *
     * @param array<string, string> $changes
     */
    public function editClient(int $id, array $changes): void
    {
        $before = (array) Capsule::table('tblclients')->find($id);
        Capsule::table('tblclients')->where('id', $id)->update($changes);
        $now = (array) Capsule::table('tblclients')->find($id);
        Hooks::run('ClientEdit', ['userid' => $id, 'olddata' => $before] + $now);
    }

    /**
     * A client orders what is in the cart.
     *
     * @param list<array{pid: int, domain?: string}> $products
     * @param array<string, mixed>                   $form what the client has entered beside it
     *
     * @return list<string> why the order is not taken; nothing if it is
     */
    public function checkout(array $products, array $form = ['custtype' => 'existing', 'clientId' => 3]): array
    {
        $_SESSION['cart'] = ['products' => $products, 'domains' => []];
        $results = Hooks::run('ShoppingCartValidateCheckout', ['a' => 'checkout', 'submit' => 'true'] + $form);
        return array_merge(...array_map(static fn (mixed $result): array => array_values((array) $result), $results));
    }

    public function cron(): Cron
    {
        return new Cron($this);
    }

    /** The button "Sync Accounts" of a server. */
    public function syncAccounts(int $server = 1): AccountSync
    {
        return AccountSync::compare($this, $server);
    }

    /** @return array{success: bool, error?: string} the button "Test Connection" of the server form */
    public function testConnection(int $server = 1): array
    {
        $params = $this->parameters->ofServer($server);
        $this->moduleLog->watch($params);
        return opterius_TestConnection($params);
    }

    /** @return array{redirect?: string, error?: string} the link into the Panel in the list of servers */
    public function signInToServer(int $server = 1): array
    {
        $params = $this->parameters->ofServer($server);
        $this->moduleLog->watch($params);
        return self::redirection(opterius_AdminSingleSignOn($params));
    }

    /** What WHMCS makes of the answer of a sign-in: an address to send the browser to, or a sentence. */
    public static function redirection(mixed $answer): array
    {
        if (!is_array($answer) || !is_bool($answer['success'] ?? null)) {
            throw new \UnexpectedValueException('A sign-in must return an array with `success`.');
        }
        if (!$answer['success']) {
            return ['error' => $answer['errorMsg'] ?? ''];
        }
        $target = $answer['redirectTo'] ?? null;
        if (!is_string($target) || filter_var($target, FILTER_VALIDATE_URL) === false) {
            throw new \UnexpectedValueException('A sign-in that succeeds must return an address in `redirectTo`.');
        }
        return ['redirect' => $target];
    }

    /**
     * The page of the add-on module in the admin area.
     *
     * @param array<string, mixed> $query  what stands behind the address
     * @param array<string, mixed> $posted what a button of the page sends
     */
    public function addonModulePage(array $query = [], array $posted = []): string
    {
        require_once dirname(__DIR__, 2) . '/modules/addons/opterius/opterius.php';
        $config = opterius_config();
        [$_GET, $_POST, $_REQUEST] = [$query, $posted, $posted + $query];
        ob_start();
        try {
            opterius_output([
                'modulelink' => 'addonmodules.php?module=opterius', 'version' => $config['version'], '_lang' => [],
            ] + Capsule::table('tbladdonmodules')->where('module', 'opterius')->pluck('value', 'setting')->all());
        } finally {
            $page = (string) ob_get_clean();
            $_GET = $_POST = $_REQUEST = [];
        }
        $this->moduleLog->lookForSecrets($page, 'the page of the add-on module');
        return $page;
    }

    /** The widgets of the admin area's first page, as HTML. */
    public function adminHome(): string
    {
        $html = '';
        foreach (Hooks::run('AdminHomeWidgets', []) as $widget) {
            $html .= $widget->render();
        }
        $this->moduleLog->lookForSecrets($html, 'a widget');
        return $html;
    }

    /**
     * Makes a row, or changes the one with its id.
     *
     * @param array<string, mixed> $row
     */
    public static function put(string $table, array $row): int
    {
        if (!isset($row['id'])) {
            return Capsule::table($table)->insertGetId($row);
        }
        Capsule::table($table)->updateOrInsert(['id' => $row['id']], $row);
        return (int) $row['id'];
    }
}
