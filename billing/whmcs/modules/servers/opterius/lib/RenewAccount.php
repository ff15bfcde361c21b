<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * Tells the Panel until when the service is paid. Nothing about the account depends on that date, so a Panel that
 * cannot be told is no reason to report a paid renewal as failed: the next one tells it again. That the account is not
 * there is one, since somebody has paid for it.
 */
final class RenewAccount extends Change
{
    protected const BUTTON = 'Renew';
    protected const DOING = 'taking down the renewal';
    protected const DONE = 'the renewal was taken down';

    private const NOT_THERE = ['not_found', 'account_gone'];

    /** @throws Refusal if the account that was paid for is not there */
    public function run(): void
    {
        if ($this->known() === []) {
            return;
        }
        try {
            $this->carry();
        } catch (Refusal $refusal) {
            if (in_array($refusal->reason, self::NOT_THERE, true)) {
                throw new Refusal('This service was renewed, but has no account. ' . $refusal->getMessage());
            }
            $this->action->log->note('The Panel was not told of the renewal. ' . $refusal->getMessage());
        }
    }

    protected function send(float $timeout): Reply
    {
        return $this->panel->patch($this->path(), $this->known(), $timeout);
    }

    protected function isMade(array $account): bool
    {
        return is_string($account['id'] ?? null);
    }

    /** @return array<string, string> what WHMCS knows; what it does not know stays as the Panel has it */
    private function known(): array
    {
        $record = new ServiceRecord($this->action, $this->ref);
        return array_filter([
            'client_ref' => $this->action->params->clientRef(),
            'next_due_on' => (string) $record->nextDueOn(),
        ], 'strlen');
    }
}
