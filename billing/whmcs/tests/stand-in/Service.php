<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Opterius\Module;

/**
 * One service, or one add-on of a service, and what WHMCS does with it: it calls the module, believes nothing but the
 * literal `success`, and files everything else in the Module Queue, where it waits for a person. Nothing is retried by
 * itself.
 *
 * @property-read string       $status
 * @property-read int          $welcomeMails
 * @property-read list<string> $moduleQueue the sentences of what has failed and waits for somebody to press Retry
 */
final class Service
{
    private const GENERATED = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';

    public readonly ServiceProperties $properties;

    /** @var array<string, mixed> parameters that differ from what WHMCS would make of the rows */
    public array $overrides = [];

    public function __construct(
        public readonly Whmcs $whmcs,
        public readonly int $id,
        public readonly bool $isAddon = false,
    ) {
        $this->properties = new ServiceProperties($id, $isAddon);
    }

    public function __get(string $name): mixed
    {
        return match ($name) {
            'status' => (string) $this->table()->value($this->isAddon ? 'status' : 'domainstatus'),
            'welcomeMails' => Capsule::table('standin_mails')->where([
                'kind' => $this->kind(), 'relid' => $this->id, 'template' => 'welcome',
            ])->count(),
            'moduleQueue' => $this->queue()->pluck('last_attempt_error')->all(),
        };
    }

    /** The array that every function of the module is called with. */
    public function params(array $extra = []): array
    {
        $params = $this->isAddon
            ? $this->whmcs->parameters->ofAddon($this->id)
            : $this->whmcs->parameters->ofService($this->id);
        $model = $this->isAddon ? \WHMCS\Service\Addon::find($this->id) : \WHMCS\Service\Service::find($this->id);
        $model->keepPropertiesIn($this->properties);
        $params = array_replace($params, ['model' => $model], $this->overrides, $extra);
        $this->whmcs->moduleLog->watch($params);
        return $params;
    }

    /** @return array<string, mixed> the row */
    public function row(): array
    {
        return (array) $this->table()->first();
    }

    /** @param array<string, mixed> $columns what staff enter in the service record */
    public function edit(array $columns): void
    {
        if (isset($columns['password'])) {
            $columns['password'] = encrypt($columns['password']);
        }
        Hooks::run('PreServiceEdit', ['serviceid' => $this->id]);
        $this->table()->update($columns);
        Hooks::run('ServiceEdit', ['userid' => $this->row()['userid'], 'serviceid' => $this->id]);
    }

    /** The client chooses a value of a configurable option, by the option's and the value's names. */
    public function choose(string $name, string|int $value): void
    {
        $option = Capsule::table('tblproductconfigoptions')->get()->first(
            static fn (object $option): bool => ServiceProperties::shortName($option->optionname) === $name
        );
        $sub = Capsule::table('tblproductconfigoptionssub')->where('configid', $option->id)->get();
        $chosen = $sub->first(
            static fn (object $choice): bool => ServiceProperties::shortName($choice->optionname) === (string) $value
        );
        Capsule::table('tblhostingconfigoptions')->updateOrInsert(
            ['relid' => $this->id, 'configid' => $option->id],
            ['optionid' => ($chosen ?? $sub->first())->id, 'qty' => is_int($value) ? $value : 0],
        );
    }

    // The module's commands. `$via` calls another function than WHMCS would, such as one with less time.

    /** @param callable(array): string|float|null $via a number is a budget of seconds */
    public function create(callable|float|null $via = null): string
    {
        $this->makeUpNames();
        $via = is_float($via) ? static fn (array $params): string => Module::createAccount($params, $via) : $via;
        $result = $this->command('Create', 'CreateAccount', [], $via);
        if ($result === 'success') {
            $this->become('Active');
            Capsule::table('standin_mails')->insert(
                ['kind' => $this->kind(), 'relid' => $this->id, 'template' => 'welcome']
            );
        }
        return $result;
    }

    public function suspend(string $reason = 'Overdue on Payment', ?callable $via = null): string
    {
        $result = $this->command('Suspend', 'SuspendAccount', ['suspendreason' => $reason], $via);
        if ($result === 'success') {
            $this->become('Suspended', $this->isAddon ? [] : ['suspendreason' => $reason]);
        }
        return $result;
    }

    public function unsuspend(?callable $via = null): string
    {
        $result = $this->command('Unsuspend', 'UnsuspendAccount', [], $via);
        if ($result === 'success') {
            $this->become('Active', $this->isAddon ? [] : ['suspendreason' => '']);
        }
        return $result;
    }

    public function terminate(?callable $via = null): string
    {
        $result = $this->command('Terminate', 'TerminateAccount', [], $via);
        if ($result === 'success') {
            $this->become('Terminated', ['termination_date' => gmdate('Y-m-d')]);
        }
        return $result;
    }

