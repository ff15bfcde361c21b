<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** An expected failure. Its message is a sentence that a billing clerk can act on. */
final class Refusal extends \RuntimeException
{
    /** @param string $reason the Panel's code, where the Panel has said no */
    public function __construct(string $message, public readonly string $reason = '')
    {
        parent::__construct($message);
    }
}
