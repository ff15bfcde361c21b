<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** What is known about an order. */
enum Standing
{
    /** The Panel has answered this very order with the active account. */
    case Done;

    /** The account is there and active, but whether it has this order's password is not known. */
    case Active;

    /** The Panel is at work on it. */
    case Running;

    /** The Panel said no, or tried and undid everything. */
    case Refused;

    /** No answer, or none that can be understood: it may have happened or not. */
    case Unclear;
}
