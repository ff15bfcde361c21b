<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Gives an account that was just created the limits that were sold with it and that its package does not have. */
final class LimitsOfNewAccount extends SaleChange
{
    protected const BUTTON = 'Create';
    protected const DOING = 'setting the limits of the new account';
    protected const DONE = 'the limits of the new account were set';
    protected const KINDS = ['package'];

    public function __construct(Action $action, Sale $sale)
    {
        parent::__construct($action);
        $this->sale = $sale;
    }

    /** @throws Refusal unless the limits are set */
    public function run(): void
    {
        try {
            $this->settled($this->pursue());
        } catch (Refusal $refusal) {
            throw new Refusal(
                'The account was created, but does not yet have the limits that were sold. ' . $refusal->getMessage(),
                $refusal->reason,
            );
        }
    }

    protected function send(float $timeout): Reply
    {
        $body = $this->sale->package() + ['limits' => $this->sale->overrides()];
        return $this->panel->put($this->path('/package'), $body, $timeout);
    }

    protected function isMade(array $account): bool
    {
        $there = is_array($account['overrides'] ?? null) ? $account['overrides'] : [];
        return array_diff_assoc($this->sale->overrides(), $there) === [];
    }
}
