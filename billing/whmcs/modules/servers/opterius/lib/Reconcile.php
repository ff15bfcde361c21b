<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Makes the server what the account should be, whatever has become of it since. Show Plan says beforehand what. */
final class Reconcile extends Change
{
    protected const BUTTON = 'Reconcile';
    protected const DOING = 'repairing this account';
    protected const DONE = 'the account was repaired';
    protected const KINDS = ['repair'];

    /** @throws Refusal unless the account is as it should be */
    public function run(): void
    {
        $this->carry();
    }

    protected function send(float $timeout): Reply
    {
        return $this->panel->post($this->path('/repair'), [], $timeout);
    }

    protected function isMade(array $account): bool
    {
        return is_string($account['id'] ?? null);
    }
}
