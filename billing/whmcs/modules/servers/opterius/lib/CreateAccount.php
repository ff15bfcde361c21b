<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * Creates the account that was ordered, and leaves no doubt whether it did. The Panel knows the order by the service's
 * reference: the same one never makes a second account, and an account that bears another is never taken for ours.
 */
final class CreateAccount extends SaleChange
{
    protected const BUTTON = 'Create';
    protected const DOING = 'creating this account';
    protected const DONE = 'the account was created';
    protected const KINDS = ['create', 'password'];

    private readonly ServiceRecord $record;
    private Order $order;

    public function __construct(Action $action)
    {
        parent::__construct($action);
        $this->record = new ServiceRecord($action, $this->ref);
    }

    /** @throws Refusal unless the account is there, active, and has the limits that were sold */
    public function run(): void
    {
        $this->sale = Sale::fromParams($this->action->params);
        $domain = $this->domain();
        $this->order = Order::from(
            $this->ref,
            $this->action->params,
            $domain === '' ? '' : $this->username($domain),
            $domain,
            $this->password(),
            $this->record->nextDueOn(),
        );
        $account = $this->carrySale();
        $this->tellWhatWasBefore($account['previous'] ?? null);
        $this->writeBack($account);
        $this->setLimits($account);
    }

    protected function send(float $timeout): Reply
    {
        $server = $this->sale->server === '' ? [] : ['server' => $this->sale->server];
        $body = $this->order->body() + $this->sale->package() + $server;
        return $this->panel->post('/api/accounts', $body, $timeout);
    }

    protected function isMade(array $account): bool
    {
        return ($account['status'] ?? null) === 'active' && is_string($account['id'] ?? null) && $account['id'] !== '';
    }

    protected function seen(array $account): ?Finding
    {
        $busy = ($account['operation']['outcome'] ?? null) === 'running';
        return match (true) {
            !$this->order->isFor($account) => null,
            $this->isMade($account) && !$busy => new Finding(Standing::Active, account: $account),
            ($account['status'] ?? null) === 'provisioning' => $this->running($account['operation']['id'] ?? null),
            ($account['status'] ?? null) === 'suspended' => $this->refused([
                'code' => 'account_suspended',
                'detail' => 'The account of this service exists already and is suspended.',
            ]),
            default => null,
        };
    }

    /** An address that the Panel does not take, as it takes not all that exist, must not cost a paid order. */
    protected function mends(Finding $finding): bool
    {
        $without = $finding->field === 'email' ? $this->order->withoutEmail() : null;
        if ($without === null) {
            return parent::mends($finding);
        }
        $this->action->log->note('The order goes without the client\'s e-mail address. ' . $finding->text);
        $this->order = $without;
        return true;
    }

    protected function refused(array $problem): Finding
    {
        $code = $problem['code'] ?? null;
        if ($code === 'not_found') {
            // What an order can name that is not there is its server.
            $problem['hint'] = 'Correct the setting Server Name of the product and press Create again.';
            return new Finding(Standing::Refused, Explanation::ofProblem($problem), $code);
        }
        if ($code === 'domain_taken' && $this->ref->kind === Ref::ADDON) {
            $problem['hint'] = 'An add-on is an account of its own: enter a domain of its own in its field Domain and '
                . 'press Create again.';
        }
        return parent::refused($problem);
    }

    /** An add-on's own fields are service properties; what WHMCS hands over beside them is its service's. */
    private function own(string $property, string $param): string
    {
        $own = $this->ref->kind === Ref::ADDON ? $this->record->property($property) : '';
        return $own !== '' ? $own : $this->action->params->text($param);
    }

    private function domain(): string
    {
        $domain = Domain::clean($this->own('Domain', 'domain'));
        if ($this->ref->kind === Ref::ADDON && $domain !== '' && $this->record->property('Domain') === '') {
            // WHMCS has no field for it before something is kept there.
            $this->record->save(['Domain' => $domain]);
        }
        return $domain;
    }

    /**
     * The service's username, or one for a service that has none. That one is kept before it is ordered, so that
     * pressing Create again orders the same; and an account that is there already says what it is called.
     */
    private function username(string $domain): string
    {
        $given = trim(Entities::decode($this->action->params->text('username')));
        if ($this->ref->kind === Ref::SERVICE && $given !== '') {
            return $given;
        }
        $kept = $this->ref->kind === Ref::ADDON ? trim($this->record->property('Username')) : '';
        if ($kept !== '') {
            return $kept;
        }
        $there = $this->question($this->path(), [])->data()['username'] ?? null;
        $username = is_string($there) && $there !== '' ? $there
            : Username::proposed($this->panel, '', $domain, $this->sale->server, $this->shortWhile())
            ?? Username::made('', $domain, $this->ref);
        $this->record->save(['Username' => $username]);
        return $username;
    }

    /** WHMCS makes a password for every service, but not for every add-on. */
    private function password(): string
    {
        if ($this->ref->kind === Ref::SERVICE) {
            return Entities::decode($this->action->params->text('password'));
        }
        $given = Entities::decode($this->own('Password', 'password'));
        $password = $given !== '' ? $given : bin2hex(random_bytes(10));
        $this->action->hide($password);
        if ($given === '') {
            $this->record->save(['Password' => $password]);
        }
        return $password;
    }

    /** A returning client gets a new account; whoever expected the old one back has to hear that it was possible. */
    private function tellWhatWasBefore(mixed $previous): void
    {
        $until = is_array($previous) ? $previous['restorable_until'] ?? null : null;
        if (is_int($until)) {
            $this->record->tell(sprintf(
                'A new account was created. The former account of this service (%s) was terminated and can be restored '
                . 'until %s UTC, in the Panel, once the new one is terminated.',
                is_string($previous['id'] ?? null) ? $previous['id'] : '',
                gmdate('Y-m-d H:i', intdiv($until, 1_000_000)),
            ));
        }
    }

    /** Tells WHMCS what the Panel made of the order. The domain stays as it was sold. */
    private function writeBack(array $account): void
    {
        $properties = [ServiceRecord::ACCOUNT_ID => $account['id']];
        $username = $account['username'] ?? null;
        if (is_string($username) && $username !== '' && $username !== $this->action->params->text('username')) {
            $properties['Username'] = $username;
        }
        $address = $account['ipv4'][0] ?? null;
        if (is_string($address)) {
            $properties['Dedicated IP'] = $address;
        }
        $this->record->save($properties);
    }

    /** @throws Refusal */
    private function setLimits(array $account): void
    {
        $wanted = $this->sale->overrides();
        $there = is_array($account['overrides'] ?? null) ? $account['overrides'] : [];
        if (array_diff_assoc($wanted, $there) !== []) {
            (new LimitsOfNewAccount($this->action, $this->sale))->run();
        }
    }
}
