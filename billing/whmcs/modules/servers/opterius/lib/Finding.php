<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** One thing learned about a change. */
final class Finding
{
    /**
     * @param string $text what to tell the staff, where there is something to tell
     * @param string $code the Panel's code, where it refused
     * @param array $account where there is one
     * @param string $field what it refused, where that is one field
     */
    public function __construct(
        public readonly Standing $standing,
        public readonly string $text = '',
        public readonly string $code = '',
        public readonly array $account = [],
        public readonly string $field = '',
    ) {
    }
}
