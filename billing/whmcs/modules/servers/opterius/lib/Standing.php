<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** What is known about a change. */
enum Standing
{
    /** The Panel has answered this very change: it is made. */
    case Done;

    /** It was made, as far as can be seen; whether all of it, such as the password, is not known. */
    case Active;

    /** The Panel is at work on it. */
    case Running;

    /** The Panel is at work on another change of the account, and has not begun this one. */
    case Busy;

    /** The Panel said no, or tried and undid everything. */
    case Refused;

    /** No answer, or none that can be understood: it may have happened or not. */
    case Unclear;

    /** Whether asking again can bring more. */
    public function isOpen(): bool
    {
        return $this !== self::Done && $this !== self::Refused;
    }
}
