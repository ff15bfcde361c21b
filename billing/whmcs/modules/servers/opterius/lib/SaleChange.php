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
        $finding = $this->pursue();
        $decoded = $finding->code === 'package_not_found' ? $this->sale->withDecodedPackage() : null;
        if ($decoded !== null) {
            $this->sale = $decoded;
            $finding = $this->pursue();
        }
        return $this->settled($finding);
    }
}
