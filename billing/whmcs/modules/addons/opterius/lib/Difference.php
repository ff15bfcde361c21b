<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

use WHMCS\Module\Server\Opterius\Record;

/** One thing about which WHMCS and the Panel do not agree. */
final class Difference
{
    /**
     * @param Record|null $record as WHMCS has it, if it has it
     * @param Account|null $account as the Panel has it, if it has it
     * @param Mend|null $mend what mends it, if a button can
     */
    public function __construct(
        public readonly Kind $kind,
        public readonly string $text,
        public readonly ?Record $record,
        public readonly ?Account $account,
        public readonly ?Mend $mend,
    ) {
    }
}
