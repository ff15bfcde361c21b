<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

/** In what way WHMCS and the Panel do not agree. The order is the one in which the report shows them. */
enum Kind
{
    /** Sold, and not there. */
    case Missing;

    /** There, and not sold any more. */
    case Left;

    /** There with another package than the product's. */
    case WrongPackage;

    /** Suspended here and not there, or the other way round, or in no state to be left in. */
    case WrongState;

    /** There under another username or domain than WHMCS shows. */
    case WrongName;

    /** There, but the server is not as the Panel wants it. */
    case Drift;

    public function title(): string
    {
        return match ($this) {
            self::Missing => 'Paid but missing',
            self::Left => 'Present but cancelled',
            self::WrongPackage => 'Wrong package',
            self::WrongState => 'Wrong state',
            self::WrongName => 'Other names than in WHMCS',
            self::Drift => 'Not as it should be on the server',
        };
    }
}
