<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** An expected failure. Its message is a sentence that a billing clerk can act on. */
final class Refusal extends \RuntimeException
{
}
