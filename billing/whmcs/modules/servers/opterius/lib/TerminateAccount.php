<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * Removes the account of this service from its server, and no other: it is named by its reference, never by a username
 * or a domain, which may be somebody else's by now. That it is gone is believed only of the Panel's own record.
 */
final class TerminateAccount extends Change
{
    protected const BUTTON = 'Terminate';
    protected const DOING = 'terminating this account';
    protected const DONE = 'the account was terminated';
    protected const KINDS = ['terminate'];

    private readonly ProductOptions $options;

    /** @throws Refusal unless the account is gone */
    public function run(): void
    {
        $this->options = new ProductOptions($this->action->params);
        $this->options->keptDays();
        if ($this->options->onlyStaffTerminates() && !Staff::isPresent()) {
            throw new Refusal(
                'Accounts of this product are terminated by staff only (Module Settings > Who May Terminate), and this '
                . 'was not a member of staff. Nothing was removed. Check the service and press Terminate there.'
            );
        }
        $there = $this->question($this->path(), [])->data();
        if ($there !== null) {
            $this->refuseAnothersAccount($there);
        }
        $this->carry();
    }

    protected function send(float $timeout): Reply
    {
        $days = $this->options->keptDays();
        return $this->panel->delete($this->path(), $days === null ? [] : ['keep_days' => $days], $timeout);
    }

    protected function isMade(array $account): bool
    {
        return ($account['status'] ?? null) === 'terminated';
    }

    protected function refused(array $problem): Finding
    {
        return match ($problem['code'] ?? null) {
            // The Panel's own record of a termination.
            'account_gone' => new Finding(Standing::Done, account: $problem),
            'not_found' => new Finding(Standing::Refused, Explanation::ofProblem([
                'detail' => "The Panel has never had an account for this service ({$this->ref}), so nothing was "
                    . 'removed. If it was never created, or was made by another server or token, set the status of '
                    . 'the service to Terminated by hand.',
            ]), 'not_found'),
            default => parent::refused($problem),
        };
    }

    /**
     * A WHMCS that was put back from an old backup gives out numbers again that the Panel knows. Then the account under
     * this reference was never this service's: neither its id nor its names are the ones in the service record.
     */
    private function refuseAnothersAccount(array $account): void
    {
        $params = $this->action->params;
        $here = [strtolower(trim($params->text('username'))), Domain::ascii(Domain::clean($params->text('domain')))];
        $there = [$account['username'] ?? null, $account['domain'] ?? null];
        $known = (new ServiceRecord($this->action, $this->ref))->property(ServiceRecord::ACCOUNT_ID);
        $agree = $here === ['', ''] || array_intersect_assoc($here, $there) !== [];
        if ($known !== ($account['id'] ?? null) && !$agree) {
            throw new Refusal(sprintf(
                'The account that the Panel has under the reference %s is %s (%s), which is not what this service says.'
                . ' Nothing was removed. If it is this service\'s, correct its username and domain and press Terminate '
                . 'again; if WHMCS was restored from a backup, the account belongs to a service that is not in it.',
                $this->ref,
                $account['username'] ?? '',
                $account['domain'] ?? '',
            ));
        }
    }
}
