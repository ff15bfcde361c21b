<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Gives an account what its product and its configurable options now say: all of it at once, or nothing. */
final class ChangePackage extends SaleChange
{
    protected const BUTTON = 'Change Package';
    protected const DOING = 'changing the package of this account';
    protected const DONE = 'the package was changed';
    protected const KINDS = ['package'];

    private readonly ProductOptions $options;

    /** @throws Refusal unless the account has the package and the limits */
    public function run(): void
    {
        $this->options = new ProductOptions($this->action->params);
        $this->sale = Sale::fromParams($this->action->params);
        $dropped = $this->carrySale()['dropped_overrides'] ?? null;
        if (is_array($dropped) && $dropped !== []) {
            $this->action->log->note(
                'Limits that no option of the product has set any more were left to the package: '
                . urldecode(http_build_query($dropped, '', ', '))
            );
        }
    }

    protected function send(float $timeout): Reply
    {
        return $this->panel->put($this->path('/package'), $this->sale->package() + [
            'limits' => (object) $this->sale->limits,
            'keep_overrides' => $this->options->keepsLimitsSetByHand(),
            'force' => $this->options->appliesLessThanIsUsed(),
        ], $timeout);
    }

    protected function isMade(array $account): bool
    {
        $package = $this->sale->package();
        $there = $account['package'] ?? null;
        return is_array($there) && in_array(reset($package), [$there['id'] ?? null, $there['name'] ?? null], true);
    }
}