    /** The invoice of a renewal is paid: the next due date moves first. */
    public function renew(?string $nextDue = null, ?callable $via = null): string
    {
        if ($nextDue !== null) {
            $this->table()->update(['nextduedate' => $nextDue]);
        }
        return $this->command('Renew', 'Renew', [], $via);
    }

    /**
     * An upgrade or a downgrade is paid: WHMCS changes its own rows first.
     *
     * @param array<string, string|int> $choices configurable options to change with it
     */
    public function changePackage(?int $product = null, array $choices = [], ?callable $via = null): string
    {
        if ($product !== null) {
            $this->table()->update(['packageid' => $product]);
        }
        foreach ($choices as $name => $value) {
            $this->choose($name, $value);
        }
        return $this->command('ChangePackage', 'ChangePackage', [], $via);
    }

    public function changePassword(string $password, ?callable $via = null): string
    {
        $old = $this->properties->get('Password') ?? '';
        $sent = $this->whmcs->encodesHtml ? htmlspecialchars($password, ENT_QUOTES) : $password;
        $result = $this->command('ChangePassword', 'ChangePassword', ['password' => $sent], $via, [
            'serviceid' => $this->id, 'oldpassword' => $old, 'newpassword' => $password,
        ]);
        if ($result === 'success') {
            $this->isAddon
                ? $this->properties->save(['Password' => $password])
                : $this->table()->update(['password' => encrypt($password)]);
        }
        return $result;
    }

    /** Somebody presses Retry in the Module Queue for everything of this service that waits there. */
    public function retry(): array
    {
        $results = [];
        foreach ($this->queue()->get() as $entry) {
            $results[$entry->module_action] = match ($entry->module_action) {
                'CreateAccount' => $this->create(),
                'SuspendAccount' => $this->suspend(),
                'UnsuspendAccount' => $this->unsuspend(),
                'TerminateAccount' => $this->terminate(),
                'Renew' => $this->renew(),
                'ChangePackage' => $this->changePackage(),
            };
        }
        return $results;
    }

    // Buttons, pages and links.

    /** Staff press one of the module's own buttons, by its label. */
    public function adminButton(string $label): string
    {
        $buttons = $this->buttons('AdminCustomButtonArray');
        return $this->command('Custom', $buttons[$label] ?? throw new \OutOfBoundsException("No button $label."), []);
    }

    /** The client presses one of the module's own buttons, or calls what is merely allowed. */
    public function clientButton(string $function): string|array
    {
        $allowed = [...array_values($this->buttons('ClientAreaCustomButtonArray')),
            ...array_values($this->buttons('ClientAreaAllowedFunctions'))];
        if (!in_array($function, $allowed, true)) {
            throw new \OutOfBoundsException("A client may not call $function.");
        }
        return $this->command('Custom', $function, []);
    }

    /** @return array<string, string> label to function */
    public function buttons(string $function): array
    {
        $function = 'opterius_' . $function;
        return function_exists($function) ? $function($this->params()) : [];
    }

    /** @return array<string, string> what the service record in the admin area shows beside WHMCS's own fields */
    public function adminFields(): array
    {
        $fields = opterius_AdminServicesTabFields($this->params());
        foreach ($fields as $label => $html) {
            if (!is_string($label) || !is_string($html)) {
                throw new \UnexpectedValueException('AdminServicesTabFields must return labels with HTML.');
            }
        }
        $this->whmcs->moduleLog->lookForSecrets(implode("\n", $fields), 'the service record');
        return $fields;
    }

    /** @param array<string, mixed> $posted the form of the service record */
    public function saveAdminFields(array $posted): void
    {
        $_POST = $posted;
        try {
            opterius_AdminServicesTabFieldsSave($this->params());
        } finally {
            $_POST = [];
        }
    }

    /** The page that the client sees, as HTML. */
    public function clientArea(array $request = []): string
    {
        $html = ClientArea::page($this, $request);
        $this->whmcs->moduleLog->lookForSecrets($html, 'the client area');
        return $html;
    }

    /** @return array{redirect?: string, error?: string} */
    public function signIn(): array
    {
        return Whmcs::redirection(opterius_ServiceSingleSignOn($this->params()));
    }

    /** @return list<\WHMCS\Module\Server\CustomAction> the buttons of the client area's first page */
    public function customActions(): array
    {
        $actions = opterius_CustomActions($this->params());
        if (!$actions instanceof \WHMCS\Module\Server\CustomActionCollection) {
            throw new \UnexpectedValueException('CustomActions must return a CustomActionCollection.');
        }
        return array_values($actions->filter(static fn (object $action): bool => $action->isActive())->all());
    }

