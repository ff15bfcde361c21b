<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * Lifts what billing has suspended. What the host's own staff has suspended, for abuse, stays so; then WHMCS must not
 * show the service as active, and who reads the Module Queue has to learn why it is not.
 */
final class UnsuspendAccount extends Change
{
    protected const BUTTON = 'Unsuspend';
    protected const DOING = 'unsuspending this account';
    protected const DONE = 'the account was unsuspended';
    protected const KINDS = ['unsuspend'];

    /** @throws Refusal unless the account is active */
    public function run(): void
    {
        $holds = $this->carry()['holds'] ?? $this->holds();
        $held = [];
        foreach ($holds as $hold) {
            $since = is_int($hold['since'] ?? null) ? gmdate('Y-m-d', intdiv($hold['since'], 1_000_000)) : 'a while';
            $held[] = sprintf('%s since %s (%s)', $hold['hold'] ?? 'a hold', $since, $hold['reason'] ?? '');
        }
        if ($held !== []) {
            throw new Refusal(
                'Billing holds this account no longer, but it stays suspended by the host itself: '
                . implode(', ', $held) . '. Ask the host\'s staff, who can lift that in the Panel; then press '
                . 'Unsuspend again.'
            );
        }
    }

    protected function send(float $timeout): Reply
    {
        return $this->panel->post($this->path('/unsuspend'), [], $timeout);
    }

    protected function isMade(array $account): bool
    {
        $holds = $account['holds'] ?? null;
        return is_array($holds) && !in_array('billing', array_column($holds, 'hold'), true);
    }

    /** Asked for where only the operation, and not the account, has said that the hold was lifted. */
    private function holds(): array
    {
        $reply = $this->panel->get($this->path(), [], $this->action->patience->left());
        return $reply->data()['holds'] ?? throw new Refusal(
            'Billing holds this account no longer, but whether it is active is not known: '
            . lcfirst(Explanation::of($reply, $this->panel->address)) . ' Press Unsuspend again: that is safe.'
        );
    }
}
