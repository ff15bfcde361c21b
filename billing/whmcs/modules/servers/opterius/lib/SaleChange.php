<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** A change that makes an account what was sold. */
abstract class SaleChange extends Change
{
    protected Sale $sale;

    /**
     * @return array the account
     *
     * @throws Refusal unless the change is made
     */
    final protected function carrySale(): array
    {
        if ($this->sale->otherOptions !== []) {
            $this->action->log->note(
                'These configurable options mean nothing to the Panel: ' . implode(', ', $this->sale->otherOptions)
            );
        }
        do {
            $finding = $this->pursue();
        } while ($this->mends($finding));
        return $this->settled($finding);
    }

    /** Puts something in the place of what was refused; false if there is nothing to put there. */
    protected function mends(Finding $finding): bool
    {
        $decoded = $finding->code === 'package_not_found' ? $this->sale->withDecodedPackage() : null;
        $this->sale = $decoded ?? $this->sale;
        return $decoded !== null;
    }
}