    /** @return array{redirect?: string, error?: string} what one of those buttons leads to */
    public function customAction(string $identifier): array
    {
        foreach ($this->customActions() as $action) {
            if ($action->getIdentifier() === $identifier) {
                return Whmcs::redirection($action->invokeCallable());
            }
        }
        throw new \OutOfBoundsException("There is no action $identifier.");
    }

    /** @return array<string, int|float|string|null> the metrics of this service alone, by their names */
    public function metrics(): array
    {
        $metrics = [];
        $provider = opterius_MetricProvider($this->params());
        foreach ($provider->tenantUsage(AccountSync::identifierOf($this->params())) as $metric) {
            $metrics[$metric->systemName()] = $metric->usage()->value();
        }
        return $metrics;
    }

    /** Calls the module between its hooks, and files what went wrong. */
    private function command(
        string $action,
        string $function,
        array $extra,
        ?callable $via = null,
        ?array $varsAfter = null,
    ): string|array {
        $params = $this->params($extra + ['action' => strtolower($action)]);
        foreach (Hooks::run("PreModule$action", ['params' => $params]) as $answer) {
            if (is_array($answer) && ($answer['abortcmd'] ?? false)) {
                return 'The action was aborted by a hook.';
            }
            $params = is_array($answer) ? array_replace($params, $answer) : $params;
        }
        $via ??= 'opterius_' . $function;
        $result = is_callable($via) ? $via($params) : 'Function Not Supported by Module';
        $this->whmcs->moduleLog->lookForSecrets((string) json_encode($result), "the result of $function");
        $failed = $result !== 'success' && !is_array($result);
        $this->file($function, $failed ? $result : null);
        if ($action !== 'Renew') {
            $vars = $failed
                ? ['params' => $params, 'failureResponseMessage' => $result]
                : $varsAfter ?? ['params' => $params];
            Hooks::run("AfterModule$action" . ($failed ? 'Failed' : ''), $vars);
        }
        return $result;
    }

    private function file(string $action, ?string $error): void
    {
        $open = $this->queue()->where('module_action', $action);
        $now = gmdate('Y-m-d H:i:s');
        if ($error === null) {
            $open->update(['completed' => 1, 'updated_at' => $now]);
            return;
        }
        if ($action === 'ChangePassword') {
            return; // Who asked has the answer on the screen, and a retry would not know the password.
        }
        $attempt = ['last_attempt' => $now, 'last_attempt_error' => $error, 'updated_at' => $now];
        $entry = (clone $open)->first();
        if ($entry !== null) {
            $open->update($attempt + ['num_retries' => $entry->num_retries + 1]);
            return;
        }
        Capsule::table('tblmodulequeue')->insert($attempt + [
            'service_type' => $this->kind(), 'service_id' => $this->id, 'module_name' => Whmcs::MODULE,
            'module_action' => $action, 'created_at' => $now,
        ]);
    }

    private function queue(): \Illuminate\Database\Query\Builder
    {
        return Capsule::table('tblmodulequeue')
            ->where(['service_type' => $this->kind(), 'service_id' => $this->id, 'completed' => 0]);
    }

    private function kind(): string
    {
        return $this->isAddon ? 'addon' : 'service';
    }

    private function table(): \Illuminate\Database\Query\Builder
    {
        return Capsule::table($this->isAddon ? 'tblhostingaddons' : 'tblhosting')->where('id', $this->id);
    }

    private function become(string $status, array $more = []): void
    {
        $this->table()->update([$this->isAddon ? 'status' : 'domainstatus' => $status] + $more);
    }

    /** WHMCS makes up the username and the password of a service that has none when it is created. */
    private function makeUpNames(): void
    {
        $given = $this->params();
        if ($given['username'] === '' && !isset($this->overrides['username'])) {
            $vars = $this->whmcs->nestsParamsOfUsernames ? ['params' => $given] : $given;
            $answers = array_filter(
                Hooks::run('OverrideModuleUsernameGeneration', $vars),
                static fn (mixed $answer): bool => is_string($answer) && $answer !== '',
            );
            $letters = preg_replace('/[^a-z]/', '', strtolower($given['domain']));
            $this->properties->save(['Username' => array_values($answers)[0] ?? substr($letters, 0, 8)]);
        }
        if ($given['password'] === '' && !isset($this->overrides['password'])) {
            $letters = array_map(
                static fn (): string => self::GENERATED[random_int(0, strlen(self::GENERATED) - 1)],
                range(1, 10),
            );
            $this->properties->save(['Password' => implode('', $letters)]);
        }
        $this->properties->saved = [];
        $this->properties->writes = 0;
    }
}
