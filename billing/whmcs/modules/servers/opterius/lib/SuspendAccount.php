<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Suspends the account and says why. Again with another reason: it stays suspended, for that reason. */
final class SuspendAccount extends Change
{
    protected const BUTTON = 'Suspend';
    protected const DOING = 'suspending this account';
    protected const DONE = 'the account was suspended';
    protected const KINDS = ['suspend'];

    private const NO_REASON = 'Suspended by billing; no reason was given.';
    private const LONGEST_REASON = 500;

    /** @throws Refusal unless the account is suspended */
    public function run(): void
    {
        $this->carry();
    }

    protected function send(float $timeout): Reply
    {
        $reason = self::reason($this->action->params->text('suspendreason'));
        return $this->panel->post($this->path('/suspend'), ['reason' => $reason], $timeout);
    }

    protected function isMade(array $account): bool
    {
        return ($account['status'] ?? null) === 'suspended';
    }

    /** On one line and with nothing that cannot be seen, as the Panel wants it: customers may get to read it. */
    private static function reason(string $text): string
    {
        $seen = preg_replace('/[\s\p{C}\p{Z}]+/u', ' ', mb_scrub(Entities::decode($text), 'UTF-8'));
        $reason = trim(mb_substr(trim((string) $seen), 0, self::LONGEST_REASON));
        return $reason === '' ? self::NO_REASON : $reason;
    }
}
