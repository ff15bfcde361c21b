<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Brings the terminated account of this service back, as long as it is kept, and has WHMCS show it as it is then. */
final class RestoreAccount extends Change
{
    protected const BUTTON = 'Restore';
    protected const DOING = 'restoring this account';
    protected const DONE = 'the account was restored';
    protected const KINDS = ['restore'];

    /** @throws Refusal unless the account is there */
    public function run(): void
    {
        $account = $this->carry();
        $record = new ServiceRecord($this->action, $this->ref);
        $record->save([ServiceRecord::ACCOUNT_ID => $account['id']]);
        // An account comes back as it was, held by whoever held it.
        $record->setStatus(($account['status'] ?? null) === 'suspended' ? 'Suspended' : 'Active');
    }

    protected function send(float $timeout): Reply
    {
        return $this->panel->post($this->path('/restore'), [], $timeout);
    }

    protected function isMade(array $account): bool
    {
        return is_string($account['id'] ?? null)
            && in_array($account['status'] ?? null, ['active', 'suspended'], true);
    }

    protected function refused(array $problem): Finding
    {
        if (($problem['code'] ?? null) === 'account_gone') {
            $problem = ['detail' => ($problem['detail'] ?? '') . ' It cannot be restored any more. Press Create for a '
                . 'new account.'];
            return new Finding(Standing::Refused, Explanation::ofProblem($problem), 'account_gone');
        }
        return parent::refused($problem);
    }
}
